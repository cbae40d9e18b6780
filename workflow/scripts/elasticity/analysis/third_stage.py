"""The third stage judged: how the score returns, and how many examples regain half of what the second side took."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from elasticity.analysis.aggregation import base_scores, cells_of, in_order, over_seeds, rebound_seeds
from elasticity.analysis.jobs import ThirdJudgeJob
from elasticity.analysis.measures_table import COLUMNS

RUN = ["base", "first_size", "seed"]
"""What tells the trajectories of an experiment from one another."""


SHOWN = ["base", "first_size", "second_size", "third_size"]


SCORES = ["score", "aligned", "first_alignment"]


def third_seeds(scores: pd.DataFrame, job: ThirdJudgeJob) -> pd.DataFrame:
    """Mean score over prompts for each cell of a third stage and each seed, and the scores that it is set beside.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments. Size 0 is the end of the second side,
    whether the third stage has it as a rung or not. ``aligned`` is the score before the second side, and
    ``first_alignment`` that of the base model after as many examples of the first side: for size 0 its own, else
    missing where that is no cell of the experiment.
    """
    second = rebound_seeds(scores, job)[[*RUN, "second_size", "score"]]
    end = second[second["second_size"] == job.experiment.second_sizes[-1]].assign(third_size=0)
    rows = pd.concat([_third_scores(scores, job), end]).drop_duplicates([*RUN, "third_size"])
    aligned = second[second["second_size"] == 0].drop(columns="second_size").rename(columns={"score": "aligned"})
    first = aligned.rename(columns={"first_size": "third_size", "aligned": "first_alignment"})
    rows = rows.merge(aligned, "left", RUN).merge(first, "left", ["base", "third_size", "seed"])
    bases = rows["base"].map(base_scores(scores))
    rows["first_alignment"] = rows["first_alignment"].where(rows["third_size"] > 0, bases)
    return rows.sort_values([*SHOWN, "seed"], ignore_index=True)[[*SHOWN, "seed", *SCORES]]


def _third_scores(scores: pd.DataFrame, job: ThirdJudgeJob) -> pd.DataFrame:
    """Those of the rungs of an experiment's third stage."""
    experiment = job.experiment
    mine = scores[
        (scores["third_recipe"] == experiment.third_recipe)
        & scores["third_size"].isin(experiment.third_sizes)
        & (scores["second_size"] == experiment.second_sizes[-1])
    ].astype({"third_size": int})
    cells = cells_of(mine.rename(columns={"third_size": "size"}), job).rename(columns={"size": "third_size"})
    means = cells.groupby([*RUN, "second_size", "third_size"], sort=True)["score"].mean().reset_index()
    return means.astype({"first_size": int, "second_size": int, "seed": int})


def third_table(per_seed: pd.DataFrame, job: ThirdJudgeJob) -> pd.DataFrame:
    """Means and intervals over seeds for each cell, with the updates that the third stage's examples make."""
    table = in_order(over_seeds(per_seed, SHOWN, SCORES), job).drop(columns="second_updates")
    table["third_updates"] = table["third_size"].map(job.third_stage.updates)
    return table


def returns(per_seed: pd.DataFrame, job: ThirdJudgeJob) -> pd.DataFrame:
    """What each trajectory lost and how soon it came back, a row a measure, in the layout of the table of measures.

    ``lost`` is how far the second side took the score back, the first side up. ``return-half``: examples of the third
    stage until half of that is regained. ``first-half``: examples until the base model's first alignment reached the
    same score. Neither can be told where nothing was lost, or where N = 0 is no cell.
    """
    up = 1.0 if job.experiment.first_side == "positive" else -1.0
    rows = []
    for key, line in per_seed.groupby(RUN, sort=True):
        where = dict(zip(RUN, key, strict=True)) | {"pair": ""}
        whole = per_seed[(per_seed["base"] == where["base"]) & (per_seed["seed"] == where["seed"])]
        rows += [where | row for row in _measures(line, _first_alignment(whole), up)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _first_alignment(seed: pd.DataFrame) -> pd.DataFrame:
    """The base model's way to its alignment with one seed: examples P and score, the base model's own at 0."""
    start = seed.loc[seed["third_size"] == 0, "first_alignment"].head(1)
    ends = seed.drop_duplicates("first_size").sort_values("first_size")
    sizes, scores = [0, *ends["first_size"]], [*start, *ends["aligned"]]
    return pd.DataFrame({"size": sizes, "score": scores})


def _measures(line: pd.DataFrame, first: pd.DataFrame, up: float) -> Iterator[dict[str, Any]]:
    line = line.sort_values("third_size")
    aligned, end = up * line["aligned"].iloc[0], up * line["score"].iloc[0]
    lost = aligned - end
    found = {"lost": (lost, lost, lost), "return-half": (math.nan,) * 3, "first-half": (math.nan,) * 3}
    if lost > 0:
        goal = (aligned + end) / 2
        found["return-half"] = reached(line["third_size"].tolist(), (up * line["score"]).tolist(), goal)
        found["first-half"] = reached(first["size"].tolist(), (up * first["score"]).tolist(), goal)
    for measure, (value, low, high) in found.items():
        yield {"measure": measure, "value": value, "low": low, "high": high}


def reached(sizes: Sequence[int], scores: Sequence[float], goal: float) -> tuple[float, float, float]:
    """The examples after which a rising score reaches a goal, with bounds: all three are the same where it does.

    ``sizes`` ascend from 0; the scores, one a size, are fitted by a function that nowhere falls. Between two sizes the
    score is linear in the logarithm of the size, or in the size itself where the lower one is 0. If the goal is never
    reached, all that is known is that it takes more than the last size.
    """
    fit = isotonic_regression(scores).x
    place = int(np.argmax(fit >= goal))
    if fit[-1] < goal:
        return sizes[-1], sizes[-1], math.inf
    if place == 0:
        return 0.0, 0.0, 0.0
    before, after = sizes[place - 1], sizes[place]
    share = float((goal - fit[place - 1]) / (fit[place] - fit[place - 1]))
    found = before * (after / before) ** share if before else share * after
    return found, found, found


def return_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Each measure over seeds: its median and range, because some may be known only to be more than the last size.

    Those count as infinite; ``censored`` tells how many there are.
    """
    known = measures.dropna(subset=["value"])
    groups = known.groupby(["base", "first_size", "measure"], sort=False)["high"]
    table = groups.agg(seeds="size", median="median", least="min", most="max")
    table["censored"] = groups.agg(lambda values: np.isinf(values).sum()).astype(int)
    return table.reset_index()
