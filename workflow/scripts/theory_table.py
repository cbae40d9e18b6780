"""The table of the elasticity theorem, evaluated without a model."""

from elasticity.analysis.tables import write_csv, write_html
from elasticity.analysis.theory_table import theory_table
from elasticity.config.compression import Theory
from elasticity.runtime.command import Command

with Command(__doc__, Theory, "html", output="table") as command:
    table = theory_table(command.job)
    write_csv(table, command.path("table"))
    write_html(table, command.path("html"), ".3g")
