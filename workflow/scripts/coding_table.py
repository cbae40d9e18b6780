"""The table of packed texts: bits per byte of each corpus under the base models, the coder, and other compressors."""

from pathlib import Path

from elasticity.command import Command
from elasticity.compression_judgement import coding_table
from elasticity.held_out_texts import held_out_texts
from elasticity.judgement import write_table
from elasticity.judging_jobs import CodingJudgeJob
from elasticity.records import CODING, COMPRESSION, read_tables

with Command(__doc__, CodingJudgeJob, "codes", "base-rates", "html", output="table") as command:
    codes = read_tables(command.paths("codes"), CODING).to_pandas()
    base_rates = read_tables(command.paths("base-rates"), COMPRESSION).to_pandas()
    reading = command.job.reading
    texts = {
        (base, corpus): held_out_texts([(corpus, Path(path))], reading) for base, corpus, path in command.job.corpora
    }
    write_table(coding_table(codes, base_rates, texts), command.path("table"), command.path("html"), digits=4)
