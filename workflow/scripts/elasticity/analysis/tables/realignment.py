"""The tables of a realignment stage: how the score returns, and the examples that regain half of what was lost."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elasticity.analysis.aggregation import base_scores, cells_of, in_order, over_seeds, rebound_seeds
from elasticity.analysis.jobs import RealignmentTableJob
from elasticity.analysis.table import Shown, Table, write_csv
from elasticity.analysis.tables.measures import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

RUN = ["base", "alignment_size", "seed"]
"""The columns that identify a realignment run of an experiment."""


SHOWN = ["base", "alignment_size", "inverse_size", "realignment_size"]


SCORES = ["score", "aligned", "first_alignment"]


STAGES = ["alignment_examples", "alignment_updates", "inverse_examples", "inverse_updates"]
"""Columns of earlier stages that this table leaves out."""


def realignment_seeds(scores: "pd.DataFrame", job: RealignmentTableJob) -> "pd.DataFrame":
    """Mean score over prompts for each cell of a realignment stage and each seed, with scores to compare it with.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments. Size 0 is the end of the inverse stage,
    whether the realignment stage has it as a checkpoint or not. ``aligned`` is the score before the inverse stage.
    ``first_alignment`` is the score of the base model after as many examples of the alignment stage: at size 0 its own
    score, and missing where the experiment has no such cell.
    """
    import pandas as pd

    second = rebound_seeds(scores, job)[[*RUN, "inverse_size", "score"]]
    end = second[second["inverse_size"] == job.experiment.inverse_sizes[-1]].assign(realignment_size=0)
    rows = pd.concat([_realignment_scores(scores, job), end]).drop_duplicates([*RUN, "realignment_size"])
    aligned = second[second["inverse_size"] == 0].drop(columns="inverse_size").rename(columns={"score": "aligned"})
    first = aligned.rename(columns={"alignment_size": "realignment_size", "aligned": "first_alignment"})
    rows = rows.merge(aligned, "left", RUN).merge(first, "left", ["base", "realignment_size", "seed"])
    rows = rows.join(base_scores(scores, job.seeds).rename("base_score"), on=["base", "seed"])
    rows["first_alignment"] = rows["first_alignment"].where(rows["realignment_size"] > 0, rows["base_score"])
    return rows.sort_values([*SHOWN, "seed"], ignore_index=True)[[*SHOWN, "seed", *SCORES]]


def _realignment_scores(scores: "pd.DataFrame", job: RealignmentTableJob) -> "pd.DataFrame":
    """Mean scores of the checkpoints of the realignment stage of an experiment."""
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


def realignment_table(per_seed: "pd.DataFrame", job: RealignmentTableJob) -> "pd.DataFrame":
    """Means and intervals over seeds for each cell, with the number of updates of the realignment stage."""
    table = in_order(over_seeds(per_seed, SHOWN, SCORES), job).drop(columns=STAGES)
    table["realignment_examples"] = table["realignment_size"].map(job.realignment.trained)
    table["realignment_updates"] = table["realignment_size"].map(job.realignment.updates)
    return table


def returns(per_seed: "pd.DataFrame", job: RealignmentTableJob) -> "pd.DataFrame":
    """What each run lost and how fast it returned: one row per measure, in the columns of the measures table.

    ``lost`` is how far the inverse stage moved the score back, with the direction of the alignment stage up.
    ``return-half`` is the number of examples of the realignment stage until half of that is regained. ``first-half`` is
    the number of examples until the first alignment of the base model reached the same score. Both are NaN where
    nothing was lost, or where the experiment does not measure N = 0.
    """
    import pandas as pd

    up = 1.0 if job.experiment.alignment_side == "positive" else -1.0
    rows = []
    for key, line in per_seed.groupby(RUN, sort=True):
        where = dict(zip(RUN, key, strict=True)) | {"pair": ""}
        whole = per_seed[(per_seed["base"] == where["base"]) & (per_seed["seed"] == where["seed"])]
        rows += [where | row for row in _measures(line, _first_alignment(whole), up)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _first_alignment(seed: "pd.DataFrame") -> "pd.DataFrame":
    """The first alignment of the base model with one seed: P and score, with the base model's own score at 0."""
    import pandas as pd

    start = seed.loc[seed["realignment_size"] == 0, "first_alignment"].head(1)
    ends = seed.drop_duplicates("alignment_size").sort_values("alignment_size")
    sizes, scores = [0, *ends["alignment_size"]], [*start, *ends["aligned"]]
    return pd.DataFrame({"size": sizes, "score": scores})


