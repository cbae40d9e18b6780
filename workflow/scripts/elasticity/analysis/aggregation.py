"""Tables from rows, as several tables need it: one value per seed, then means and t intervals over seeds."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from elasticity.config.compression import Corpus

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.analysis.jobs import ReboundTableJob

CONFIDENCE = 0.95
"""The confidence level of every interval."""


CELL = ["base", "alignment_side", "alignment_recipe", "inverse_recipe", "alignment_size", "inverse_size"]
"""The columns that identify a cell of the rebound experiments."""


def over_seeds(per_seed: "pd.DataFrame", keys: Sequence[str], values: Sequence[str]) -> "pd.DataFrame":
    """Mean and t interval of each value over the seeds of each group, from a table with one row per seed.

    The result has one row per group. A value ``x`` becomes the columns ``x``, ``x_low`` and ``x_high``; ``seeds``
    counts the rows of the group. The seed is the unit of replication, so nothing else enters the interval. With one
    seed the bounds are missing, because one seed says nothing about how results vary between seeds.
    """
    import pandas as pd

    rows = []
    for key, group in per_seed.groupby(list(keys), sort=True, dropna=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True)) | {"seeds": len(group)}
        for value in values:
            row[value], row[f"{value}_low"], row[f"{value}_high"] = t_interval(group[value].to_numpy())
        rows.append(row)
    return pd.DataFrame(rows)


def t_interval(values: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[float, float, float]:
    """Mean and the bounds of its 95 % t interval; the bounds are NaN for a single value."""
    from scipy import stats

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
    return mean, mean - half, mean + half


def cells_of(rows: "pd.DataFrame", job: "ReboundTableJob") -> "pd.DataFrame":
    """The rows of the cells of a rebound experiment, without those of a realignment stage.

    Seeds and sizes are those of the cells, also where an effect is planted (``Rebound.treatment``).
    """
    import pandas as pd

    experiment = job.experiment
    if "realignment_size" in rows:
        rows = rows[rows["realignment_size"].isna()]
    rows = rows[
        rows["base"].isin(experiment.bases)
        & (rows["alignment_side"] == experiment.alignment_side)
        & (rows["alignment_recipe"] == experiment.alignment_recipe)
        & (rows["inverse_recipe"] == experiment.inverse_recipe)
    ]
    names = ["alignment_size", "inverse_size", "seed"]
    trained = {name: f"trained_{name}" for name in names}
    wanted = []
    for alignment_size, seed in itertools.product(experiment.alignment_sizes, experiment.seeds_of(job.seeds)):
        done = experiment.treatment(alignment_size, seed)
        wanted += [
            (done.alignment_size, done.inverse_factor * size, done.seed, alignment_size, size, seed)
            for size in experiment.inverse_sizes
        ]
    cells = pd.DataFrame(wanted, columns=[*trained.values(), *names])
    return rows.rename(columns=trained).merge(cells, on=list(trained.values())).drop(columns=list(trained.values()))


def whole(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with sizes and seeds as whole numbers.

    Base models have no sizes, and beside missing values pandas holds whole numbers as fractions.
    """
    return table.astype({"alignment_size": int, "inverse_size": int, "seed": int})


def base_draws(scores: "pd.DataFrame", seeds: Sequence[int]) -> "pd.DataFrame":
    """The scores of base models, with the training seed that each is compared with in column ``seed``.

    ``scores`` has schema ``SCORES``. Draws are dealt to the seeds in turn, so that seeds are independent of each other:
    what varies between them includes the sampling error of the base model. A seed has at most one draw more than
    another. With fewer draws than seeds some seeds share a draw.
    """
    import pandas as pd

    own = scores[scores["alignment_side"].isna()]
    shared = min(len(seeds), own["draw"].nunique())
    parts = [own[own["draw"] % shared == place % shared].assign(seed=seed) for place, seed in enumerate(seeds)]
    return pd.concat(parts)


def base_scores(scores: "pd.DataFrame", seeds: Sequence[int]) -> "pd.Series[float]":
    """The mean score of each base model in the draws of each training seed, with index (base, seed)."""
    return base_draws(scores, seeds).groupby(["base", "seed"])["score"].mean()


def base_table(scores: "pd.DataFrame") -> "pd.DataFrame":
    """The mean score of each base model over all draws, with its 95 % t interval over draws, by base.

    The columns are ``base_score``, ``base_score_low``, ``base_score_high`` and ``base_draws``. The prompts are the same
    in all draws, so the interval is that of the sampling error alone.
    """
    own = scores[scores["alignment_side"].isna()]
    means = own.groupby(["base", "draw"])["score"].mean().rename("base_score").reset_index()
    table = over_seeds(means, ["base"], ["base_score"]).rename(columns={"seeds": "base_draws"})
    return table.set_index("base")


def rebound_seeds(scores: "pd.DataFrame", job: "ReboundTableJob") -> "pd.DataFrame":
    """Mean score over prompts for each cell of an experiment and each seed, and that of its base model beside it.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments. ``base_score`` is the mean of the draws
    of the seed: see ``base_draws``.
    """
    cells = cells_of(scores, job).groupby([*CELL, "seed"], sort=True)["score"]
    table = whole(cells.agg(score="mean", prompts="size").reset_index())
    return table.join(base_scores(scores, job.seeds).rename("base_score"), on=["base", "seed"])


def rebound_table(per_seed: "pd.DataFrame", job: "ReboundTableJob", value: str) -> "pd.DataFrame":
    """Mean and interval of a value over seeds for each cell, with the number of updates that N examples take."""
    return in_order(over_seeds(per_seed, CELL, [value]), job)


def in_order(table: "pd.DataFrame", job: "ReboundTableJob") -> "pd.DataFrame":
    """The table sorted by cell in the order of the experiment, with the examples and updates of each stage.

    ``alignment_examples`` and ``inverse_examples`` are the numbers of examples of each epoch of a run, which
    are fewer than P and N if its recipe drops an incomplete last batch, and others than P and N where an effect is
    planted. The sort is stable.
    """
    import pandas as pd

    done = table["alignment_size"].map(job.experiment.treatment)
    given = {
        "alignment": done.map(lambda it: it.alignment_size),
        "inverse": table["inverse_size"] * done.map(lambda it: it.inverse_factor),
    }
    for stage, settings in (("alignment", job.alignment), ("inverse", job.inverse)):
        table[f"{stage}_examples"] = given[stage].map(settings.trained)
        table[f"{stage}_updates"] = given[stage].map(settings.updates)
    table["base"] = pd.Categorical(table["base"], job.experiment.bases)
    return table.sort_values(["base", "alignment_size", "inverse_size"], kind="stable").astype({"base": str})


def bits_per_byte(sums: "pd.DataFrame") -> "pd.Series[float]":
    """Bits per byte from sums over texts of ``nats`` and ``utf8_bytes``."""
    rate: pd.Series[float] = sums["nats"] / np.log(2) / sums["utf8_bytes"]
    return rate


def by_corpus(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table in the order in which a model is trained on the corpora; the sort is stable."""
    return table.sort_values("corpus", key=lambda names: names.map(get_args(Corpus).index), kind="stable")
