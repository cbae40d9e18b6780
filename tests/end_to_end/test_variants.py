"""Every training algorithm and variant of a study runs through the same graph."""

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
from elasticity.evaluation.schemas import ARITHMETIC_CODING, COMPRESSION, DIVERGENCES, RESPONSES, SCORES
from elasticity.models.loading import load_model, one_thread, prepare_for_training
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.launch import Launch
from elasticity.training.backends import OneProcess
from elasticity.training.objectives import CodeLength
from elasticity.training.schemas import LOSSES
from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow

ALGORITHMS = ("dpo", "kto", "simpo", "ppo")
CONTROLS: dict[str, dict[str, str]] = {
    "neutral": {"task": "manual", "side": "neutral"},
    "continued": {"side": "same"},
    "elsewhere": {"task": "products", "side": "opposite"},
}
INVERSE_RECIPES = ("inverse", *ALGORITHMS, "lora", "carried", "bf16", *CONTROLS)
TASK = Path("results/tiny/made-up")


def variants(folder: Path) -> dict[str, Any]:
    """Return a study with an experiment for each recipe of the inverse stage, on one alignment stage.

    Further base models are random weights and a tuned model; one experiment extrapolates the alignment stage. The data
    of the controls are written to the folder.
    """
    study = tiny_study() | {"seeds": [1], "claims": {}}
    del study["resistance"]
    tuning = study["alignment"]
    fast = tuning | {"learning_rate": 0.03}  # large enough that two updates change the responses
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
    study["tasks"]["manual"] = {"source": texts, "splits": {"sides": ["neutral"], "held_out": 4, "neutral": 8}}
    ratings = {"kind": "archive", "path": "parts/ratings.tar.gz/data/ratings.txt", "format": "vader"}
    ratings |= write_archive(folder / "products.zip")
    study["tasks"]["products"] = {"source": ratings, "splits": {"positive": 8, "negative": 8}}
    study["models"]["nano"]["checkpoints"] = [0, 3]
    cells = {"task": "made-up", "bases": ["nano"], "alignment_sizes": [8], "inverse_sizes": [0, 8]}
    study["rebound"] = {name: cells | {"inverse_recipe": name} for name in INVERSE_RECIPES}
    bases = ["nano", "nano-step0", "warm"]
    study["rebound"]["inverse"] |= {"divergence": True, "bases": bases, "realignment_sizes": [0, 8]}
    study["rebound"]["neutral"] |= {"compression": True}
    study["rebound"]["simpo"] |= {"compression": True}
    study["compression"] = {"window": 16, "stride": 8, "characters": 80, "control": "corpus", "coded": 2}
    study["tasks"]["corpus"] = {"source": study["tasks"]["made-up"]["source"], "splits": {"held_out": 4}}
    study["rebound"]["together"] = cells | {"compression": True, "joint": True}
    study["rebound"]["pushed"] = cells | {"alignment_recipe": "pushed"}
    return study


