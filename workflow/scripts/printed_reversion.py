"""The divergences of a rebound experiment, and the negatives that revert its models, beside the paper's numbers."""

import pandas as pd

from elasticity.analysis.jobs import PublishedJob
from elasticity.analysis.published import published_reversion, reversions
from elasticity.analysis.tables import read_csv, write_table
from elasticity.runtime.command import Command

with Command(__doc__, PublishedJob, "seeds", "paper", "html", output="table") as command:
    per_seed = reversions(read_csv(command.path("seeds")))
    table = published_reversion(per_seed, pd.read_csv(command.path("paper")), command.job.models)
    write_table(table, command.path("table"), command.path("html"), digits=4)
