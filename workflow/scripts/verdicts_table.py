"""The verdicts on the claims of a study, the numbers that they rest on, and what was claimed when training ran.

Metrics are named by patterns: see ``paths``.
"""

import json

from elasticity.analysis.jobs import VerdictsJob
from elasticity.analysis.measures_table import read_measures
from elasticity.analysis.tables import HTML, read_csv, write_csv
from elasticity.analysis.verdicts import verdict_seeds, verdict_table
from elasticity.config.claims import declared
from elasticity.core.path_patterns import unfold
from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import SCORES
from elasticity.report.verdicts import verdict_page
from elasticity.runtime.command import Command

OUTPUTS = ("seeds", "html", "declared")

with Command(
    __doc__, VerdictsJob, "measures", "metrics", *OUTPUTS, output="table", optional=("scores", "calibration")
) as command:
    job = command.job
    measures = dict(zip(job.experiments, map(read_measures, command.paths("measures")), strict=True))
    scores = {
        task: read_table(path, SCORES).to_pandas()
        for task, path in zip(job.tasks, command.paths("scores"), strict=True)
    }
    calibration = next(map(read_csv, command.paths("calibration")), None)
    values = verdict_seeds(job, measures)
    table = verdict_table(job, values, scores, calibration)
    record = declared(
        {planned.name: planned.claim for planned in job.claims},
        (json.loads(path.read_text()) for path in unfold(command.paths("metrics"))),
    )
    write_csv(values, command.path("seeds"))
    write_csv(table, command.path("table"))
    command.path("html").write_text(HTML.format(table=verdict_page(table, record)))
    command.path("declared").write_text(json.dumps(record, indent=2) + "\n")
