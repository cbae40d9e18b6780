"""The figures of the springs: what a perturbation does to each corpus, and the law that the theorem makes of it."""

from elasticity.analysis.jobs import SpringsFigureJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.springs import spring_law, springs
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, SpringsFigureJob, "table", "law", output="figures") as command:
    table, bases = read_csv(command.path("table")), command.job.bases
    save(springs(table, bases), command.paths("figures"))
    save(spring_law(table, bases), command.paths("law"))
