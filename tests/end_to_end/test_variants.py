"""Every algorithm and variant goes through the same graph; each is a name in the study."""

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elasticity.config.training import FineTuning
from elasticity.core.tables import read_rows, read_table
from elasticity.data.examples import batched, training_examples
from elasticity.data.schemas import EXAMPLES
from elasticity.evaluation.schemas import ANSWERS, CODING, COMPRESSION, DIVERGENCES, SCORES
from elasticity.models.loading import load_model, one_thread, prepare_for_training
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.launch import Launch
from elasticity.training.backends import OneProcess
from elasticity.training.objectives import CodeLength
from elasticity.training.schemas import LOSSES
from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow

ALGORITHMS = ("dpo", "kto", "simpo", "ppo")
SECOND = ("second", *ALGORITHMS, "lora", "carried", "bf16")
FIRST = ("first", "pushed")
CONTROLS: dict[str, dict[str, str]] = {
    "neutral": {"task": "manual", "side": "neutral"},
    "continued": {"side": "same"},
    "elsewhere": {"task": "products", "side": "opposite"},
}
SECOND_SIDES = (*SECOND, *CONTROLS)
TASK = Path("results/tiny/made-up")


def variants(folder: Path) -> dict[str, Any]:
    """One first side, then a second side of every kind; and one that a pushed first side and a warm model precede.

    The data of the controls are put into the folder.
    """
    study = tiny_study() | {"seeds": [1], "claims": {}}
    del study["resistance"]
    tuning = study["first_side"]
    fast = tuning | {"learning_rate": 0.03}  # or so few updates would not change what is drawn
    algorithms = {name: fast | {"algorithm": {"kind": name}} for name in ALGORITHMS}
    algorithms["ppo"]["algorithm"] |= {"new_tokens": 4, "passes": 2}
    study["recipes"] = algorithms | {
        "lora": fast | {"lora": {"rank": 2, "alpha": 4.0}},
        "carried": fast | {"optimizer": "carried"},
        "bf16": fast | {"weights": "bf16"},
        "pushed": tuning | {"epochs": 2, "extrapolation": 0.5},
    }
    warm = {"kind": "tuned", "base": "nano-step3", "task": "made-up", "side": "positive", "examples": 8}
    study["models"]["warm"] = warm | {"tuning": tuning | {"epochs": 3, "schedule": "cosine"}}
    study["recipes"] |= {name: fast | {"data": data} for name, data in CONTROLS.items()}
    texts = {"kind": "file", "path": "manual.txt", "format": "passages", "characters": 60}
    lines = [f"Part {i} of the lamp lies in box {i + 1}.\n\n" for i in range(40)]
    (folder / "manual.txt").write_text("".join(lines))
    study["tasks"]["manual"] = {"source": texts, "pools": {"sides": ["neutral"], "held_out": 4, "neutral": 8}}
    ratings = {"kind": "archive", "path": "parts/ratings.tar.gz/data/ratings.txt", "format": "vader"}
    ratings |= write_archive(folder / "products.zip")
    study["tasks"]["products"] = {"source": ratings, "pools": {"positive": 8, "negative": 8}}
    study["models"]["nano"]["checkpoints"] = [0, 3]
    cells = {"task": "made-up", "bases": ["nano"], "first_sizes": [8], "second_sizes": [0, 8]}
    study["rebound"] = {name: cells | {"second_recipe": name} for name in SECOND_SIDES}
    study["rebound"]["second"] |= {"divergence": True, "bases": ["nano", "nano-step0", "warm"], "third_sizes": [0, 8]}
    study["rebound"]["neutral"] |= {"compression": True}
    study["rebound"]["simpo"] |= {"compression": True}
    study["compression"] = {"window": 16, "stride": 8, "characters": 80, "control": "corpus", "coded": 2}
    study["tasks"]["corpus"] = {"source": study["tasks"]["made-up"]["source"], "pools": {"held_out": 4}}
    study["rebound"]["together"] = cells | {"compression": True, "joint": True}
    study["rebound"]["pushed"] = cells | {"first_recipe": "pushed"}
    return study


