"""The tables of the springs: one row a seed, cell and corpus; one row a cell and corpus; ratios; exponents."""

import pandas as pd

from elasticity.analysis.aggregation import cells_of
from elasticity.analysis.jobs import SpringsJob
from elasticity.analysis.springs import sequential_amounts, spring_exponents, spring_ratios, spring_seeds, spring_table
from elasticity.analysis.tables import write_csv, write_table
from elasticity.core.path_patterns import unfold
from elasticity.core.tables import read_table, read_tables
from elasticity.evaluation.schemas import COMPRESSION
from elasticity.runtime.command import Command
from elasticity.training.schemas import AMOUNTS, LOSSES

LOSSES_OF = ("base-losses", "alignment-losses", "inverse-losses")
OUTPUTS = ("seeds", "html", "ratios", "ratios-html", "exponents", "exponents-html")
JOINT = ("joint-rates", "joint-amounts")

with Command(__doc__, SpringsJob, "rates", *LOSSES_OF, *OUTPUTS, output="table", optional=JOINT) as command:
    job = command.job
    losses = [[read_table(path, LOSSES).to_pandas() for path in command.paths(name)] for name in LOSSES_OF]
    measured = {"sequential": read_tables(unfold(command.paths("rates")), COMPRESSION).to_pandas()}
    amounts = {"sequential": sequential_amounts(job, *losses)}
    if command.paths("joint-rates"):
        measured["joint"] = read_tables(unfold(command.paths("joint-rates")), COMPRESSION).to_pandas()
        amounts["joint"] = read_tables(unfold(command.paths("joint-amounts")), AMOUNTS).to_pandas()
    measured = {name: cells_of(rows, job) for name, rows in measured.items()}
    per_seed = spring_seeds(
        pd.concat([rows.assign(training=name) for name, rows in measured.items()]),
        pd.concat([rows.assign(training=name) for name, rows in amounts.items()]),
    )
    write_csv(per_seed, command.path("seeds"))
    write_table(spring_table(per_seed), command.path("table"), command.path("html"), digits=4)
    write_table(spring_ratios(per_seed), command.path("ratios"), command.path("ratios-html"))
    exponents = spring_exponents(per_seed, {base.base: base.model for base in job.bases})
    write_table(exponents, command.path("exponents"), command.path("exponents-html"))
