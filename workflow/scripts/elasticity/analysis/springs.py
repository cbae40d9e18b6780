"""The elasticity theorem set against measured compression rates (paper C): slopes, their ratio, exponents, forces.

Corpora are numbered as in the paper: 1 pre-training, 2 alignment, 3 perturbation. The change Δγ of a compression rate
from N = 0 to N equals that of a normalised rate, because the logarithm of the number of leaves cancels. It also equals
the change of KL(P_D || p_θ): on fixed held-out text the cross-entropy is KL plus the constant entropy of the text.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from elasticity.analysis.aggregation import CONFIDENCE, over_seeds, t_interval
from elasticity.analysis.jobs import SpringsJob

CORPORA = ("pretraining", "alignment", "perturbation")
"""The corpora D1, D2 and D3, as schema ``COMPRESSION`` calls them."""


AMOUNTS = [f"{corpus}_tokens" for corpus in CORPORA]
"""The columns of schema ``AMOUNTS``."""


MODEL = ["training", "base", "alignment_size", "seed"]
"""The columns that identify a model before the perturbation; ``training`` is sequential or joint."""


DIFFERENCE = "joint - sequential"


EXPONENTS = [
    *("corpus", "training", "base", "model", "alignment_size", "inverse_size", "sizes", "seeds"),
    *("exponent", "exponent_low", "exponent_high"),
]


Floats = np.ndarray[Any, np.dtype[np.float64]]


def trained_tokens(losses: pd.DataFrame, examples: int) -> int:
    """The number of target tokens in the first ``examples`` examples of a run; ``losses`` has schema ``LOSSES``.

    Raises ``ValueError`` if no update ends after so many examples.
    """
    if examples == 0:
        return 0
    ends = losses["examples"].cumsum() == examples
    if not ends.any():
        raise ValueError(f"no update ends after {examples} examples")
    return int(losses["tokens"].cumsum()[ends].iloc[0])


def sequential_amounts(
    job: SpringsJob, base: Sequence[pd.DataFrame], first: Sequence[pd.DataFrame], second: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """The numbers of tokens that each cell was trained on, from the losses of the bases and of both stages of each run.

    A text that is seen in several epochs counts once.
    """
    bases = zip(job.bases, base, strict=True)
    epochs = job.alignment.epochs, job.inverse.epochs
    pretraining = {each.base: trained_tokens(losses, each.examples) for each, losses in bases}
    rows = []
    for run, before, after in zip(job.runs, first, second, strict=True):
        alignment = trained_tokens(before, job.alignment.trained(run.alignment_size) * epochs[0]) // epochs[0]
        for size in run.inverse_sizes:
            perturbation = trained_tokens(after, job.inverse.trained(size) * epochs[1]) // epochs[1]
            cell = {"base": run.base, "alignment_size": run.alignment_size, "seed": run.seed, "inverse_size": size}
            tokens = zip(AMOUNTS, (pretraining[run.base], alignment, perturbation), strict=True)
            rows.append(cell | dict(tokens))
    return pd.DataFrame(rows)


def spring_seeds(lengths: pd.DataFrame, amounts: pd.DataFrame) -> pd.DataFrame:
    """The changes through the perturbation: one row for each model, N > 0 and corpus.

    ``lengths`` has the columns of schema ``COMPRESSION`` and ``training``, ``amounts`` those of ``AMOUNTS`` and
    ``training``. ``delta`` is Δγ in bits per byte, ``slope`` Δγ / l, the secant of dγ/dl, with l = |D3| / |D2|.
    ``force`` is |D_i| · ΔKL_i in bits: target tokens of the corpus times the change of bits per token.
    """
    keys = [*MODEL, "inverse_size"]
    sums = lengths.groupby([*keys, "corpus"])[["nats", "tokens", "utf8_bytes"]].sum().reset_index()
    bits = sums["nats"] / np.log(2)
    sums["gamma"], sums["per_token"] = bits / sums["utf8_bytes"], bits / sums["tokens"]
    start = sums.loc[sums["inverse_size"] == 0, [*MODEL, "corpus", "gamma", "per_token"]]
    rows = sums[sums["inverse_size"] > 0].merge(
        start, on=[*MODEL, "corpus"], suffixes=("", "_start"), validate="many_to_one"
    )
    rows = rows.merge(amounts[[*keys, *AMOUNTS]], on=keys, validate="many_to_one")
    rows["k"] = rows["pretraining_tokens"] / rows["alignment_tokens"]
    rows["l"] = rows["perturbation_tokens"] / rows["alignment_tokens"]
    rows["trained_tokens"] = np.nan
    for corpus, size in zip(CORPORA, AMOUNTS, strict=True):
        rows.loc[rows["corpus"] == corpus, "trained_tokens"] = rows[size].astype(float)
    rows["delta"] = rows["gamma"] - rows["gamma_start"]
    rows["slope"] = rows["delta"] / rows["l"]
    rows["force"] = rows["trained_tokens"] * (rows["per_token"] - rows["per_token_start"])
    rows = rows[[*keys, "corpus", "k", "l", "trained_tokens", "gamma", "delta", "slope", "force"]]
    return rows.sort_values([*keys, "corpus"], ignore_index=True)


def spring_table(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Means and intervals over seeds for each cell and corpus; ``sign`` of the slope is 0 if its interval holds 0.

    Where cells were trained both ways, their difference has its own rows.
    """
    keys = ["training", "base", "alignment_size", "inverse_size", "corpus"]
    values = ["delta", "slope", "force"]
    amounts = ["k", "l", "trained_tokens"]
    table = over_seeds(pd.concat([per_seed, _differences(per_seed, [*keys[1:], "seed"], values)]), keys, values)
    means = per_seed.groupby(keys)[amounts].mean()
    table = table.join(means, on=keys)
    table["sign"] = np.sign(table["slope_low"]).where(table["slope_low"] * table["slope_high"] > 0, 0)
    table.loc[table["slope_low"].isna(), "sign"] = np.nan
    order = [*keys, "seeds", *amounts, "sign"]
    return table[[*order, *(column for column in table if column not in order)]]


