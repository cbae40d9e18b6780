"""The figures of the springs: what a perturbation does to each corpus, and the law that the theorem makes of it."""

from elasticity.command import Command
from elasticity.figures import save
from elasticity.judgement import read_csv
from elasticity.spring_figures import spring_law, springs
from elasticity.springs_jobs import SpringsFigureJob

with Command(__doc__, SpringsFigureJob, "table", "law", output="figures") as command:
    table, bases = read_csv(command.path("table")), command.job.bases
    save(springs(table, bases), command.paths("figures"))
    save(spring_law(table, bases), command.paths("law"))
