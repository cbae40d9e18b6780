"""The table of base models: bits per byte of held-out text of each corpus."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import bits_per_byte
from elasticity.analysis.table import Shown, Table, write_csv
from elasticity.evaluation.jobs import BitsPerByteJob

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def bits_per_byte_table(lengths: "pd.DataFrame") -> "pd.DataFrame":
    """Bits per byte of each corpus under each base model; ``lengths`` has schema ``BITS_PER_BYTE``."""
    sums = lengths.groupby(["base", "corpus"], sort=True)[["tokens", "utf8_bytes", "nats"]].sum()
    sums["bits_per_byte"] = bits_per_byte(sums)
    return sums.drop(columns="nats").reset_index()


def make(command: "Command[BitsPerByteJob]") -> None:
    """Write the table of a task from the code lengths of its held-out texts."""
    from elasticity.core.tables import read_table
    from elasticity.evaluation.schemas import BITS_PER_BYTE

    lengths = read_table(command.path("lengths"), BITS_PER_BYTE).to_pandas()
    write_csv(bits_per_byte_table(lengths), command.path("table"))


TABLE = Table(
    job=BitsPerByteJob,
    of="task",
    inputs=("lengths",),
    outputs={"table": "bits-per-byte-{task}.csv"},
    make=make,
    chapter="Data and models",
    subject="{task}",
    shown={
        "table": Shown(
            label="base models",
            caption="""
Bits per byte of held-out text of each corpus under the base models; lower is better compression. It is the code length
of the first tokens of each text, given the BOS token, over the UTF-8 bytes of the text that these tokens cover.
""",
        )
    },
)
