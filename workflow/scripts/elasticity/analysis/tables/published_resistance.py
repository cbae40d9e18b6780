"""The table of a resistance experiment beside the numbers that the paper publishes."""

from typing import TYPE_CHECKING

from elasticity.analysis.jobs import PublishedJob
from elasticity.analysis.table import Shown, Table, read_csv, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[PublishedJob]") -> None:
    """Write the table from the table of the experiment and the paper's table."""
    import pandas as pd

    from elasticity.analysis.published import published_resistance

    assert command.job.task is not None
    paper = pd.read_csv(command.path("paper"))
    table = published_resistance(read_csv(command.path("measured")), paper, command.job.task, command.job.models)
    write_csv(table, command.path("table"))


TABLE = Table(
    job=PublishedJob,
    of="resistance",
    inputs=("measured", "paper"),
    outputs={"table": "published-resistance-{experiment}.csv"},
    make=make,
    chapter="Resistance",
    shown={
        "table": Shown(
            label="measured and published",
            caption="""
Measured against published numbers (first arXiv version, appendix E; ACL 2025, table 1), in nats per token. The first
version calls its numbers cross-entropy, the ACL version training loss: both are here. ``low`` and ``high`` are the
bounds of the 95 % t interval over seeds; the paper has one seed and no variance. ``agrees`` says whether forward minus
inverse has the published sign; where its interval holds zero, the sign says little.
""",
        )
    },
)
