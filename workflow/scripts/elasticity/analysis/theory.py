"""The elasticity theorem evaluated over a grid: quadrature, Monte Carlo beside it, and the leading order in 1/k."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import get_args

import numpy as np
import pandas as pd

from elasticity.analysis.theorem import (
    THIRD,
    Array,
    Normalisation,
    Pareto,
    Rates,
    Reading,
    by_quadrature,
    derivative_errors,
    derivatives,
    expanded,
)
from elasticity.config.compression import Theory

SEED = 0
"""The seed of the draws, which all cells share."""


BATCHES = 100
"""The number of batches of draws; their spread gives the standard errors."""


def theory_table(settings: Theory) -> pd.DataFrame:
    """One row for each reading of D3, normalisation, α, k, l and corpus (D1, D2).

    ``slope`` is dγ/dl by quadrature with ``error``; ``sampled`` is dγ/dl by Monte Carlo with its standard error;
    ``expanded`` is the leading order in 1/k. ``over_first`` is dγ2/dl over dγ1/dl.
    """
    grid = np.array(list(product(settings.ratios, settings.perturbations)))
    uniforms = stratified(np.random.default_rng(SEED), settings.draws // BATCHES)
    parts: list[pd.DataFrame] = []
    for alpha, reading in product(settings.tails, get_args(Reading)):
        parts += _rows(Pareto(alpha), reading, grid[:, 0], grid[:, 1], uniforms)
    return pd.concat(parts, ignore_index=True)


def _rows(law: Pareto, reading: Reading, k: Array, ell: Array, uniforms: Array) -> Iterator[pd.DataFrame]:
    rates, errors = by_quadrature(law, reading, k, ell)
    batches = by_sampling(law, uniforms, THIRD[reading], k, ell)
    normalisations: tuple[Normalisation, ...] = get_args(Normalisation)
    for normalisation in normalisations:
        slopes = derivatives(rates, normalisation, k, ell)
        bounds = derivative_errors(rates, errors, normalisation, k, ell)
        leading = expanded(law, reading, normalisation, k, ell)
        sampled, standard_errors = jackknife(
            batches, partial(derivatives, normalisation=normalisation, k=k[:, None], ell=ell[:, None])
        )
        for place, corpus in enumerate(("D1", "D2")):
            yield pd.DataFrame(
                {
                    "perturbation": reading,
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


def stratified(generator: np.random.Generator, size: int) -> Array:
    """Uniform numbers above 0 and up to 1, of shape (3 masses, batches, size).

    In a batch each mass has one number in every stratum of 1 / size, in random order: a sum of functions of one mass
    each hardly varies, and few heavy masses do not decide. Batches are independent of one another.
    """
    strata = np.broadcast_to(np.arange(size), (3, BATCHES, size))
    return (generator.permuted(strata, axis=-1) + 1 - generator.random(strata.shape)) / size


def by_sampling(law: Pareto, uniforms: Array, third: int, k: Array, ell: Array) -> Rates:
    """Means over the batches of ``uniforms``: rates and derivatives of shape (3 corpora, cells, batches).

    A derivative 1/S − E[x z / q] is sampled as −E[z (x S − q) / (q S)], which is the same because E[z] = 1, and for
    large k varies k times less. Heavy masses are few and matter: each mass is drawn with the density times the mass
    itself, and counts 1 / mass.
    """
    masses = law.by_mass(uniforms)
    weights = 1 / np.prod(masses[sorted({0, 1, third})], axis=0)
    corpora = masses[[0, 1, third]]
    x, y, z = corpora
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
