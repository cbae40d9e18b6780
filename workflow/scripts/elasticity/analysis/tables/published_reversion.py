"""The table of divergences, and of the examples that revert a model, beside the numbers that the paper publishes."""

from typing import TYPE_CHECKING

from elasticity.analysis.jobs import PublishedJob
from elasticity.analysis.table import Shown, Table, read_csv, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[PublishedJob]") -> None:
    """Write the table from the divergences of an experiment, one row per seed, and the paper's table."""
    import pandas as pd

    from elasticity.analysis.published import published_reversion, reversions

    per_seed = reversions(read_csv(command.path("seeds")))
    table = published_reversion(per_seed, pd.read_csv(command.path("paper")), command.job.models)
    write_csv(table, command.path("table"))


TABLE = Table(
    job=PublishedJob,
    of="rebound",
    inputs=("seeds", "paper"),
    outputs={"table": "published-reversion-{experiment}.csv"},
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="measured and published",
            caption="""
Measured against published numbers (ACL 2025, table 3). ``kl``: divergence from the base model in nats per token after
``alignment_size`` examples of the alignment stage. ``reversion_size``: examples of the inverse stage until the
divergence is below 0.01 for the first time, interpolated between sizes as an exponential decay; missing if it is not
below 0.01 in every seed. ``low`` and ``high`` are the bounds of the 95 % t interval over seeds. ``agrees`` says whether
the change from the smallest alignment stage to the largest has the published sign.
""",
        )
    },
)