def write_archive(path: Path) -> dict[str, str]:
    """Write a zip that contains a tar file of rated sentences; return the keys of its source."""
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
    names = ("realignment-inverse", "divergence-inverse", "compression-simpo", "arithmetic-coding-simpo")
    names += ("springs-together", "compression-neutral")
    figures = [f"results/tiny/figures/{name}.svg" for name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELASTICITY_CACHE", str(project.folder / "cache"))
        project.snakemake(str(TASK / "scores.parquet"), *figures)
    return project


@pytest.fixture(scope="module")
def responses(project: Project) -> pd.DataFrame:
    files = (project.folder / TASK / "rebound").rglob("responses.parquet")
    found = pd.concat([read_table(path, RESPONSES).to_pandas() for path in files])
    return found[found["realignment_size"].isna()]


def generated(responses: pd.DataFrame, inverse_size: int, alignment: str, inverse: str) -> list[str]:
    """Return the responses of a cell of ``nano``."""
    is_cell = (responses["base"] == "nano") & (responses["inverse_size"] == inverse_size)
    is_cell &= (responses["alignment_recipe"] == alignment) & (responses["inverse_recipe"] == inverse)
    cell = responses[is_cell]
    assert len(cell) == 8
    return cell.sort_values("prompt_id")["response"].tolist()


def test_all_cells_are_scored(project: Project) -> None:
    scores = read_table(project.folder / TASK / "scores.parquet", SCORES).to_pandas()
    columns = ["base", "alignment_recipe", "inverse_recipe", "inverse_size"]
    cells = scores.dropna(subset=["inverse_size"]).groupby(columns)
    expected = {("nano", "alignment", name, size) for name in INVERSE_RECIPES for size in (0, 8)}
    others = (("nano", "pushed"), ("nano-step0", "alignment"), ("warm", "alignment"))
    expected |= {(*where, "inverse", size) for where in others for size in (0, 8)}
    assert set(cells.groups) == expected


EXACT_RECIPES = [name for name in INVERSE_RECIPES if name not in ("inverse", "bf16")]
"""Recipes other than ``inverse`` that do not round the weights they start from."""


@pytest.mark.parametrize("recipe", EXACT_RECIPES)
def test_every_inverse_stage_starts_at_the_end_of_the_alignment_stage(responses: pd.DataFrame, recipe: str) -> None:
    assert generated(responses, 0, "alignment", recipe) == generated(responses, 0, "alignment", "inverse")


def test_every_recipe_ends_with_other_responses(responses: pd.DataFrame) -> None:
    """PPO is left out: if all of these short responses have the same score, it does not change the model."""
    others = [name for name in INVERSE_RECIPES if name != "ppo"]
    ends = {tuple(generated(responses, 8, "alignment", name)) for name in others}
    assert len(ends | {tuple(generated(responses, 0, "alignment", "inverse"))}) == 1 + len(others)


def test_only_an_alignment_stage_whose_optimizer_is_carried_on_keeps_it(project: Project) -> None:
    checkpoints = (project.folder / TASK / "rebound").glob("*/positive/*/seed1/P/8/checkpoints/8")
    kept = {
        f"{checkpoint.parts[-8]}, {checkpoint.parts[-6]}": (checkpoint / "optimizer").is_dir()
        for checkpoint in checkpoints
    }
    others = ("nano, pushed", "nano-step0, alignment", "warm, alignment")
    assert kept == {"nano, alignment": True} | dict.fromkeys(others, False)


def test_ppo_updates_several_times_on_each_batch(project: Project) -> None:
    (metrics,) = (project.folder / TASK / "rebound").rglob("ppo/0-8/metrics.json")
    assert json.loads(metrics.read_text())["updates"] == 2 * 8 // 4


def test_an_extrapolated_model_generates_other_responses(responses: pd.DataFrame) -> None:
    assert generated(responses, 0, "pushed", "inverse") != generated(responses, 0, "alignment", "inverse")


def test_divergence_is_measured_for_every_cell(project: Project) -> None:
    """Only the experiment ``inverse`` asks for it; the tables of the others are empty."""
    found = (project.folder / TASK / "rebound").rglob("divergences.parquet")
    files = [path for path in found if path.parent.parent.name == "inverse" and "alignment" in path.parts]
    assert len(files) > 1
    rows = pd.concat([read_table(path, DIVERGENCES).to_pandas() for path in files])
    assert set(zip(rows["base"], rows["inverse_size"], strict=True)) == {
        (base, size) for base in ("nano", "nano-step0", "warm") for size in (0, 8)
    }
    assert (rows["nats"] > 0).all()
    table = pd.read_csv(project.folder / "results/tiny/tables/divergence-inverse.csv")
    assert len(table) == 6


def test_step_0_is_the_random_weights_that_pre_training_starts_from(project: Project, responses: pd.DataFrame) -> None:
    losses = read_table(project.folder / "results/tiny/models/nano/losses.parquet", LOSSES).to_pandas()
    assert losses["loss"].iloc[0] == pytest.approx(np.log(320), abs=0.1)
    bases = responses[responses["inverse_size"].isna()].groupby("base")["response"].apply(list)
    assert set(bases.index) == {"nano", "nano-step0", "warm"}
    assert bases["nano-step0"] != bases["nano"]


def test_controls_are_trained_on_their_own_data(project: Project) -> None:
    """Controls take N examples from other splits; after neutral data, the perturbation corpus is neutral text."""
    cells = project.folder / TASK / "rebound/nano/positive/alignment/seed1/P8"
    names = ("inverse", *CONTROLS)
    losses = {name: read_table(cells / name / "0-8/losses.parquet", LOSSES).to_pandas() for name in names}
    assert {rows["examples"].sum() for rows in losses.values()} == {8}
    assert len({rows["loss"].iloc[0] for rows in losses.values()}) == len(names)
    rates = read_table(cells / "neutral/0-8/compression.parquet", COMPRESSION).to_pandas()
    texts = read_table(project.folder / "results/tiny/manual/splits/held-out-pretraining.parquet", EXAMPLES).to_pandas()
    assert set(rates.loc[rates["corpus"] == "perturbation", "id"]) == set(texts["id"])


def test_every_held_out_text_is_measured_at_every_checkpoint_and_under_the_base(project: Project) -> None:
    files = [path for path in (project.folder / TASK / "rebound").rglob("compression.parquet") if "simpo" in path.parts]
    rows = pd.concat([read_table(path, COMPRESSION).to_pandas() for path in files])
    assert set(rows["inverse_size"].dropna()) == {0, 8}
    assert (rows.groupby(["inverse_size", "corpus"], dropna=False).size() == 4).all()
    bases = rows[rows["inverse_size"].isna()]
    assert len(bases) == 4 * 4
    assert (bases["to_base_nats"] == 0).all()
    assert (rows[rows["inverse_size"].notna()]["to_base_nats"] > 0).all()
    np.testing.assert_allclose(rows["cross_nats"], rows["entropy_nats"] + rows["to_base_nats"], rtol=1e-9)
    table = pd.read_csv(project.folder / "results/tiny/tables/compression-simpo.csv")
    assert len(table) == 2 * 4


def test_coded_texts_are_restored_and_as_long_as_the_code_length_of_the_model(project: Project) -> None:
    (file,) = (project.folder / TASK / "rebound").rglob("arithmetic-coding.parquet")
    rows = read_table(file, ARITHMETIC_CODING).to_pandas()
    assert len(rows) == 4 * 2
    assert ((rows["coded_bits"] - rows["model_bits"]).abs() <= 8 + rows["model_bits"] / 1000).all()
    table = pd.read_csv(project.folder / "results/tiny/tables/arithmetic-coding-simpo.csv")
    assert table["corpus"].tolist() == ["pretraining", "alignment", "perturbation", "control"]


def test_a_realignment_stage_equals_training_the_three_stages_by_hand(project: Project) -> None:
    """From the checkpoint of the alignment stage: the inverse stage, then unseen examples of the alignment side."""
    one_thread()
    run = project.folder / TASK / "rebound/nano/positive/alignment/seed1"
    settings = FineTuning.model_validate(tiny_study()["inverse"])
    model = prepare_for_training(load_model(run / "P/8/checkpoints/8"), Launch())
    tokenizer = load_tokenizer(run / "P/8/checkpoints/8")
    for side, first in (("negative", 0), ("positive", 8)):
        rows = read_rows(project.folder / TASK / f"splits/{side}.parquet", EXAMPLES)
        rows.sort(key=lambda row: hashlib.sha256(f"1:{row['id']}".encode()).digest())
        examples = training_examples(rows[first : first + 8], tokenizer, "plain", settings.max_length)
        backend, losses = OneProcess(model, settings), []
        for batch in batched(examples, settings.batch_size, tokenizer.pad_token_id):
            loss = CodeLength().loss(backend, batch, batch)
            backend.backward(loss, last=True)
            backend.gradient_norm()
            backend.step(settings.learning_rate)
            losses.append(loss.item())
    (file,) = run.glob("P8/inverse/N8/alignment/0-8/losses.parquet")
    assert read_table(file, LOSSES)["loss"].to_pylist() == losses


def test_the_realignment_stage_begins_at_the_end_of_the_inverse_stage(project: Project) -> None:
    scores = read_table(project.folder / TASK / "scores.parquet", SCORES).to_pandas()
    cells = scores[(scores["alignment_recipe"] == "alignment") & (scores["inverse_recipe"] == "inverse")]
    end = cells[(cells["inverse_size"] == 8) & cells["realignment_size"].isna()]
    start = cells[cells["realignment_size"] == 0]
    assert len(start) == 3 * 8
    assert set(start["realignment_recipe"]) == {"alignment"}
    assert start["score"].tolist() == end["score"].tolist()
    table = pd.read_csv(project.folder / "results/tiny/tables/realignment-inverse.csv")
    assert table["realignment_size"].tolist() == [0, 8] * 3
    assert table[["score", "aligned", "first_alignment"]].notna().all().all()
    assert not list((project.folder / TASK).rglob("P8/*/**/checkpoints"))
    assert "Nothing to be done" in project.snakemake("-n", "results/tiny/figures/realignment-inverse.svg")


def test_joint_training_sees_what_the_sequential_runs_saw(project: Project) -> None:
    springs = pd.read_csv(project.folder / "results/tiny/tables/seeds/springs-together.csv")
    amounts = springs.groupby(["training", "corpus"])[["k", "l", "trained_tokens", "gamma"]].first()
    joint, sequential = amounts.loc["joint"], amounts.loc["sequential"]
    pd.testing.assert_frame_equal(joint.drop(columns="gamma"), sequential.drop(columns="gamma"))
    assert list(joint.index) == ["alignment", "control", "perturbation", "pretraining"]
    assert joint.loc["pretraining", "trained_tokens"] == 6 * 4 * 31
    assert (joint["gamma"] != sequential["gamma"]).all()
    assert not list((project.folder / "results/tiny").rglob("joint/*/checkpoints"))
