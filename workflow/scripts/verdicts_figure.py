"""The forest plot of the verdicts."""

import json

from elasticity.command import Command
from elasticity.figures import save
from elasticity.judgement import read_csv
from elasticity.verdict_figures import forest
from elasticity.verdicts_jobs import VerdictsFigureJob

with Command(__doc__, VerdictsFigureJob, "table", "seeds", "declared", output="figures") as command:
    table, seeds = read_csv(command.path("table")), read_csv(command.path("seeds"))
    record = json.loads(command.path("declared").read_text())
    save(forest(table, seeds, record), command.paths("figures"))
