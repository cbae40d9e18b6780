"""The table of packed texts: bits per byte of each corpus under the base models, the coder, and other compressors."""

from pathlib import Path

from elasticity.analysis.compression import arithmetic_coding_table
from elasticity.analysis.jobs import ArithmeticCodingTableJob
from elasticity.analysis.tables import write_table
from elasticity.core.tables import read_tables
from elasticity.evaluation.corpora import held_out_texts
from elasticity.evaluation.schemas import ARITHMETIC_CODING, COMPRESSION
from elasticity.runtime.command import Command

with Command(__doc__, ArithmeticCodingTableJob, "codes", "base-rates", "html", output="table") as command:
    codes = read_tables(command.paths("codes"), ARITHMETIC_CODING).to_pandas()
    base_rates = read_tables(command.paths("base-rates"), COMPRESSION).to_pandas()
    reading = command.job.reading
    texts = {
        (base, corpus): held_out_texts([(corpus, Path(path))], reading) for base, corpus, path in command.job.corpora
    }
    write_table(
        arithmetic_coding_table(codes, base_rates, texts), command.path("table"), command.path("html"), digits=4
    )
