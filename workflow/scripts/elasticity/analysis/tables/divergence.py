"""The table of divergences: how far the models of a rebound experiment are from their base model."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import CELL, cells_of, rebound_table, whole
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def divergence_seeds(divergences: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """KL from the base model in nats per token of the responses, for each cell of an experiment and each seed.

    ``divergences`` has schema ``DIVERGENCES`` and may hold cells of other experiments.
    """
    sums = cells_of(divergences, job).groupby([*CELL, "seed"], sort=True)[["nats", "tokens"]].sum()
    return whole((sums["nats"] / sums["tokens"]).rename("kl").reset_index())


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the tables of an experiment from the divergences of its runs."""
    from elasticity.core.path_patterns import unfold
    from elasticity.core.tables import read_tables
    from elasticity.evaluation.schemas import DIVERGENCES

    divergences = read_tables(unfold(command.paths("divergences")), DIVERGENCES).to_pandas()
    per_seed = divergence_seeds(divergences, command.job)
    write_csv(per_seed, command.path("seeds"))
    write_csv(rebound_table(per_seed, command.job, "kl"), command.path("table"))


TABLE = Table(
    job=ReboundTableJob,
    of="rebound",
    inputs=("divergences",),
    outputs={"table": "divergence-{experiment}.csv", "seeds": "seeds/divergence-{experiment}.csv"},
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="distance from the base model, table",
            beside=("seeds",),
            caption="""
The numbers of the figure: for each base model, P (``alignment_size``) and N (``inverse_size``), the mean divergence
from the base model in nats per token over seeds, the bounds of its 95 % t interval, and the number of optimizer updates
that N examples take. The file ``tables/seeds/divergence-{{ experiment }}.csv`` has one row per seed.
""",
        )
    },
)
