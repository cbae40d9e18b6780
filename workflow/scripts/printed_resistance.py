"""The table of a resistance experiment beside the paper's numbers."""

import pandas as pd

from elasticity.analysis.jobs import PublishedJob
from elasticity.analysis.published import published_resistance
from elasticity.analysis.tables import read_csv, write_table
from elasticity.runtime.command import Command

with Command(__doc__, PublishedJob, "measured", "paper", "html", output="table") as command:
    assert command.job.task is not None
    paper = pd.read_csv(command.path("paper"))
    table = published_resistance(read_csv(command.path("measured")), paper, command.job.task, command.job.models)
    write_table(table, command.path("table"), command.path("html"), digits=4)