def _measures(line: "pd.DataFrame", first: "pd.DataFrame", up: float) -> Iterator[dict[str, Any]]:
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
    """The number of examples after which a rising score reaches a goal, and its lower and upper bound.

    ``sizes`` ascend from 0; the scores, one for each size, are fitted by a non-decreasing function. Between two sizes
    the score is linear in the logarithm of the size, or in the size itself where the lower one is 0. If the goal is
    reached all three numbers are the same; if not, the value and lower bound are the last size and the upper one is
    infinite.
    """
    from scipy.optimize import isotonic_regression

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


def return_table(measures: "pd.DataFrame") -> "pd.DataFrame":
    """Median and range of each measure over seeds; a mean would be undefined where a seed is censored.

    Seeds that are only known to need more than the last size count as infinite; ``censored`` is their number.
    """
    known = measures.dropna(subset=["value"])
    groups = known.groupby(["base", "alignment_size", "measure"], sort=False)["high"]
    table = groups.agg(seeds="size", median="median", least="min", most="max")
    table["censored"] = groups.agg(lambda values: np.isinf(values).sum()).astype(int)
    return table.reset_index()


def make(command: "Command[RealignmentTableJob]") -> None:
    """Write the tables of an experiment from the scores of its task."""
    from elasticity.core.tables import read_table
    from elasticity.evaluation.schemas import SCORES

    per_seed = realignment_seeds(read_table(command.path("scores"), SCORES).to_pandas(), command.job)
    measures = returns(per_seed, command.job)
    write_csv(per_seed, command.path("seeds"))
    write_csv(realignment_table(per_seed, command.job), command.path("table"))
    write_csv(measures, command.path("return-seeds"))
    write_csv(return_table(measures), command.path("returns"))


TABLE = Table(
    job=RealignmentTableJob,
    of="rebound",
    inputs=("scores",),
    outputs={
        "table": "realignment-{experiment}.csv",
        "seeds": "seeds/realignment-{experiment}.csv",
        "returns": "realignment-return-{experiment}.csv",
        "return-seeds": "seeds/realignment-return-{experiment}.csv",
    },
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="realignment stage: table",
            beside=("seeds",),
            caption="""
The numbers of the figure: for each base model, P (``alignment_size``), N (``inverse_size``, the largest) and number of
realignment examples (``realignment_size``), the mean score over seeds with the bounds of its 95 % t interval; the same
for the score before the inverse stage (``aligned``) and for the base model after as many examples of the alignment
stage (``first_alignment``, at 0 its own score); and the number of optimizer updates of the realignment stage. The file
``tables/seeds/realignment-{{ experiment }}.csv`` has one row per seed.
""",
        ),
        "returns": Shown(
            label="realignment stage: return",
            beside=("return-seeds",),
            caption="""
How many examples bring back half of what the inverse stage took, for each base model and P. ``lost`` is the fall of the
score from before the inverse stage to its end, in units of the score, with the direction of the alignment stage up.
``return-half``: examples of the realignment stage until half of that is regained. ``first-half``: examples of the
alignment stage until the first alignment of the base model reached the same score, 0 if it had that score from the
start; its curve has a point for each P. For both, the scores of a seed are fitted by a non-decreasing function, and
sizes between two points are interpolated on a logarithmic scale (from 0 on a linear one). A score that does not come so
far within the sizes of the study is *censored*: it takes more than the largest size, and counts as infinite. So the
table gives the median over seeds and the range; seeds that lost nothing are left out. The file
``tables/seeds/realignment-return-{{ experiment }}.csv`` has one row per seed, with bounds.
""",
        ),
    },
)
