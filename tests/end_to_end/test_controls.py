"""Controls of the paper's measures on the real graph: text statistics, equal entropies, and the exact KL divergence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from elasticity.analysis.table import read_csv
from elasticity.core.tables import read_table, read_tables
from elasticity.evaluation.schemas import CHOSEN, CROSS_ENTROPIES, TEXT_STATISTICS
from elasticity.training.schemas import LOSSES
from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow

TINY = Path("results/tiny")
RUN = TINY / "made-up/resistance/equal-entropy/nano/seed1"
PAIRS = [(1, 2), (1, 3), (2, 3)]
PATHS = [*PAIRS, *(pair[::-1] for pair in PAIRS)]


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished study with an equal-entropy control added."""
    project = finished.copy(tmp_path_factory.mktemp("controls"))
    study = tiny_study()
    study["resistance"]["equal-entropy"] = study["resistance"]["slices"] | {"equal_entropy": True}
    project.write_study(study)
    project.snakemake(*(str(RUN / f"tuned/{start}-{target}/cross-entropies.parquet") for start, target in PATHS))
    return project


def test_every_response_is_measured_under_the_base_model(project: Project) -> None:
    rebound = project.folder / TINY / "made-up/rebound"
    files = [*rebound.glob("nano/text-statistics.parquet"), *rebound.glob("nano/*/alignment/*/P*/*/*/text-*.parquet")]
    responses = read_tables(files, TEXT_STATISTICS).to_pandas()
    assert len(responses) == 8 * (1 + 2 * 2 * 3)  # prompts of the base and of the cells: seeds, P, N
    ended = responses["response_tokens"].map(len) + responses["finished"]
    assert (responses["coded_tokens"] == ended).all()
    assert (responses["base_nats"] > 0).all()


def test_the_table_of_scores_contains_the_warnings_of_the_text_statistics(project: Project) -> None:
    scores = read_csv(project.folder / TINY / "tables/rebound-existence.csv")
    table = read_csv(project.folder / TINY / "tables/text-statistics-existence.csv")
    assert np.allclose(scores["perplexity_ratio"], table["perplexity_ratio"])
    assert scores["warning"].astype(object).fillna("").tolist() == table["warning"].astype(object).fillna("").tolist()


def cross_entropies(project: Project) -> pd.DataFrame:
    files = [project.folder / RUN / f"tuned/{start}-{target}/cross-entropies.parquet" for start, target in PATHS]
    return read_tables(files, CROSS_ENTROPIES).to_pandas()


@pytest.fixture(scope="module")
def chosen(project: Project) -> pd.DataFrame:
    return read_table(project.folder / RUN / "chosen.parquet", CHOSEN).to_pandas()


def test_half_of_the_prompts_are_chosen_for_each_pair(chosen: pd.DataFrame) -> None:
    kept = chosen.groupby(["responses", "first", "second"])["chosen"].agg(["size", "sum"])
    assert kept.index.tolist() == [(responses, *pair) for responses in ("questions", "twins") for pair in PAIRS]
    assert (kept["size"] == 8).all()
    assert (kept["sum"] == 4).all()


def test_both_directions_are_tuned_and_measured_on_the_same_half(project: Project, chosen: pd.DataFrame) -> None:
    lengths = cross_entropies(project)
    for first, second in PAIRS:
        rows = chosen[(chosen["first"] == first) & (chosen["second"] == second) & chosen["chosen"]]
        for start, target in ((first, second), (second, first)):
            measured = lengths[(lengths["start"] == start) & (lengths["target"] == target)]
            assert set(measured["prompt_id"]) == set(rows[rows["responses"] == "questions"]["prompt_id"])
            losses = read_table(project.folder / RUN / f"tuned/{start}-{target}/losses.parquet", LOSSES).to_pandas()
            side = "second" if target == second else "first"
            assert losses["tokens"].sum() == rows[rows["responses"] == "twins"][f"{side}_tokens"].sum()
            own = rows[rows["responses"] == "questions"].set_index("prompt_id")[f"{side}_nats"]
            assert np.allclose(measured.set_index("prompt_id")["target_nats"], own[measured["prompt_id"]])


def test_exact_divergences_are_positive(project: Project) -> None:
    lengths = cross_entropies(project)
    assert (lengths["kl_nats"] > 0).all()


def test_both_experiments_share_slices_and_their_responses(project: Project) -> None:
    assert sorted(path.name for path in (project.folder / RUN).iterdir()) == [
        "chosen.parquet",
        "tuned",
    ]