def _differences(per_seed: pd.DataFrame, keys: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Joint minus sequential training, paired by seed, because a seed draws the same examples in both."""
    indexed = {name: rows.set_index(list(keys))[list(values)] for name, rows in per_seed.groupby("training")}
    if len(indexed) < 2:
        return per_seed.iloc[:0]
    return (indexed["joint"] - indexed["sequential"]).dropna(how="all").reset_index().assign(training=DIFFERENCE)


def spring_ratios(per_seed: pd.DataFrame) -> pd.DataFrame:
    """The ratio of alignment to pre-training for each cell, for slopes and for forces, with Fieller's intervals.

    According to the theorem the ratio of slopes is −k (ACL version) or k (first version), and the ratio of forces has
    magnitude 1.
    """
    rows = []
    keys = ["training", "base", "alignment_size", "inverse_size"]
    for key, cell in per_seed.groupby(keys):
        wide = cell.pivot(index="seed", columns="corpus", values=["slope", "force"])
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        row |= {"seeds": len(wide), "k": cell["k"].mean(), "l": cell["l"].mean()}
        for value in ("slope", "force"):
            names = [f"{value}_ratio{suffix}" for suffix in ("", "_low", "_high")]
            pairs = (wide[value]["alignment"].to_numpy(), wide[value]["pretraining"].to_numpy())
            row |= dict(zip(names, ratio_interval(*pairs), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def ratio_interval(numerators: Floats, denominators: Floats) -> tuple[float, float, float]:
    """The ratio of two means over seeds, and its bounds at 95 % (Fieller 1954).

    The ratio r is in the interval if the t interval of numerator − r · denominator holds 0. NaN bounds if that is so
    for unboundedly large r, because the denominator may be 0; NaN, too, where it is 0 on average.
    """
    count = len(numerators)
    divisor = float(np.mean(denominators))
    ratio = float(np.mean(numerators)) / divisor if divisor else float("nan")
    if count < 2:
        return ratio, float("nan"), float("nan")
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
    means = np.array([np.mean(numerators), np.mean(denominators)])
    # (1, −r) M (1, −r)ᵀ ≤ 0 for the ratios in the interval
    matrix = np.outer(means, means) - quantile**2 / count * np.cov(numerators, denominators)
    if not matrix[1, 1] > 0:
        return ratio, float("nan"), float("nan")
    half = np.sqrt(max(0.0, matrix[0, 1] ** 2 - matrix[0, 0] * matrix[1, 1]))
    return ratio, float((matrix[0, 1] - half) / matrix[1, 1]), float((matrix[0, 1] + half) / matrix[1, 1])


def spring_exponents(per_seed: pd.DataFrame, models: dict[str, str]) -> pd.DataFrame:
    """The exponent of |Δγ_i| against |D_i| at every N: mean and t interval over the exponents of the seeds.

    |D2| differs between the P of a base, |D1| between bases that are checkpoints of one run, which ``models`` names by
    base. Below three sizes there is no row; an exponent is missing if Δγ has not the same sign at all of them.
    """
    named = per_seed.assign(model=per_seed["base"].map(models))
    over = {"alignment": ["base", "inverse_size"], "pretraining": ["model", "alignment_size", "inverse_size"]}
    rows = []
    for corpus, same in over.items():
        for key, cells in named[named["corpus"] == corpus].groupby(["training", *same]):
            sizes = int(cells.groupby("seed")["trained_tokens"].nunique().min())
            if sizes < 3:
                continue
            found = [exponent(one["trained_tokens"], one["delta"]) for _, one in cells.groupby("seed")]
            bounds = zip(("exponent", "exponent_low", "exponent_high"), t_interval(np.array(found)), strict=True)
            row = {"corpus": corpus, **dict(zip(["training", *same], key, strict=True))}
            rows.append(row | {"sizes": sizes, "seeds": len(found), **dict(bounds)})
    return pd.DataFrame(rows, columns=EXPONENTS).astype({"alignment_size": "Int64"})


def exponent(sizes: "pd.Series[float]", changes: "pd.Series[float]") -> float:
    """Slope of log |change| against log size, by least squares; NaN if the changes differ in sign."""
    if len(set(np.sign(changes))) > 1 or 0 in set(changes):
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(changes.abs()), 1)[0])
