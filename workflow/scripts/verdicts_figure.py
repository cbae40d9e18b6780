"""The forest plot of the verdicts."""

import json

from elasticity.analysis.jobs import VerdictsFigureJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.style import save
from elasticity.plots.verdicts import forest
from elasticity.runtime.command import Command

with Command(__doc__, VerdictsFigureJob, "table", "seeds", "declared", output="figures") as command:
    table, seeds = read_csv(command.path("table")), read_csv(command.path("seeds"))
    record = json.loads(command.path("declared").read_text())
    save(forest(table, seeds, record), command.paths("figures"))
