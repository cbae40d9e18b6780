"""The figure of the elasticity theorem."""

from elasticity.command import Command
from elasticity.compression_settings import Theory
from elasticity.figures import save
from elasticity.judgement import read_csv
from elasticity.theory_figures import theory

with Command(__doc__, Theory, "table", output="figures") as command:
    save(theory(read_csv(command.path("table"))), command.paths("figures"))
