"""The realignment stage judged: how the score returns, and how many examples regain half of what the inverse stage took."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from elasticity.analysis.aggregation import base_scores, cells_of, in_order, over_seeds, rebound_seeds
from elasticity.analysis.jobs import RealignmentTableJob
from elasticity.analysis.measures_table import COLUMNS

RUN = ["base", "alignment_size", "seed"]
"""What tells the trajectories of an experiment from one another."""


SHOWN = ["base", "alignment_size", "inverse_size", "realignment_size"]


SCORES = ["score", "aligned", "first_alignment"]


def realignment_seeds(scores: pd.DataFrame, job: RealignmentTableJob) -> pd.DataFrame:
    """Mean score over prompts for each cell of a realignment stage and each seed, and the scores that it is set beside.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments. Size 0 is the end of the inverse stage,
    whether the realignment stage has it as a checkpoint or not. ``aligned`` is the score before the inverse stage, and
    ``first_alignment`` that of the base model after as many examples of the alignment stage: for size 0 its own, else
    missing where that is no cell of the experiment.
    """
    second = rebound_seeds(scores, job)[[*RUN, "inverse_size", "score"]]
    end = second[second["inverse_size"] == job.experiment.inverse_sizes[-1]].assign(realignment_size=0)
    rows = pd.concat([_realignment_scores(scores, job), end]).drop_duplicates([*RUN, "realignment_size"])
    aligned = second[second["inverse_size"] == 0].drop(columns="inverse_size").rename(columns={"score": "aligned"})
    first = aligned.rename(columns={"alignment_size": "realignment_size", "aligned": "first_alignment"})
    rows = rows.merge(aligned, "left", RUN).merge(first, "left", ["base", "realignment_size", "seed"])
    bases = rows["base"].map(base_scores(scores))
    rows["first_alignment"] = rows["first_alignment"].where(rows["realignment_size"] > 0, bases)
    return rows.sort_values([*SHOWN, "seed"], ignore_index=True)[[*SHOWN, "seed", *SCORES]]


def _realignment_scores(scores: pd.DataFrame, job: RealignmentTableJob) -> pd.DataFrame:
    """Those of the checkpoints of an experiment's realignment stage."""
    experiment = job.experiment
    mine = scores[
        (scores["realignment_recipe"] == experiment.realignment_recipe)
        & scores["realignment_size"].isin(experiment.realignment_sizes)
        & (scores["inverse_size"] == experiment.inverse_sizes[-1])
    ].astype({"realignment_size": int})
    cells = cells_of(mine.rename(columns={"realignment_size": "size"}), job).rename(
        columns={"size": "realignment_size"}
    )
    means = cells.groupby([*RUN, "inverse_size", "realignment_size"], sort=True)["score"].mean().reset_index()
    return means.astype({"alignment_size": int, "inverse_size": int, "seed": int})


def realignment_table(per_seed: pd.DataFrame, job: RealignmentTableJob) -> pd.DataFrame:
    """Means and intervals over seeds for each cell, with the updates that the realignment stage's examples make."""
    table = in_order(over_seeds(per_seed, SHOWN, SCORES), job).drop(columns="inverse_updates")
    table["realignment_updates"] = table["realignment_size"].map(job.realignment.updates)
    return table


def returns(per_seed: pd.DataFrame, job: RealignmentTableJob) -> pd.DataFrame:
    """What each trajectory lost and how soon it came back, a row a measure, in the layout of the table of measures.

    ``lost`` is how far the inverse stage took the score back, the alignment stage up. ``return-half``: examples of the third
    stage until half of that is regained. ``first-half``: examples until the base model's first alignment reached the
    same score. Neither can be told where nothing was lost, or where N = 0 is no cell.
    """
    up = 1.0 if job.experiment.alignment_side == "positive" else -1.0
    rows = []
    for key, line in per_seed.groupby(RUN, sort=True):
        where = dict(zip(RUN, key, strict=True)) | {"pair": ""}
        whole = per_seed[(per_seed["base"] == where["base"]) & (per_seed["seed"] == where["seed"])]
        rows += [where | row for row in _measures(line, _first_alignment(whole), up)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _first_alignment(seed: pd.DataFrame) -> pd.DataFrame:
    """The base model's way to its alignment with one seed: examples P and score, the base model's own at 0."""
    start = seed.loc[seed["realignment_size"] == 0, "first_alignment"].head(1)
    ends = seed.drop_duplicates("alignment_size").sort_values("alignment_size")
    sizes, scores = [0, *ends["alignment_size"]], [*start, *ends["aligned"]]
    return pd.DataFrame({"size": sizes, "score": scores})


def _measures(line: pd.DataFrame, first: pd.DataFrame, up: float) -> Iterator[dict[str, Any]]:
    line = line.sort_values("realignment_size")
    aligned, end = up * line["aligned"].iloc[0], up * line["score"].iloc[0]
    lost = aligned - end
    found = {"lost": (lost, lost, lost), "return-half": (math.nan,) * 3, "first-half": (math.nan,) * 3}
    if lost > 0:
        goal = (aligned + end) / 2
        found["return-half"] = reached(line["realignment_size"].tolist(), (up * line["score"]).tolist(), goal)
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
    groups = known.groupby(["base", "alignment_size", "measure"], sort=False)["high"]
    table = groups.agg(seeds="size", median="median", least="min", most="max")
    table["censored"] = groups.agg(lambda values: np.isinf(values).sum()).astype(int)
    return table.reset_index()
