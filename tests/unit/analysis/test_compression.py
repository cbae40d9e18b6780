"""Tables and figures of compression rates, from rows with known sums."""

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.tables.arithmetic_coding import arithmetic_coding_table
from elasticity.analysis.tables.compression import PER_TOKEN, compression_seeds, compression_table
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning
from elasticity.evaluation.corpora import HeldOutText, packed_bits_per_byte
from elasticity.plots.compression import arithmetic_coding, distances, rates
from elasticity.plots.figure import FigureJob
from elasticity.plots.style import save

BASES, SIDES = ("nano", "big"), ("positive", "negative")
CORPORA = {"nano": ["pretraining", "alignment", "perturbation"], "big": ["alignment", "perturbation"]}
JOB = ReboundTableJob(
    experiment=Rebound(task="reviews", bases=BASES, alignment_sizes=(8, 16), inverse_sizes=(0, 6)),
    seeds=(1, 2),
    alignment=FineTuning(learning_rate=1e-3, batch_size=3, max_length=8, last_batch="drop"),
    inverse=FineTuning(learning_rate=1e-3, batch_size=2, max_length=16),
)


DRAWN = FigureJob(bases=BASES, sides=SIDES)


def text(where: dict[str, Any], corpus: str, nats: float) -> list[dict[str, Any]]:
    """Two texts, of 4 bytes and 2 tokens, and of 12 bytes and 6 tokens: ``nats`` each, and p = q but for nats."""
    sums = dict.fromkeys(PER_TOKEN.values(), 8.0) | {"to_base_nats": 2.0, "from_base_nats": 4.0}
    sizes = [{"id": "a", "tokens": 2, "utf8_bytes": 4}, {"id": "b", "tokens": 6, "utf8_bytes": 12}]
    return [where | {"corpus": corpus, "nats": nats} | size | sums for size in sizes]


@pytest.fixture
def per_seed() -> pd.DataFrame:
    rows = []
    for base in BASES:
        for seed in (1, 2, 3):
            for first in (8, 16, 32):
                for second in (0, 6, 12):
                    where = {"base": base, "alignment_side": "positive", "alignment_recipe": "alignment"}
                    where |= {
                        "inverse_recipe": "inverse",
                        "seed": seed,
                        "alignment_size": first,
                        "inverse_size": second,
                    }
                    for corpus in CORPORA[base]:
                        rows += text(where, corpus, 8 * math.log(2) * seed)
    return compression_seeds(pd.DataFrame(rows), JOB)


@pytest.fixture
def table(per_seed: pd.DataFrame) -> pd.DataFrame:
    rows = [row for base in BASES for corpus in CORPORA[base] for row in text({"base": base}, corpus, 16 * math.log(2))]
    return compression_table(per_seed, pd.DataFrame(rows), JOB)


def test_rates_are_bits_over_bytes_and_distances_nats_over_tokens(per_seed: pd.DataFrame) -> None:
    assert len(per_seed) == 2 * 2 * 2 * (3 + 2)
    assert per_seed["bits_per_byte"].tolist() == pytest.approx(per_seed["seed"].tolist())
    assert (per_seed["entropy"] == 2).all()
    assert (per_seed["kl_to_base"] == 0.5).all()
    assert (per_seed["kl_from_base"] == 1).all()


def test_a_table_has_a_row_for_each_cell_and_corpus_in_order_with_the_base_beside_it(table: pd.DataFrame) -> None:
    cells = [(base, p, n, c) for base in BASES for p in (8, 16) for n in (0, 6) for c in CORPORA[base]]
    columns = ["base", "alignment_size", "inverse_size", "corpus"]
    assert [*table[columns].itertuples(index=False, name=None)] == cells
    assert table["bits_per_byte"].to_numpy() == pytest.approx(1.5)
    assert (table["bits_per_byte_high"] - 1.5).to_numpy() == pytest.approx(math.tan(0.475 * math.pi) / 2)
    assert table["base_bits_per_byte"].to_numpy() == pytest.approx(2)
    assert table["seeds"].tolist() == [2] * len(cells)