def write_archive(path: Path) -> dict[str, str]:
    """A zip with a tar in it, of rated sentences; returns what a source says of it."""
    opinions = ((-2.5, "broke"), (0.1, "is grey"), (2.5, "shines"))
    lines = [f"{i}\t{rating}\tlamp {i} {words} all day\r\n" for i in range(20) for rating, words in opinions]
    content, packed = "".join(lines).encode(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("data/ratings.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("parts/ratings.tar.gz", packed.getvalue())
    return {"url": path.as_uri(), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.new(tmp_path_factory.mktemp("variants"))
    project.write_study(variants(project.folder))
    names = ("third-second", "divergence-second", "compression-simpo", "coding-simpo", "springs-together")
    names += ("compression-neutral",)
    figures = [f"results/tiny/figures/{name}.svg" for name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELASTICITY_CACHE", str(project.folder / "cache"))
        project.snakemake(str(TASK / "scores.parquet"), *figures)
    return project


@pytest.fixture(scope="module")
def answers(project: Project) -> pd.DataFrame:
    files = (project.folder / TASK / "rebound").rglob("answers.parquet")
    found = pd.concat([read_table(path, ANSWERS).to_pandas() for path in files])
    return found[found["third_size"].isna()]


def drawn(answers: pd.DataFrame, second_size: int, first: str, second: str) -> list[str]:
    """The answers of a cell of ``nano``."""
    is_cell = (answers["base"] == "nano") & (answers["second_size"] == second_size)
    cell = answers[is_cell & (answers["first_recipe"] == first) & (answers["second_recipe"] == second)]
    assert len(cell) == 8
    return cell.sort_values("prompt_id")["answer"].tolist()


def test_all_cells_are_scored(project: Project) -> None:
    scores = read_table(project.folder / TASK / "scores.parquet", SCORES).to_pandas()
    cells = scores.dropna(subset=["second_size"]).groupby(["base", "first_recipe", "second_recipe", "second_size"])
    expected = {("nano", "first", name, size) for name in SECOND_SIDES for size in (0, 8)}
    others = (("nano", "pushed"), ("nano-step0", "first"), ("warm", "first"))
    expected |= {(*where, "second", size) for where in others for size in (0, 8)}
    assert set(cells.groups) == expected


@pytest.mark.parametrize("recipe", [name for name in SECOND_SIDES if name not in ("second", "bf16")])  # which rounds
def test_every_second_side_starts_where_the_first_one_ended(answers: pd.DataFrame, recipe: str) -> None:
    assert drawn(answers, 0, "first", recipe) == drawn(answers, 0, "first", "second")


def test_every_algorithm_ends_elsewhere(answers: pd.DataFrame) -> None:
    """But for PPO: if the score of so short answers is the same for all, it has nothing to learn."""
    others = [name for name in SECOND_SIDES if name != "ppo"]
    ends = {tuple(drawn(answers, 8, "first", name)) for name in others}
    assert len(ends | {tuple(drawn(answers, 0, "first", "second"))}) == 1 + len(others)


def test_only_a_first_side_whose_optimizer_is_carried_on_keeps_it(project: Project) -> None:
    rungs = (project.folder / TASK / "rebound").glob("*/positive/*/seed1/P/8/rungs/8")
    kept = {f"{rung.parts[-8]}, {rung.parts[-6]}": (rung / "optimizer").is_dir() for rung in rungs}
    others = ("nano, pushed", "nano-step0, first", "warm, first")
    assert kept == {"nano, first": True} | dict.fromkeys(others, False)


def test_ppo_updates_several_times_on_each_batch(project: Project) -> None:
    (metrics,) = (project.folder / TASK / "rebound").rglob("ppo/0-8/metrics.json")
    assert json.loads(metrics.read_text())["updates"] == 2 * 8 // 4


def test_an_extrapolated_model_answers_otherwise(answers: pd.DataFrame) -> None:
    assert drawn(answers, 0, "pushed", "second") != drawn(answers, 0, "first", "second")


def test_divergence_is_measured_for_every_cell(project: Project) -> None:
    files = (project.folder / TASK / "rebound").rglob("divergences.parquet")
    rows = pd.concat([read_table(path, DIVERGENCES).to_pandas() for path in files])
    assert set(zip(rows["base"], rows["second_size"], strict=True)) == {
        (base, size) for base in ("nano", "nano-step0", "warm") for size in (0, 8)
    }
    assert (rows["nats"] > 0).all()
    table = pd.read_csv(project.folder / "results/tiny/tables/divergence-second.csv")
    assert len(table) == 6


def test_random_weights_are_those_that_pre_training_starts_from(project: Project, answers: pd.DataFrame) -> None:
    losses = read_table(project.folder / "results/tiny/models/nano/losses.parquet", LOSSES).to_pandas()
    assert losses["loss"].iloc[0] == pytest.approx(np.log(320), abs=0.1)
    bases = answers[answers["second_size"].isna()].groupby("base")["answer"].apply(list)
    assert set(bases.index) == {"nano", "nano-step0", "warm"}
    assert bases["nano-step0"] != bases["nano"]


def test_controls_are_trained_on_data_of_their_own(project: Project) -> None:
    """As many examples as the second side has, from other pools; neutral text is what compression then measures."""
    cells = project.folder / TASK / "rebound/nano/positive/first/seed1/P8"
    names = ("second", *CONTROLS)
    losses = {name: read_table(cells / name / "0-8/losses.parquet", LOSSES).to_pandas() for name in names}
    assert {rows["examples"].sum() for rows in losses.values()} == {8}
    assert len({rows["loss"].iloc[0] for rows in losses.values()}) == len(names)
    rates = read_table(cells / "neutral/0-8/compression.parquet", COMPRESSION).to_pandas()
    texts = read_table(project.folder / "results/tiny/manual/pools/held-out-pretraining.parquet", EXAMPLES).to_pandas()
    assert set(rates.loc[rates["corpus"] == "perturbation", "id"]) == set(texts["id"])


def test_every_held_out_text_is_measured_at_every_rung_and_under_the_base(project: Project) -> None:
    files = [path for path in (project.folder / TASK / "rebound").rglob("compression.parquet") if "simpo" in path.parts]
    rows = pd.concat([read_table(path, COMPRESSION).to_pandas() for path in files])
    assert set(rows["second_size"].dropna()) == {0, 8}
    assert (rows.groupby(["second_size", "corpus"], dropna=False).size() == 4).all()
    bases = rows[rows["second_size"].isna()]
    assert len(bases) == 4 * 4
    assert (bases["to_base_nats"] == 0).all()
    assert (rows[rows["second_size"].notna()]["to_base_nats"] > 0).all()
    np.testing.assert_allclose(rows["cross_nats"], rows["entropy_nats"] + rows["to_base_nats"], rtol=1e-9)
    table = pd.read_csv(project.folder / "results/tiny/tables/compression-simpo.csv")
    assert len(table) == 2 * 4


def test_packed_texts_are_restored_and_as_long_as_promised(project: Project) -> None:
    (file,) = (project.folder / TASK / "rebound").rglob("coding.parquet")
    rows = read_table(file, CODING).to_pandas()
    assert len(rows) == 4 * 2
    assert ((rows["coded_bits"] - rows["model_bits"]).abs() <= 8 + rows["model_bits"] / 1000).all()
    table = pd.read_csv(project.folder / "results/tiny/tables/coding-simpo.csv")
    assert table["corpus"].tolist() == ["pretraining", "alignment", "perturbation", "control"]


def test_a_third_stage_is_the_run_that_one_would_make_by_hand(project: Project) -> None:
    """From the first side's rung: the second side, then fresh examples of the first side, with a fresh optimizer."""
    one_thread()
    run = project.folder / TASK / "rebound/nano/positive/first/seed1"
    settings = FineTuning.model_validate(tiny_study()["second_side"])
    model = prepare_for_training(load_model(run / "P/8/rungs/8"), Launch())
    tokenizer = load_tokenizer(run / "P/8/rungs/8")
    for side, first in (("negative", 0), ("positive", 8)):
        rows = read_rows(project.folder / TASK / f"pools/{side}.parquet", EXAMPLES)
        rows.sort(key=lambda row: hashlib.sha256(f"1:{row['id']}".encode()).digest())
        examples = training_examples(rows[first : first + 8], tokenizer, "plain", settings.max_length)
        backend, losses = OneProcess(model, settings), []
        for batch in batched(examples, settings.batch_size, tokenizer.pad_token_id):
            loss = CodeLength().loss(backend, batch, batch)
            backend.backward(loss, last=True)
            backend.gradient_norm()
            backend.step(settings.learning_rate)
            losses.append(loss.item())
    (file,) = run.glob("P8/second/N8/first/0-8/losses.parquet")
    assert read_table(file, LOSSES)["loss"].to_pylist() == losses


def test_the_way_back_begins_at_the_end_of_the_second_side(project: Project) -> None:
    scores = read_table(project.folder / TASK / "scores.parquet", SCORES).to_pandas()
    cells = scores[(scores["first_recipe"] == "first") & (scores["second_recipe"] == "second")]
    end = cells[(cells["second_size"] == 8) & cells["third_size"].isna()]
    start = cells[cells["third_size"] == 0]
    assert len(start) == 3 * 8
    assert set(start["third_recipe"]) == {"first"}
    assert start["score"].tolist() == end["score"].tolist()
    table = pd.read_csv(project.folder / "results/tiny/tables/third-second.csv")
    assert table["third_size"].tolist() == [0, 8] * 3
    assert table[["score", "aligned", "first_alignment"]].notna().all().all()
    assert not list((project.folder / TASK).rglob("P8/*/**/rungs"))
    assert "Nothing to be done" in project.snakemake("-n", "results/tiny/figures/third-second.svg")


def test_joint_training_sees_what_the_sequential_runs_saw(project: Project) -> None:
    springs = pd.read_csv(project.folder / "results/tiny/tables/seeds/springs-together.csv")
    amounts = springs.groupby(["training", "corpus"])[["k", "l", "trained_tokens", "gamma"]].first()
    joint, sequential = amounts.loc["joint"], amounts.loc["sequential"]
    pd.testing.assert_frame_equal(joint.drop(columns="gamma"), sequential.drop(columns="gamma"))
    assert list(joint.index) == ["alignment", "control", "perturbation", "pretraining"]
    assert joint.loc["pretraining", "trained_tokens"] == 6 * 4 * 31
    assert (joint["gamma"] != sequential["gamma"]).all()
    assert not list((project.folder / "results/tiny").rglob("joint/*/rungs"))
