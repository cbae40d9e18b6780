"""The table of noise: standard deviations of measures between seeds, which plans and calibrations take."""

from typing import TYPE_CHECKING

from elasticity.analysis.jobs import NoiseJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[NoiseJob]") -> None:
    """Write the table."""
    from elasticity.analysis.noise import noise_table
    from elasticity.analysis.tables.measures import read_measures
    from elasticity.core.tables import read_table
    from elasticity.evaluation.schemas import SCORES

    job = command.job
    measures = dict(zip(job.experiments, map(read_measures, command.paths("measures")), strict=True))
    scores = {
        task: read_table(path, SCORES).to_pandas()
        for task, path in zip(job.tasks, command.paths("scores"), strict=True)
    }
    write_csv(noise_table(job, measures, scores), command.path("table"))


TABLE = Table(
    job=NoiseJob,
    of="study",
    inputs=("measures",),
    optional=("scores",),
    outputs={"table": "noise.csv"},
    make=make,
    chapter="Calibration",
    subject="noise",
    shown={
        "table": Shown(
            label="table",
            caption="""
The standard deviation ``sd`` of each measure between training seeds, in this study. ``over`` is what a claim compares:
``value`` is the mean over all P and base models, ``sizes``, ``bases`` and ``control`` are the differences of that name,
and ``run`` is a single P and base model. Variances are pooled over the experiments of the study, with ``df`` degrees of
freedom; experiments that share cells count twice. ``prompt_sd`` is the standard deviation of a single prompt around the
means of its seed and of the prompt: its square over ``prompts`` is the part of the variance that more prompts reduce.
``plan`` and the calibration of another study take the noise from this table if the study names this one in ``noise``.
""",
        )
    },
)
