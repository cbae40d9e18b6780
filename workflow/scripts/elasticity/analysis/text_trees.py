"""Token trees of real texts: code lengths, laws of the leaf masses, and the theorem's signs with measured masses.

A text is a string of bits, cut into blocks of d − 1 bits; the last block may be shorter. The continuation of a text
from each of its blocks on is a path from the root, so the tree of all continuations, pruned to depth d, has the blocks
as its leaves. Leaves of the first blocks alone are those of the paper's tree of whole responses.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from elasticity.analysis.leaf_masses import LEAST_COUNT, fit_tail, nearest_law
from elasticity.analysis.theorem import Rates, derivatives
from elasticity.analysis.token_tree import TokenTree, huffman_code
from elasticity.config.token_tree import Texts, TokenTrees

Array = NDArray[np.float64]

Part = Literal["all", "first"]
"""The blocks of each text that are counted: all of them, or the first one."""


SEED = 0
"""The seed of all resamples."""


@dataclass(frozen=True)
class BitText:
    """A text as a string of "0" and "1", and its size in UTF-8 bytes."""

    bits: str
    utf8_bytes: int

    def blocks(self, depth: int, part: Part = "all") -> list[str]:
        """The blocks of d − 1 bits, the last of which may be shorter."""
        size = depth - 1
        ends = len(self.bits) if part == "all" else size
        return [self.bits[start : start + size] for start in range(0, ends, size)]


def bits_of_bytes(text: str) -> str:
    """The bits of the UTF-8 bytes of a text, eight for each byte."""
    data = text.encode()
    return f"{int.from_bytes(data):0{8 * len(data)}b}" if data else ""


def bits_of_ids(ids: Iterable[int], vocabulary: int) -> str:
    """The bits of token ids, as many for each as the largest id of the vocabulary has."""
    width = max(1, (vocabulary - 1).bit_length())
    return "".join(f"{token:0{width}b}" for token in ids)


Corpora = Mapping[Texts, Sequence[BitText]]
"""The texts of each corpus, none of which is empty."""


def leaves_of(texts: Iterable[BitText], depth: int, part: Part = "all") -> Counter[str]:
    """How often each leaf of the pruned tree occurs."""
    return Counter(block for text in texts for block in text.blocks(depth, part))


Leaves = Mapping[tuple[Texts, int, Part], Counter[str]]
"""The leaves of trees by corpus, depth and part."""


def all_leaves(corpora: Corpora, depths: Iterable[int]) -> Leaves:
    """The leaves of the trees of all corpora, in order."""
    return {key: leaves_of(corpora[key[0]], *key[1:]) for key in product(corpora, depths, get_args(Part))}


# Code lengths


def code_lengths(corpora: Corpora, held_out: Corpora, leaves: Leaves) -> pd.DataFrame:
    """One row for each corpus and depth: the sizes of the tree, and bits per byte of its codes.

    ``entropy`` is −Σ p log₂ p of the leaves, ``ideal`` the paper's ideal code length (⌈|x| / d⌉ blocks of ⌈−Σ p log₂ p⌉
    bits for each text), ``huffman`` the length in the Huffman code. ``held_out`` is the length of other texts of the
    same kind in this Huffman code, where there are some.
    """
    rows = []
    for (name, depth, part), counts in leaves.items():
        if part != "all":
            continue
        texts = corpora[name]
        size = sum(text.utf8_bytes for text in texts)
        tree = TokenTree({leaf: count / counts.total() for leaf, count in counts.items()})
        code = huffman_code(counts)
        ideal = sum(math.ceil(len(text.bits) / depth) for text in texts) * math.ceil(tree.entropy_bits)
        rows.append(
            {
                "corpus": name,
                "depth": depth,
                "texts": len(texts),
                "utf8_bytes": size,
                "blocks": counts.total(),
                "leaves": len(counts),
                "entropy_bits_per_byte": tree.entropy_bits * counts.total() / size,
                "ideal_bits_per_byte": ideal / size,
                "huffman_bits_per_byte": sum(count * len(code[leaf]) for leaf, count in counts.items()) / size,
                "held_out_bits_per_byte": held_out_rate(counts, held_out.get(name, ()), depth),
            }
        )
    return pd.DataFrame(rows)


UNSEEN = "unseen"
"""The symbol that announces a leaf which the tree does not have."""


def held_out_rate(counts: Counter[str], texts: Sequence[BitText], depth: int) -> float:
    """Bits per byte of other texts in the Huffman code of a tree; NaN without texts.

    A leaf that the tree does not have is written as the code word of ``UNSEEN`` and its own bits. As many blocks are
    reckoned to be unseen as leaves occur once (Good 1953), but at least one.
    """
    if not texts:
        return math.nan
    once = sum(count == 1 for count in counts.values())
    code = huffman_code({**counts, UNSEEN: max(1, once)})
    found = leaves_of(texts, depth)
    bits = sum(n * len(code[leaf] if leaf in counts else code[UNSEEN] + leaf) for leaf, n in found.items())
    return bits / sum(text.utf8_bytes for text in texts)


# Laws of the leaf masses


def mass_laws(leaves: Leaves, resamples: int) -> pd.DataFrame:
    """One row for each corpus, depth and part: the Pareto tail of the leaf masses, and the nearest law of mean 1."""
    rows = []
    for (name, depth, part), those in leaves.items():
        counts = np.array(sorted(those.values()), dtype=float)
        masses = counts / counts.mean()
        fit = fit_tail(masses, LEAST_COUNT / counts.mean(), resamples, np.random.default_rng(SEED))
        nearest, distance = nearest_law(masses)
        rows.append(
            {
                "corpus": name,
                "part": part,
                "depth": depth,
                "blocks": int(counts.sum()),
                "leaves": len(counts),
                "alpha": fit.tail.alpha,
                "alpha_low": fit.low,
                "alpha_high": fit.high,
                "threshold": fit.tail.threshold,
                "tail_leaves": fit.tail.leaves,
                "tail_mass": masses[masses >= fit.tail.threshold].sum() / masses.sum(),
                "distance": fit.tail.distance,
                "p": fit.p,
                "nearest_alpha": nearest,
                "nearest_distance": distance,
            }
        )
    return pd.DataFrame(rows)


POINTS = 60
"""The largest number of points of a distribution in a table."""


def mass_distributions(leaves: Leaves) -> pd.DataFrame:
    """The share of the leaves of all blocks that have at least a mass, at up to ``POINTS`` masses of each tree."""
    parts = []
    for (name, depth, part), those in leaves.items():
        if part != "all":
            continue
        counts, number = np.unique(list(those.values()), return_counts=True)
        share = np.cumsum(number[::-1])[::-1] / number.sum()
        steps = np.geomspace(counts[0], counts[-1], POINTS)
        chosen = np.unique(np.searchsorted(counts, steps).clip(max=len(counts) - 1))
        mass = counts[chosen] * number.sum() / (counts * number).sum()
        parts.append(pd.DataFrame({"corpus": name, "depth": depth, "mass": mass, "share": share[chosen]}))
    return pd.concat(parts, ignore_index=True)


# The theorem with measured masses


@dataclass(frozen=True)
class MeasuredMasses:
    """The leaves of three corpora: ``counts`` of shape (texts, leaves), and the corpus (0, 1, 2) of each text."""

    counts: "sparse.csr_array"
    corpus: NDArray[np.int64]

    @classmethod
    def of(cls, corpora: Sequence[Sequence[BitText]], depth: int, part: Part) -> "MeasuredMasses":
        """Count the leaves of each text of D1, D2 and D3."""
        numbers: dict[str, int] = {}
        rows, columns = [], []
        texts = [(place, text) for place, those in enumerate(corpora) for text in those]
        for row, (_, text) in enumerate(texts):
            found = [numbers.setdefault(block, len(numbers)) for block in text.blocks(depth, part)]
            rows += [row] * len(found)
            columns += found
        entries = (np.ones(len(rows)), (rows, columns))
        counts = sparse.coo_array(entries, shape=(len(texts), len(numbers))).tocsr()
        return cls(counts, np.array([place for place, _ in texts]))

    def probabilities(self, copies: Array | None = None) -> Array:
        """The mass of each leaf in D1, D2, D3, each with sum 1.

        ``copies`` says how often each text counts in each corpus, shape (3, texts). Without it, each text counts once
        in its own corpus.
        """
        sums = np.asarray((self._own if copies is None else copies) @ self.counts)
        return np.asarray(sums / sums.sum(axis=1, keepdims=True))

    @property
    def _own(self) -> Array:
        return np.asarray(np.arange(3)[:, None] == self.corpus, dtype=float)

    def resampled(self, generator: np.random.Generator) -> Array:
        """The masses of corpora whose texts are drawn with replacement from their own texts."""
        own = self._own
        return self.probabilities(np.stack([generator.multinomial(int(it.sum()), it / it.sum()) for it in own]))

    def divided(self, generator: np.random.Generator) -> Array:
        """The masses of the same texts, divided at random into corpora of the same numbers of texts."""
        return self.probabilities(self._own[:, generator.permutation(len(self.corpus))])


def rates_of(p: Array, k: float, ell: float, leaves: float) -> Rates:
    """The theorem's rates and derivatives (nats a leaf, shape (3, 1)) of corpora with these masses on leaves.

    ``p`` has shape (3 corpora, leaves) and rows that add up to 1. Rates are −Σ pᵢ ln p^D − ln M for M = ``leaves``, and
    infinite for a corpus with a leaf that the joint corpus does not have (l = 0).
    """
    total = k + 1 + ell
    joint = (k * p[0] + p[1] + ell * p[2]) / total
    there = joint > 0
    logs, inverse = np.zeros_like(joint), np.zeros_like(joint)
    logs[there], inverse[there] = np.log(joint[there]), 1 / joint[there]
    rates = -(p @ logs) - np.log(leaves)
    rates[(p[:, ~there] > 0).any(axis=1)] = np.inf
    slopes = (1 - p @ (p[2] * inverse)) / total
    return Rates(rates[:, None], slopes[:, None])


def measured_slopes(corpora: Corpora, settings: TokenTrees) -> pd.DataFrame:
    """One row for each union, part, depth, k, l and corpus (D1, D2): rates and derivatives with measured masses.

    ``slope`` is dγ/dl (nats a leaf) of these very texts. Leaves that are counted in few texts have masses with an
    error, which biases slopes: ``corrected`` is the slope less the bias, with the standard error ``error``, both from a
    bootstrap over texts. ``noise`` is the mean slope of the same texts, divided at random into corpora of the same
    sizes, which are then all of one kind. ``first_version`` is the derivative of the rate that is normalised as in the
    first version.
    """
    parts: tuple[Part, ...] = get_args(Part)
    found: list[dict[str, object]] = []
    for name, union in settings.unions.items():
        for depth in settings.depths:
            for part in parts:
                masses = MeasuredMasses.of([corpora[corpus] for corpus in union.corpora], depth, part)
                where = {"union": name, "part": part, "depth": depth}
                found += (where | row for row in _slopes(masses, settings, depth))
    return pd.DataFrame(found)


def _slopes(masses: MeasuredMasses, settings: TokenTrees, depth: int) -> Iterator[dict[str, object]]:
    p = masses.probabilities()
    generator = np.random.default_rng(SEED)
    resamples = [masses.resampled(generator) for _ in range(settings.resamples)]
    divisions = [masses.divided(generator) for _ in range(settings.resamples)]
    for k in settings.ratios:
        for ell in settings.perturbations:
            leaves = int(((k * p[0] + p[1] + ell * p[2]) > 0).sum())
            at = rates_of(p, k, ell, leaves)
            again = np.array([rates_of(one, k, ell, leaves).slopes[:, 0] for one in resamples])
            noise = np.array([rates_of(one, k, ell, leaves).slopes[:, 0] for one in divisions])
            of_full_tree = Rates(at.rates + np.log(leaves) - (depth - 1) * np.log(2), at.slopes)
            with np.errstate(invalid="ignore"):  # the joint rate is infinite if D3 has leaves of its own and l = 0
                first = derivatives(of_full_tree, "ratio", np.array([k]), np.array([ell]))
            for place, corpus in enumerate(("D1", "D2")):
                yield {
                    "k": k,
                    "l": ell,
                    "leaves": leaves,
                    "corpus": corpus,
                    "rate_bits_per_token": (at.rates[place, 0] + np.log(leaves)) / np.log(2) / (depth - 1),
                    "normalised_bits_per_token": at.rates[place, 0] / np.log(2) / (depth - 1),
                    "slope": at.slopes[place, 0],
                    "corrected": 2 * at.slopes[place, 0] - again[:, place].mean(),
                    "error": again[:, place].std(ddof=1),
                    "noise": noise[:, place].mean(),
                    "first_version": first[place, 0] if np.isfinite(first[place, 0]) else np.nan,
                }
