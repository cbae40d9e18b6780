"""The table that sets the codes of token trees beside those of the study's base models, on the same held-out texts."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from elasticity.analysis.jobs import CodeLengthsJob, ModelRates
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def code_lengths_table(trees: "pd.DataFrame", measured: "Iterable[tuple[pd.DataFrame, ModelRates]]") -> "pd.DataFrame":
    """One row for each base model and corpus of which there is a tree: bits per byte of model and trees.

    ``trees`` is the table of code lengths of token trees, and ``measured`` holds tables with schema ``COMPRESSION``.
    """
    import pandas as pd

    from elasticity.analysis.aggregation import bits_per_byte

    by_depth = trees.pivot_table(index="corpus", columns="depth", values="held_out_bits_per_byte")
    rows = {}
    for rates, job in measured:
        known = rates[rates["corpus"].isin(list(job.corpora))]
        names = known["corpus"].map(dict[str, str](job.corpora.items()))
        for (base, name), texts in known.groupby(["base", names]):
            if name in by_depth.index:
                sums = texts[["nats", "utf8_bytes"]].sum().to_frame().T
                lengths = {f"tree_{depth}": bits for depth, bits in by_depth.loc[str(name)].items()}
                rows[base, name] = {
                    "base": base,
                    "corpus": name,
                    "texts": len(texts),
                    "model": bits_per_byte(sums).iloc[0],
                } | lengths
    columns = ["base", "corpus", "texts", "model", *(f"tree_{depth}" for depth in by_depth)]
    return pd.DataFrame(list(rows.values()), columns=columns)


def make(command: "Command[CodeLengthsJob]") -> None:
    """Write the table."""
    from elasticity.analysis.table import read_csv
    from elasticity.core.tables import read_table
    from elasticity.evaluation.schemas import COMPRESSION

    tables = (read_table(path, COMPRESSION).to_pandas() for path in command.paths("base-rates"))
    measured = zip(tables, command.job.rates, strict=True)
    write_csv(code_lengths_table(read_csv(command.path("trees")), measured), command.path("table"))


TABLE = Table(
    job=CodeLengthsJob,
    of="study",
    inputs=("trees", "base-rates"),
    outputs={"table": "code-lengths.csv"},
    make=make,
    chapter="Theory",
    subject="token trees of the texts",
    shown={
        "table": Shown(
            label="beside the models",
            caption="""
Bits per byte of the same held-out texts under each base model (``model``: Σ −log₂ p of its probabilities) and in the
Huffman codes of token trees of texts of the same kind, one column for each depth d (``tree_d``). A tree sees d − 1 bits
at a time and forgets them; a model sees the text before.
""",
        )
    },
)
