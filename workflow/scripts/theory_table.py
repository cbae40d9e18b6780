"""The table of the elasticity theorem, evaluated without a model."""

from elasticity.command import Command
from elasticity.compression_settings import Theory
from elasticity.judgement import write_csv, write_html
from elasticity.theory_table import theory_table

with Command(__doc__, Theory, "html", output="table") as command:
    table = theory_table(command.job)
    write_csv(table, command.path("table"))
    write_html(table, command.path("html"), ".3g")
