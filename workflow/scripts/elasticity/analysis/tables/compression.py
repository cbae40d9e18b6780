"""The table of compression rates: bits per byte of held-out text, and distances from the base model on it."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import CELL, bits_per_byte, by_corpus, cells_of, in_order, over_seeds, whole
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

PER_TOKEN = {
    "entropy": "entropy_nats",
    "base_entropy": "base_entropy_nats",
    "cross_entropy": "cross_nats",
    "base_cross_entropy": "base_cross_nats",
    "kl_to_base": "to_base_nats",
    "kl_from_base": "from_base_nats",
}
"""Columns of the tables, in nats per token, and the columns of schema ``COMPRESSION`` that they are means of.

With the cell's model p and its base model q: H(p), H(q), H(p, q), H(q, p), KL(p || q), KL(q || p).
"""


VALUES = ["bits_per_byte", *PER_TOKEN]


def compression_seeds(rates: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The rate of each corpus and the distances on it, for each cell of an experiment and each seed.

    ``rates`` has schema ``COMPRESSION`` and may hold cells of other experiments.
    """
    import pandas as pd

    sums = cells_of(rates, job).groupby([*CELL, "seed", "corpus"], sort=True).sum(numeric_only=True)
    values = {"bits_per_byte": bits_per_byte(sums)}
    values |= {name: sums[column] / sums["tokens"] for name, column in PER_TOKEN.items()}
    return whole(pd.DataFrame(values).reset_index())


def compression_table(per_seed: "pd.DataFrame", base_rates: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """Mean and interval over seeds for each cell and corpus, and the base model's rate beside them.

    ``base_rates`` has schema ``COMPRESSION`` and holds the base models, each measured once.
    """
    table = by_corpus(over_seeds(per_seed, [*CELL, "corpus"], VALUES))
    bases = bits_per_byte(base_rates.groupby(["base", "corpus"]).sum(numeric_only=True))
    table["base_bits_per_byte"] = bases.loc[list(zip(table["base"], table["corpus"], strict=True))].to_numpy()
    return in_order(table, job)


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the tables of an experiment from the rates of its runs and of its base models."""
    from elasticity.core.path_patterns import unfold
    from elasticity.core.tables import read_tables
    from elasticity.evaluation.schemas import COMPRESSION

    per_seed = compression_seeds(read_tables(unfold(command.paths("rates")), COMPRESSION).to_pandas(), command.job)
    base_rates = read_tables(command.paths("base-rates"), COMPRESSION).to_pandas()
    write_csv(per_seed, command.path("seeds"))
    write_csv(compression_table(per_seed, base_rates, command.job), command.path("table"))


TABLE = Table(
    job=ReboundTableJob,
    of="rebound",
    inputs=("rates", "base-rates"),
    outputs={"table": "compression-{experiment}.csv", "seeds": "seeds/compression-{experiment}.csv"},
    make=make,
    chapter="Compression",
    shown={
        "table": Shown(
            label="table",
            beside=("seeds",),
            caption="""
The numbers of the figures, for each base model, P (``alignment_size``), N (``inverse_size``) and corpus: the
compression rate in bits per byte and the base model's beside it; and in nats per token, with p the model and q its
base, H(p) (``entropy``), H(q) (``base_entropy``), H(p, q) (``cross_entropy``), H(q, p) (``base_cross_entropy``), KL(p ‖
q) (``kl_to_base``) and KL(q ‖ p) (``kl_from_base``). Each is computed from its own formula, so H(p, q) = H(p) + KL(p ‖
q) and H(q, p) = H(q) + KL(q ‖ p) can be checked in any row. Means over training seeds and the bounds of 95 % t
intervals over them. The file ``tables/seeds/compression-{{ experiment }}.csv`` has one row per seed, and the files
``compression.parquet`` have one row per text.
""",
        )
    },
)
