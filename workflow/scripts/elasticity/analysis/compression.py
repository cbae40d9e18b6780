"""Compression rates and distances from the base model: one value a seed, then means and t intervals over seeds."""

from typing import get_args

import numpy as np
import pandas as pd

from elasticity.analysis.aggregation import CELL, cells_of, in_order, over_seeds, whole
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.config.compression import Corpus
from elasticity.evaluation.corpora import HeldOutText, packed_bits_per_byte

PER_TOKEN = {
    "entropy": "entropy_nats",
    "base_entropy": "base_entropy_nats",
    "cross_entropy": "cross_nats",
    "base_cross_entropy": "base_cross_nats",
    "kl_to_base": "to_base_nats",
    "kl_from_base": "from_base_nats",
}
"""Columns of the tables, in nats per token, and those of schema ``COMPRESSION`` that they are means of.

With the cell's model p and its base model q: H(p), H(q), H(p, q), H(q, p), KL(p || q), KL(q || p).
"""


VALUES = ["bits_per_byte", *PER_TOKEN]


def compression_seeds(rates: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """The rate of each corpus and the distances on it, for each cell of an experiment and each seed.

    ``rates`` has schema ``COMPRESSION`` and may hold cells of other experiments.
    """
    sums = cells_of(rates, job).groupby([*CELL, "seed", "corpus"], sort=True).sum(numeric_only=True)
    values = {"bits_per_byte": _bits_per_byte(sums)}
    values |= {name: sums[column] / sums["tokens"] for name, column in PER_TOKEN.items()}
    return whole(pd.DataFrame(values).reset_index())


def compression_table(per_seed: pd.DataFrame, base_rates: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """Mean and interval over seeds for each cell and corpus, and the base model's rate beside them.

    ``base_rates`` has schema ``COMPRESSION`` and holds the base models, each measured once.
    """
    table = _by_corpus(over_seeds(per_seed, [*CELL, "corpus"], VALUES))
    bases = _bits_per_byte(base_rates.groupby(["base", "corpus"]).sum(numeric_only=True))
    table["base_bits_per_byte"] = bases.loc[list(zip(table["base"], table["corpus"], strict=True))].to_numpy()
    return in_order(table, job)


def arithmetic_coding_table(
    codes: pd.DataFrame, base_rates: pd.DataFrame, texts: dict[tuple[str, Corpus], list[HeldOutText]]
) -> pd.DataFrame:
    """Bits per byte of each corpus: under the base model and packed by compressors without one; and in real codes.

    ``codes`` has schema ``ARITHMETIC_CODING``, ``base_rates`` schema ``COMPRESSION``; ``texts`` are all held-out texts of each
    base model and corpus, of which the first were coded.
    """
    keys = ["base", "corpus"]
    rates, coded = base_rates.groupby(keys), codes.groupby(keys)
    sums, packed = rates.sum(numeric_only=True), coded[["utf8_bytes", "model_bits", "coded_bits"]].sum()
    values = {"texts": rates.size(), "utf8_bytes": sums["utf8_bytes"], "model": _bits_per_byte(sums)}
    for key, found in texts.items():
        for name, bits in packed_bits_per_byte(text.text for text in found).items():
            values.setdefault(name, pd.Series(index=sums.index, dtype=float))[key] = bits
    values |= {"coded_texts": coded.size(), "coded_utf8_bytes": packed["utf8_bytes"]}
    values |= {"coded_model": packed["model_bits"] / packed["utf8_bytes"]}
    values |= {"coded_arithmetic": packed["coded_bits"] / packed["utf8_bytes"]}
    return _by_corpus(pd.DataFrame(values).reset_index())


def _bits_per_byte(sums: pd.DataFrame) -> "pd.Series[float]":
    rate: pd.Series[float] = sums["nats"] / np.log(2) / sums["utf8_bytes"]
    return rate


def _by_corpus(table: pd.DataFrame) -> pd.DataFrame:
    """In the order in which a model meets the corpora."""
    return table.sort_values("corpus", key=lambda names: names.map(get_args(Corpus).index), kind="stable")
