"""The table of verdicts on the claims of a study, and the record of what was claimed when training ran."""

import json
from typing import TYPE_CHECKING

from elasticity.analysis.jobs import VerdictsJob
from elasticity.analysis.table import Shown, Table, read_csv, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[VerdictsJob]") -> None:
    """Write the verdicts, the numbers of each seed behind them, and what was declared.

    The metrics of the training jobs are given as patterns of paths; see ``core.path_patterns``.
    """
    from elasticity.analysis.tables.measures import read_measures
    from elasticity.analysis.verdicts import verdict_seeds, verdict_table
    from elasticity.config.claims import declared
    from elasticity.core.path_patterns import unfold
    from elasticity.core.tables import read_table
    from elasticity.evaluation.schemas import SCORES

    job = command.job
    measures = dict(zip(job.experiments, map(read_measures, command.paths("measures")), strict=True))
    scores = {
        task: read_table(path, SCORES).to_pandas()
        for task, path in zip(job.tasks, command.paths("scores"), strict=True)
    }
    checks = dict(zip(job.experiments, map(read_csv, command.paths("checks")), strict=True))
    calibration = next(map(read_csv, command.paths("calibration")), None)
    values = verdict_seeds(job, measures)
    record = declared(
        {planned.name: planned.claim for planned in job.claims},
        (json.loads(path.read_text()) for path in unfold(command.paths("metrics"))),
        job.looks,
        len(job.seeds),
    )
    write_csv(values, command.path("seeds"))
    write_csv(verdict_table(job, values, scores, calibration, checks), command.path("table"))
    command.path("declared").write_text(json.dumps(record, indent=2) + "\n")


TABLE = Table(
    job=VerdictsJob,
    of="study",
    inputs=("measures", "checks", "metrics"),
    optional=("scores", "calibration"),
    outputs={"table": "verdicts.csv", "seeds": "seeds/verdicts.csv", "declared": "claims.json"},
    make=make,
    chapter="Verdicts",
    subject="all claims",
    shown={
        "table": Shown(
            label="table",
            beside=("seeds",),
            caption=r"""
**What is seen.** Every claim that the study declared, its verdict, and the reason. *Confirmed*: the effect is beyond 0
on the claimed side. *Refuted*: it is shown to be smaller than ``margin``, the smallest effect that matters. Where both
are shown the claim is confirmed, and the reason says that the effect is smaller than matters. *Not testable*: a check
that the measure needs does not hold, as ``checks`` and the reason say, so that no number is given. *Undecided*: the
numbers do not decide, and the reason says what is lacking. ``more_seeds``: more seeds may decide it. The file
``tables/claims.json`` and the head of this page say whether the claims are those that were declared when the models
were trained.

**How it was computed.** Each seed gives one number; a claim is confirmed or refuted by a one-sided t test over seeds at
a level of 0.05, adjusted for all claims of its role: by Holm's method if they are confirmatory, by that of Benjamini
and Hochberg if they are exploratory; tests for claims and tests against them are two families. A claim with several
parts is confirmed if every part is, and its effect is that of the weakest part. Where only a bound of a seed's number
is known, each test takes the bound that is least favourable to it. Where a seed's number cannot be computed, it may be
anything. A t test that rejects true hypotheses too often according to the calibration decides nothing, and neither does
a test of fewer seeds than the claim asks for; such tests have no adjusted p-value, but count in their family. Where a
study adds seeds in rounds, adjusted p-values hold for a look after each round: the level is spent in proportion to the
seeds, and the p-value is that of the smallest weighted p-value of all looks in simulated studies without an effect. The
looks made are at the head of this page. Flipping the signs of n numbers gives no p-value below 1 / 2\ :sup:`n`: with
three seeds 0.125. The columns ``clustered_...`` are a second view where scores of single prompts measure the same:
paired differences, with errors clustered by seed and prompt; no verdict rests on them. The file
``tables/seeds/verdicts.csv`` has the numbers of each seed.
""",
        )
    },
)
