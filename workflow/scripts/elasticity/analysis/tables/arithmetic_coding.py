"""The table of packed texts: bits per byte under the base models, an arithmetic coder, and other compressors."""

from pathlib import Path
from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import bits_per_byte, by_corpus
from elasticity.analysis.jobs import ArithmeticCodingTableJob
from elasticity.analysis.table import Shown, Table, write_csv
from elasticity.config.compression import Corpus

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.evaluation.corpora import HeldOutText
    from elasticity.runtime.command import Command


def arithmetic_coding_table(
    codes: "pd.DataFrame", base_rates: "pd.DataFrame", texts: "dict[tuple[str, Corpus], list[HeldOutText]]"
) -> "pd.DataFrame":
    """Bits per byte of each corpus: under the base model, packed by compressors without a model, and in real codes.

    ``codes`` has schema ``ARITHMETIC_CODING``, ``base_rates`` schema ``COMPRESSION``; ``texts`` holds all held-out
    texts of each base model and corpus, of which the first were coded.
    """
    import pandas as pd

    from elasticity.evaluation.corpora import packed_bits_per_byte

    keys = ["base", "corpus"]
    rates, coded = base_rates.groupby(keys), codes.groupby(keys)
    sums, packed = rates.sum(numeric_only=True), coded[["utf8_bytes", "model_bits", "coded_bits"]].sum()
    values = {"texts": rates.size(), "utf8_bytes": sums["utf8_bytes"], "model": bits_per_byte(sums)}
    for key, found in texts.items():
        for name, bits in packed_bits_per_byte(text.text for text in found).items():
            values.setdefault(name, pd.Series(index=sums.index, dtype=float))[key] = bits
    values |= {"coded_texts": coded.size(), "coded_utf8_bytes": packed["utf8_bytes"]}
    values |= {"coded_model": packed["model_bits"] / packed["utf8_bytes"]}
    values |= {"coded_arithmetic": packed["coded_bits"] / packed["utf8_bytes"]}
    return by_corpus(pd.DataFrame(values).reset_index())


def make(command: "Command[ArithmeticCodingTableJob]") -> None:
    """Write the table of an experiment from the codes and rates of its base models and the texts that the job names."""
    from elasticity.core.tables import read_tables
    from elasticity.evaluation.corpora import held_out_texts
    from elasticity.evaluation.schemas import ARITHMETIC_CODING, COMPRESSION

    job = command.job
    codes = read_tables(command.paths("codes"), ARITHMETIC_CODING).to_pandas()
    base_rates = read_tables(command.paths("base-rates"), COMPRESSION).to_pandas()
    texts = {(base, corpus): held_out_texts([(corpus, Path(path))], job.reading) for base, corpus, path in job.corpora}
    write_csv(arithmetic_coding_table(codes, base_rates, texts), command.path("table"))


TABLE = Table(
    job=ArithmeticCodingTableJob,
    of="rebound",
    inputs=("codes", "base-rates"),
    outputs={"table": "arithmetic-coding-{experiment}.csv"},
    make=make,
    chapter="Compression",
    shown={
        "table": Shown(
            label="packed texts, table",
            caption="""
Bits per byte of each corpus under each base model. ``model`` is the code length that the model's probabilities promise
(Σ −log₂ p) for all held-out texts, each by itself; ``gzip``, ``xz`` and ``zstd``, at their strongest, pack the same
texts as one file, which is easier. The first ``coded_texts`` texts were really packed by an arithmetic coder with the
model's probabilities, and restored without an error: ``coded_model`` is the length that was promised for them,
``coded_arithmetic`` the length of the codes, in whole bytes for each text. The size of the model itself counts nowhere.
""",
        )
    },
)
