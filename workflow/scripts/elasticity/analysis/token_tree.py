"""The token tree of the paper: responses over binary tokens as weighted paths, pruning, joining and code lengths.

A response is a string of "0" and "1"; a data set is its responses with weights that add up to 1. Levels are counted as
the paper does: the root is level 1, so level l has at most 2^(l − 1) nodes, and a node of level l is a prefix of l − 1
tokens. Logarithms are to base 2, rates in bits per token.
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TokenTree:
    """A token tree (paper, definition of the token tree): a response is a path from the root to an EOS token.

    ``leaves`` maps the prefix of each node that has an EOS token right below it to the weight of that token.
    """

    leaves: Mapping[str, float]

    @classmethod
    def of(cls, responses: Iterable[str]) -> "TokenTree":
        """The tree of a data set whose responses have equal weights."""
        counts = Counter(responses)
        total = counts.total()
        return cls({response: count / total for response, count in counts.items()})

    def weight(self, node: str) -> float:
        """The sum of the weights below a node, which is the probability that a response begins with it."""
        return math.fsum(weight for leaf, weight in self.leaves.items() if leaf.startswith(node))

    def pruned(self, depth: int) -> "TokenTree":
        """The tree of ``depth`` levels (paper, definition of pruning).

        The weight of every node below the last level goes to the EOS token of the node of the last level above it.
        """
        leaves: defaultdict[str, float] = defaultdict(float)
        for leaf, weight in self.leaves.items():
            leaves[leaf[: depth - 1]] += weight
        return TokenTree(dict(leaves))

    @property
    def entropy_bits(self) -> float:
        """The entropy −Σ p log₂ p over the leaves."""
        return cross_entropy_bits(self, self)


def joint(trees: Sequence[TokenTree], sizes: Sequence[float]) -> TokenTree:
    """The tree of D = ∪ Di (paper, joint compression): weights are means over the Di, in proportion to |Di|."""
    leaves: defaultdict[str, float] = defaultdict(float)
    total = math.fsum(sizes)
    for tree, size in zip(trees, sizes, strict=True):
        for leaf, weight in tree.leaves.items():
            leaves[leaf] += weight * size / total
    return TokenTree(dict(leaves))


def cross_entropy_bits(own: TokenTree, model: TokenTree) -> float:
    """−Σ p log₂ q over the leaves: the bits of a leaf of p in a code made for q; infinite if q lacks a leaf."""
    if any(weight and not model.leaves.get(leaf) for leaf, weight in own.leaves.items()):
        return math.inf
    return -math.fsum(weight * math.log2(model.leaves[leaf]) for leaf, weight in own.leaves.items() if weight)


def ideal_code_length(response: str, tree: TokenTree, depth: int) -> int:
    """Bits of a response (paper, ideal code length): ⌈|x| / d⌉ blocks, each of ⌈−Σ_l Σ_j p log₂ p⌉ bits."""
    return math.ceil(len(response) / depth) * math.ceil(tree.pruned(depth).entropy_bits)


def compression_rate(own: TokenTree, model: TokenTree, depth: int) -> float:
    """γ^{Di} (paper, joint compression): bits per token of Di in the code of D = ``model``; lower is better."""
    return cross_entropy_bits(own.pruned(depth), model.pruned(depth)) / depth


def difference_rate(own: TokenTree, model: TokenTree, depth: int) -> float:
    """γ^{Di/D} of the ACL version: the difference to a code that gives all leaves of D the same number of bits.

    It is γ^{Di} − log M with M leaves, where the logarithm is divided by d like γ.
    """
    return compression_rate(own, model, depth) - math.log2(len(model.pruned(depth).leaves)) / depth


def ratio_rate(own: TokenTree, model: TokenTree, depth: int) -> float:
    """γ^{Di/D} of the first version: (γ^{Di} − log₂ 2^(d−1) / d) / (γ^D − log₂ 2^(d−1) / d)."""
    uniform = (depth - 1) / depth
    return (compression_rate(own, model, depth) - uniform) / (compression_rate(model, model, depth) - uniform)


Code = Mapping[str, str]
"""The code word of each symbol, a string of "0" and "1"; no word is the beginning of another."""


def huffman_code(weights: Mapping[str, float]) -> Code:
    """A prefix-free code with the least mean length for these weights, of which there must be at least one.

    Symbols of equal weight are taken in their order. A single symbol has the empty word, because it needs no bits.
    """
    heap = [(weight, place, {symbol: ""}) for place, (symbol, weight) in enumerate(weights.items())]
    heapq.heapify(heap)
    for place in range(len(heap), 2 * len(heap) - 1):
        (light, _, left), (heavy, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        words = {symbol: f"0{word}" for symbol, word in left.items()}
        words |= {symbol: f"1{word}" for symbol, word in right.items()}
        heapq.heappush(heap, (light + heavy, place, words))
    return heap[0][2]


def encoded(symbols: Iterable[str], code: Code) -> str:
    """The code words of the symbols, one after another."""
    return "".join(code[symbol] for symbol in symbols)


def decoded(bits: str, code: Code) -> Iterator[str]:
    """The symbols that ``encoded`` turned into these bits; the code must have at least two symbols."""
    symbols = {word: symbol for symbol, word in code.items()}
    word = ""
    for bit in bits:
        word += bit
        if word in symbols:
            yield symbols[word]
            word = ""


def mean_length_bits(weights: Mapping[str, float], code: Code) -> float:
    """The mean number of bits per symbol."""
    return sum(weight * len(code[symbol]) for symbol, weight in weights.items())
