"""The figure of the elasticity theorem."""

from elasticity.analysis.tables import read_csv
from elasticity.config.compression import Theory
from elasticity.plots.style import save
from elasticity.plots.theory import theory
from elasticity.runtime.command import Command

with Command(__doc__, Theory, "table", output="figures") as command:
    save(theory(read_csv(command.path("table"))), command.paths("figures"))