def test_packed_texts_are_summed_over_a_corpus() -> None:
    rows = [
        {"base": "nano", "corpus": corpus, "id": name, "tokens": 9, "utf8_bytes": size, "model_bits": 15.5 * size}
        for corpus in ("perturbation", "alignment")
        for name, size in (("a", 4), ("b", 12))
    ]
    codes = pd.DataFrame(rows).assign(coded_bits=32)
    texts: Any = {
        ("nano", corpus): [HeldOutText(corpus, "a", "good"), HeldOutText(corpus, "b", "good " * 99)]
        for corpus in ("alignment", "perturbation")
    }
    rates = [row for corpus in CORPORA["big"] for row in text({"base": "nano"}, corpus, 24 * math.log(2))]
    table = arithmetic_coding_table(codes, pd.DataFrame(rates), texts)
    assert table["corpus"].tolist() == ["alignment", "perturbation"]
    assert table[["texts", "utf8_bytes", "model"]].to_numpy().tolist() == [[2, 16, pytest.approx(3)]] * 2
    columns = ["coded_texts", "coded_utf8_bytes", "coded_model", "coded_arithmetic"]
    assert table[columns].to_numpy().tolist() == [[2, 16, 15.5, 4]] * 2
    data = ("good\n" + "good " * 99).encode()
    assert table["gzip"].tolist() == [8 * len(gzip.compress(data, 9)) / len(data)] * 2
    assert (table[["gzip", "xz", "zstd"]] < 2).all(axis=None)


def test_what_is_random_is_packed_by_nobody() -> None:
    letters = np.random.default_rng(0).integers(0, 2**7, 4000, dtype=np.uint8).tobytes().decode("ascii")
    for bits in packed_bits_per_byte([letters]).values():
        assert 6.9 < bits < 8.3


# Figures


def drawn(table: pd.DataFrame) -> list[Figure]:
    return [rates(table, DRAWN), distances(table, DRAWN)]


def test_each_base_has_a_row_and_each_corpus_a_column(table: pd.DataFrame) -> None:
    by_rate, by_distance = drawn(table)
    assert (len(by_rate.axes), len(by_distance.axes)) == (2 * 3, 4 * 3)
    for figure in (by_rate, by_distance):
        assert [axis.get_title() for axis in figure.axes[:3]] == [
            "pre-training text",
            "alignment text\n(positive)",
            "perturbation text\n(negative)",
        ]
    assert by_rate.axes[0].get_ylabel() == "nano\nγ, bits per byte"
    assert by_rate.axes[4].get_xlabel() == "N, negative examples"


def test_where_a_base_has_no_such_corpus_nothing_is_drawn_but_its_name_stays(table: pd.DataFrame) -> None:
    figure = rates(table, DRAWN)
    assert [axis.axison for axis in figure.axes] == [True, True, True, False, True, True]
    assert figure.axes[4].get_ylabel() == "big\nγ, bits per byte"


def test_the_base_model_is_a_dashed_line(table: pd.DataFrame) -> None:
    for figure, height in zip(drawn(table), (2, 0), strict=True):
        axis = figure.axes[0]
        handles, labels = axis.get_legend_handles_labels()
        assert labels == ["base model", "P = 8 positive", "P = 16 positive"]
        line: Any = handles[0]
        assert line.get_ydata() == pytest.approx([height] * 2)


def test_figures_are_the_same_bytes_twice(table: pd.DataFrame, tmp_path: Path) -> None:
    codes = pd.DataFrame({"base": "nano", "corpus": CORPORA["nano"]})
    codes = codes.assign(model=2.0, coded_model=2.1, coded_arithmetic=2.11, gzip=4.0, xz=3.9, zstd=3.8)
    one = FigureJob(bases=("nano",), sides=SIDES)
    for name in ("one", "two"):
        for number, figure in enumerate([*drawn(table), arithmetic_coding(codes, one)]):
            save(figure, [tmp_path / f"{name}-{number}.svg"])
    for number in range(3):
        one, two = ((tmp_path / f"{name}-{number}.svg").read_bytes() for name in ("one", "two"))
        assert one == two
