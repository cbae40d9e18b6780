"""The elasticity theorem evaluated over a grid: quadrature, Monte Carlo beside it, and the leading order in 1/k."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import get_args

import numpy as np
import pandas as pd

from elasticity.analysis.theorem import (
    Array,
    Normalisation,
    Pareto,
    Rates,
    Reading,
    by_quadrature,
    derivative_errors,
    derivatives,
    expanded,
    mixtures,
    turn,
    turn_of_small_variance,
)
from elasticity.config.compression import Theory

SEED = 0
"""The seed of the draws, which all cells share."""


BATCHES = 100
"""The number of batches of draws; their spread gives the standard errors."""


def theory_table(settings: Theory) -> pd.DataFrame:
    """One row for each reading, share, normalisation, α, k, l and corpus (D1, D2).

    ``share`` is that of each of D2 and D3 in D1, and 0 in readings other than ``contained``.

    ``slope`` is dγ/dl by quadrature with ``error``; ``sampled`` is dγ/dl by Monte Carlo with its standard error;
    ``expanded`` is the leading order in 1/k. ``over_first`` is dγ2/dl over dγ1/dl.
    """
    grid = np.array(list(product(settings.ratios, settings.perturbations)))
    uniforms = stratified(np.random.default_rng(SEED), settings.draws // BATCHES)
    parts: list[pd.DataFrame] = []
    for alpha, (reading, share) in product(settings.tails, _readings(settings)):
        parts += _rows(Pareto(alpha), reading, share, grid[:, 0], grid[:, 1], uniforms)
    return pd.concat(parts, ignore_index=True)


def _readings(settings: Theory) -> Iterator[tuple[Reading, float]]:
    """Each reading with the share of each of D2 and D3 in D1."""
    readings: tuple[Reading, ...] = get_args(Reading)
    for reading in readings:
        yield from ((reading, share) for share in (settings.shares if reading == "contained" else (0.0,)))


def _rows(law: Pareto, reading: Reading, share: float, k: Array, ell: Array, uniforms: Array) -> Iterator[pd.DataFrame]:
    shares = mixtures(reading, share)
    rates, errors = by_quadrature(law, shares, k, ell)
    batches = by_sampling(law, uniforms, shares, k, ell)
    normalisations: tuple[Normalisation, ...] = get_args(Normalisation)
    for normalisation in normalisations:
        slopes = derivatives(rates, normalisation, k, ell)
        bounds = derivative_errors(rates, errors, normalisation, k, ell)
        leading = expanded(law, reading, normalisation, k, ell, share)
        sampled, standard_errors = jackknife(
            batches, partial(derivatives, normalisation=normalisation, k=k[:, None], ell=ell[:, None])
        )
        for place, corpus in enumerate(("D1", "D2")):
            yield pd.DataFrame(
                {
                    "reading": reading,
                    "share": share,
                    "normalisation": normalisation,
                    "alpha": law.alpha,
                    "k": k,
                    "l": ell,
                    "corpus": corpus,
                    "slope": slopes[place],
                    "error": bounds[place],
                    "sampled": sampled[place],
                    "standard_error": standard_errors[place],
                    "expanded": leading[place],
                    "over_first": slopes[1] / slopes[0],
                }
            )


def turns_table(settings: Theory) -> pd.DataFrame:
    """The share of each of D2 and D3 in D1 at which the signs turn, for l → 0, α and k; k = ∞ is the last one.

    ``small_variance`` is the same share for masses of small variance.
    """
    grid = pd.DataFrame(product(settings.tails, (*settings.ratios, np.inf)), columns=["alpha", "k"])
    turns = [turn(Pareto(alpha), k) for alpha, k in grid.itertuples(index=False)]
    return grid.assign(turn=turns, small_variance=turn_of_small_variance(grid["k"].to_numpy()))


PUBLISHED: dict[Normalisation, tuple[str, str]] = {
    "difference": ("ACL 2025", "D1 < 0, D2 > 0"),
    "ratio": ("first arXiv version", "D1 > 0, D2 > 0"),
}
"""The version of the paper that uses a normalisation, and the signs of dγ/dl that it publishes."""


def found_signs(slopes: pd.DataFrame) -> str:
    """The sign of dγ/dl of each corpus over all rows of a ``theory_table``, written as in ``PUBLISHED``."""
    told = []
    for corpus, those in slopes.groupby("corpus", sort=True)["slope"]:
        told.append(f"{corpus} > 0" if those.min() > 0 else f"{corpus} < 0" if those.max() < 0 else f"{corpus} both")
    return ", ".join(told)


NEAR_ONE = 0.1
"""How far the exponent of k may be from 1 for a ratio of dγ2/dl to dγ1/dl of the order of k."""


def claims_table(table: pd.DataFrame) -> pd.DataFrame:
    """The verdict on both published claims in each reading of a ``theory_table``, at its smallest l.

    ``exponent_low`` to ``exponent_high`` is the range, over α, of the exponent e with which |γ2' / γ1'| grows as k^e
    from the smallest to the largest k; the published one is 1. It is missing if there is a single k.
    """
    rows = []
    limit = table[table["l"] == table["l"].min()]
    for (reading, share, normalisation), cells in limit.groupby(["reading", "share", "normalisation"], sort=False):
        version, published = PUBLISHED[normalisation]
        ratios = cells[cells["corpus"] == "D1"].pivot_table(index="k", columns="alpha", values="over_first")
        growth = np.log(abs(ratios.iloc[-1] / ratios.iloc[0])) / np.log(ratios.index[-1] / ratios.index[0])
        found = found_signs(cells)
        signs, order = found == published, bool((abs(growth - 1) <= NEAR_ONE).all())
        rows.append(
            {
                "reading": reading,
                "share": share,
                "version": version,
                "published": published,
                "found": found,
                "exponent_low": growth.min(),
                "exponent_high": growth.max(),
                "signs": "hold" if signs else "fail",
                "order": "holds" if order else "fails",
                "claim": "holds" if signs and order else "fails",
            }
        )
    return pd.DataFrame(rows)


def stratified(generator: np.random.Generator, size: int) -> Array:
    """Uniform numbers above 0 and up to 1, of shape (3 masses, batches, size).

    In a batch each mass has one number in every stratum of 1 / size, in random order: a sum of functions of one mass
    each hardly varies, and few heavy masses do not decide. Batches are independent of one another.
    """
    strata = np.broadcast_to(np.arange(size), (3, BATCHES, size))
    return (generator.permuted(strata, axis=-1) + 1 - generator.random(strata.shape)) / size


def by_sampling(law: Pareto, uniforms: Array, shares: Array, k: Array, ell: Array) -> Rates:
    """Means over the batches of ``uniforms``: rates and derivatives of shape (3 corpora, cells, batches).

    ``shares`` are the mixtures of the corpora. A derivative 1/S − E[x z / q] is sampled as −E[z (x S − q) / (q S)],
    which is the same because E[z] = 1, and for large k varies k times less. Heavy masses are few and matter: each mass
    is drawn with the density times the mass itself, and counts 1 / mass.
    """
    masses = law.by_mass(uniforms)
    weights = 1 / np.prod(masses[shares.any(axis=0)], axis=0)
    x, y, z = corpora = np.tensordot(shares, masses, axes=1)
    found = []
    for ratio, perturbation in zip(k, ell, strict=True):
        joint, total = ratio * x + y + perturbation * z, ratio + 1 + perturbation
        nats, tilt = weights * np.log(total / joint), weights * z / joint
        found.append([(corpora * nats).mean(axis=-1), (weights * z / total - corpora * tilt).mean(axis=-1)])
    return Rates(*np.array(found).transpose(1, 2, 0, 3))


def jackknife(batches: Rates, function: Callable[[Rates], Array]) -> tuple[Array, Array]:
    """A function of the means of all draws, and its standard error from leaving out one batch at a time.

    ``function`` keeps the last axis, over which it is given several means at once.
    """
    everything = Rates(*(values.mean(axis=-1, keepdims=True) for values in batches))
    count = batches.rates.shape[-1]
    without = Rates(
        *((count * whole - values) / (count - 1) for whole, values in zip(everything, batches, strict=True))
    )
    variation = function(without).var(axis=-1)
    return function(everything)[..., 0], np.sqrt((count - 1) * variation)
