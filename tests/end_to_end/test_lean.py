"""The lean, two bases of different mixtures, and planted effects on the real graph, without a single response."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from elasticity.analysis.table import read_csv
from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import LEAN
from tests.conftest import Project, expected, tiny_study

pytestmark = pytest.mark.slow

TABLES = Path("results/tiny/tables")
REBOUND = Path("results/tiny/made-up/rebound")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study of leans alone, whose verdicts are made."""
    study = tiny_study()
    for side, other in (("negative", "positive"), ("positive", "negative")):
        model = copy.deepcopy(study["models"]["nano"]) | {"checkpoints": [], "mixture": {side: 0.75, other: 0.25}}
        study["models"][f"mostly-{side}"] = model
    unscored = {"task": "made-up", "bases": ["nano"], "scores": False, "lean": True}
    sizes = {"alignment_sizes": [8, 16], "inverse_sizes": [0, 4, 8]}
    study["tasks"]["made-up"]["splits"]["lean"] = 24
    study["tasks"]["made-up"] |= {"held_out_tokens": 16, "lean_texts": 12}
    study["resistance"] = {}
    study["rebound"] = {
        "plain": unscored | sizes,
        "planted-crossing": unscored | sizes | {"planted": 2},
        "planted-nothing": unscored | sizes | {"planted": "nothing"},
        "homecoming": unscored | sizes | {"bases": ["mostly-negative", "mostly-positive"]},
    }
    study["claims"] = {
        "crosses": expected("planted-crossing", "lean-crossing", "greater"),
        "nothing": expected("planted-nothing", "lean-crossing-end", "greater"),
        "shrinks": expected("homecoming", "lean-start", "less") | {"over": "bases"},
        "grows": expected("homecoming", "lean-return", "greater") | {"over": "bases"},
    }
    project = Project.new(tmp_path_factory.mktemp("lean"))
    project.write_study(study)
    project.snakemake()
    return project


def table(project: Project, name: str) -> pd.DataFrame:
    return read_csv(project.folder / TABLES / f"{name}.csv")


def test_no_response_is_sampled_and_no_score_model_is_trained(project: Project) -> None:
    results = project.folder / "results/tiny"
    files = list((project.folder / REBOUND).rglob("responses.parquet"))
    assert files
    assert all(pq.read_metadata(path).num_rows == 0 for path in files)
    assert not list(results.rglob("score-model"))
    assert not list(results.rglob("scores.parquet"))


def lean_of(texts: pd.DataFrame) -> float:
    rate = texts.groupby("side")["nats"].sum() / texts.groupby("side")["utf8_bytes"].sum() / np.log(2)
    return float(rate["negative"] - rate["positive"])


def test_the_lean_is_the_difference_of_two_compression_rates_on_the_texts_of_a_seed(project: Project) -> None:
    leans = table(project, "seeds/lean-plain")
    base = read_table(project.folder / REBOUND / "nano/lean.parquet", LEAN).to_pandas()
    assert len(base) == 48
    of_seeds: dict[int, set[str]] = {}
    for row in leans.itertuples():
        stage = f"nano/positive/alignment/seed{row.seed}/P{row.alignment_size}/inverse"
        (path,) = (project.folder / REBOUND / stage).rglob("lean.parquet")
        texts = read_table(path, LEAN).to_pandas()
        own = texts[texts["inverse_size"] == row.inverse_size]
        assert len(own) == row.texts == 24
        assert (own["tokens"] <= 16).all()
        assert row.lean == pytest.approx(lean_of(own), rel=1e-4)
        assert row.base_lean == pytest.approx(lean_of(base[base["id"].isin(own["id"])]), rel=1e-4)
        of_seeds.setdefault(row.seed, set(own["id"])).update(own["id"])
    assert [len(of_seeds[seed]) for seed in (1, 2)] == [24, 24]
    assert not of_seeds[1] & of_seeds[2]


def test_a_planted_crossing_takes_the_models_after_twice_as_many_examples(project: Project) -> None:
    """The cells of the largest P at N are those of another experiment at 2 N, and the table says how many it was."""
    planted, plain = (table(project, f"seeds/lean-{name}") for name in ("planted-crossing", "plain"))
    keys = ["alignment_size", "seed"]
    at_4 = planted[planted["inverse_size"] == 4].set_index(keys)["lean"]
    at_8 = plain[plain["inverse_size"] == 8].set_index(keys)["lean"]
    untouched = plain[plain["inverse_size"] == 4].set_index(keys)["lean"]
    assert at_4[16].tolist() == at_8[16].tolist()
    assert at_4[8].tolist() == untouched[8].tolist()
    counts = table(project, "lean-planted-crossing").set_index(["alignment_size", "inverse_size"])["inverse_examples"]
    assert counts.to_dict() == {(8, 0): 0, (8, 4): 4, (8, 8): 8, (16, 0): 0, (16, 4): 8, (16, 8): 16}


def test_the_planted_null_trains_both_sizes_alike_in_another_order(project: Project) -> None:
    null, plain = (table(project, f"seeds/lean-{name}") for name in ("planted-nothing", "plain"))
    keys = ["alignment_size", "inverse_size", "seed"]
    null, plain = (rows.set_index(keys)["lean"] for rows in (null, plain))
    assert null[16].tolist() == plain[16].tolist()
    assert not set(null[8]) & set(plain)
    assert table(project, "lean-planted-nothing")["alignment_examples"].unique().tolist() == [16]


def test_the_difference_of_two_bases_is_paired_by_seed(project: Project) -> None:
    found = table(project, "lean-difference-homecoming")
    leans = table(project, "seeds/lean-homecoming").set_index(["base", "alignment_size", "inverse_size", "seed"])[
        "lean"
    ]
    differences = leans["mostly-positive"] - leans["mostly-negative"]
    for row in found[found["inverse_size"].notna()].itertuples():
        own = differences[row.alignment_size, int(row.inverse_size)]
        assert row.difference == pytest.approx(own.mean(), rel=1e-3, abs=1e-6)
    assert found["inverse_size"].isna().sum() == 2
    assert (found["seeds"] == 2).all()


def test_claims_about_leans_have_verdicts_and_figures(project: Project) -> None:
    verdicts = table(project, "verdicts").set_index("claim")
    assert verdicts["verdict"].notna().all()
    assert (verdicts["seeds"] == 2).all()
    for name in verdicts["figure"]:
        assert (project.folder / "results/tiny" / name).exists()
    values = table(project, "seeds/verdicts").set_index(["claim", "seed"])["value"]
    leans = table(project, "lean-difference-homecoming").set_index(["alignment_size", "inverse_size"])["difference"]
    grown = np.mean([leans[size, 8] - leans[size, 0] for size in (8, 16)])
    assert values["grows"].mean() == pytest.approx(grown, rel=1e-3, abs=1e-6)


def test_the_report_shows_leans_and_names_what_is_planted(project: Project) -> None:
    results = project.folder / "results/tiny"
    text = (results / "report.html").read_text()
    for name in ("lean-planted-crossing", "lean-planted-nothing", "lean-homecoming", "lean-difference-homecoming"):
        assert f"{name}.svg" in text
        assert (results / f"figures/{name}.pdf").exists()
    assert not list(results.glob("figures/lean-difference-plain.*"))  # one base model
