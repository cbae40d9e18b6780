"""The registry of training algorithms, and an algorithm that is added by one file outside the library."""

import importlib
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.algorithms import ALGORITHMS
from elasticity.config.loading import read_study
from elasticity.config.training import FineTuning, Optimization
from elasticity.core.code_digest import code_digest, used_code
from elasticity.core.digests import SCRIPTS, canonical_json
from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import Example, batched
from elasticity.data.schemas import EXAMPLES
from elasticity.models.loading import save
from elasticity.resources.estimates import passes
from elasticity.training import algorithms
from elasticity.training.backends import OneProcess
from elasticity.training.preference import PreferenceObjective
from elasticity.training.schemas import LOSSES
from tests.conftest import ROOT
from tests.unit.biased import Bias
from tests.unit.conftest import complaint, plain

GUIDE = ROOT / "docs/extending.md"
SETTINGS = {"learning_rate": 0.01, "batch_size": 2, "max_length": 40, "precision": "fp32"}
KINDS = ("dpo", "kto", "ppo", "sft", "simpo")


def section(title: str) -> str:
    """The text of a section of the guide, with its sub-sections."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def code_of_guide() -> list[str]:
    """The Python examples of the section about preference algorithms: the algorithm and its test."""
    return re.findall(r"^```python\n(.*?)^```", section("A preference algorithm"), re.MULTILINE | re.DOTALL)


# The algorithms of the library


def test_every_algorithm_is_registered_under_its_kind() -> None:
    assert ALGORITHMS.names() == KINDS
    for kind in KINDS:
        assert ALGORITHMS[kind].model_validate({"kind": kind}).kind == kind


def test_sft_is_the_default() -> None:
    settings = FineTuning.model_validate(SETTINGS)
    assert settings.model_dump(mode="json")["algorithm"] == {"kind": "sft"}


@pytest.mark.parametrize("kind", KINDS)
def test_settings_survive_json_with_all_options(kind: str) -> None:
    settings = FineTuning.model_validate(SETTINGS | {"algorithm": {"kind": kind}})
    options = json.loads(settings.model_dump_json())["algorithm"]
    assert options == settings.algorithm.model_dump()
    assert set(options) == set(ALGORITHMS[kind].model_fields)
    assert FineTuning.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ({"kind": "dpoo"}, "inverse.algorithm: Input tag 'dpoo' .* expected tags: 'dpo', 'kto', 'ppo', 'sft', 'simpo'"),
        (
            {"kind": "dpo", "betta": 1.0},
            r"inverse.algorithm.betta: unknown key; did you mean 'beta'\? .*: kind, beta\n",
        ),
        ({"kind": "ppo", "clip": 1.0}, r"inverse.algorithm.clip: Input should be less than 1 \(here: 1.0\)"),
        ({"beta": 1.0}, "inverse.algorithm: Unable to extract tag using discriminator 'kind'"),
        ("dpo", 'inverse.algorithm: Input should be an object .here: "dpo"'),
    ],
)
def test_mistakes_name_the_place_and_what_is_allowed(values: dict[str, Any], algorithm: Any, message: str) -> None:
    values["inverse"]["algorithm"] = algorithm
    assert re.search(message, complaint(values))


def test_reading_a_study_does_not_import_torch(values: dict[str, Any]) -> None:
    recipe = values["inverse"] | {"max_length": 64}
    values["recipes"] = {kind: recipe | {"algorithm": {"kind": kind}} for kind in ("dpo", "ppo")}
    code = f"""
import json, sys
from elasticity.config.loading import read_study
study = read_study(json.loads({json.dumps(values)!r}))
assert [type(recipe.algorithm).__name__ for recipe in study.recipes.values()] == ["Dpo", "Ppo"]
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, check=False)
    assert done.returncode == 0


def test_the_code_of_a_job_is_that_of_its_own_algorithm_only() -> None:
    def library(*modules: str) -> set[str]:
        return {file.relative_to(SCRIPTS).as_posix() for file in used_code("finetune.py", *modules)}

    parts = {f"elasticity/training/{name}.py" for name in ("preference", "ppo", "kto")}
    of_script = library()
    assert not of_script & parts
    assert not [file for file in of_script if file.startswith("elasticity/training/algorithms/")]
    of_dpo = library(ALGORITHMS.module("dpo"))
    assert of_dpo & parts == {"elasticity/training/preference.py"}
    of_kinds = [code_digest("finetune.py", ALGORITHMS.module(kind)) for kind in KINDS]
    assert len(set(of_kinds)) == len(KINDS)


# An algorithm outside the library


@pytest.fixture
def ipo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The algorithm of the guide, in a file of its own in a folder that the package of algorithms is extended by."""
    folder = tmp_path / "algorithms"
    folder.mkdir()
    (folder / "ipo.py").write_text(code_of_guide()[0])
    monkeypatch.setattr(algorithms, "__path__", [*algorithms.__path__, str(folder)])
    monkeypatch.setattr(ALGORITHMS, "_entries", dict(ALGORITHMS._entries))
    monkeypatch.setattr(ALGORITHMS, "_modules", dict(ALGORITHMS._modules))
    monkeypatch.setattr(ALGORITHMS, "_loaded", False)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("elasticity.training.algorithms.ipo", None)
    vars(algorithms).pop("ipo", None)


def test_the_guide_adds_an_algorithm_in_less_than_50_lines(ipo: None) -> None:
    assert len(code_of_guide()[0].splitlines()) < 50
    assert ALGORITHMS.names() == tuple(sorted((*KINDS, "ipo")))
    assert ALGORITHMS.module("ipo") == "elasticity.training.algorithms.ipo"


def test_a_study_takes_it_with_its_options(ipo: None, values: dict[str, Any]) -> None:
    values["inverse"]["algorithm"] = {"kind": "ipo", "tau": 0.2}
    settings = read_study(values).inverse
    assert settings.algorithm.model_dump() == {"kind": "ipo", "tau": 0.2}
    assert settings.rows == 2
    assert passes(settings) == (2, 2)
    values["inverse"]["algorithm"] = {"kind": "ipo", "beta": 0.2}
    assert "inverse.algorithm.beta: unknown key; allowed here: kind, tau" in complaint(values)


def test_the_test_of_the_guide_passes(ipo: None) -> None:
    names: dict[str, Any] = {}
    exec(compile(code_of_guide()[1], "the guide", "exec"), names)
    test = names["test_ipo_is_the_squared_distance_from_the_target_margin"]
    (cases,) = [mark.args[1] for mark in test.pytestmark]
    for case in cases:
        test(*case)


def test_its_loss_and_gradient_follow_the_closed_form(ipo: None) -> None:
    """Chosen are two tokens 0, rejected is one token 1; p is the probability of token 0."""
    algorithm: Any = ALGORITHMS["ipo"].model_validate({"kind": "ipo", "tau": 0.5})
    model: Any = Bias(0.0, 0.0)
    backend = OneProcess(model, Optimization(learning_rate=1, batch_size=1, precision="fp32"))
    objective = PreferenceObjective(algorithm)
    (batch,) = batched([Example([0, 0, 0], 1, "chosen"), Example([0, 1], 1, "rejected")], 2, 0)
    objective.measure_start(backend, 0, batch, 2)
    model.bias.data[0] = 0.7
    (part,) = objective.parts(backend, 0, batch, 2)
    loss = objective.loss(backend, part, batch)
    loss.backward()
    logs, start = torch.tensor([0.7, 0.0]).log_softmax(0), torch.tensor([0.0, 0.0]).log_softmax(0)
    distance = (2 * (logs[0] - start[0]) - (logs[1] - start[1]) - 1).item()
    p = logs[0].exp().item()
    assert loss.item() == pytest.approx(distance**2, rel=1e-5)
    assert model.bias.grad[0].item() == pytest.approx(2 * distance * (2 * (1 - p) + p), rel=1e-5)


def test_finetune_trains_with_it(
    ipo: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    sentences: list[str],
) -> None:
    """The script as a rule starts it: at the first update all log-ratios are 0, so the loss is (1 / 2 tau)²."""
    save(fresh_model(), tokenizer, tmp_path / "start/8", 0.0)
    tokenizer.save_pretrained(tmp_path / "start/8")
    sides = {"chosen": plain(sentences[:4]), "rejected": plain(sentences[4:])}
    for name, rows in sides.items():
        write_table(tmp_path / f"{name}.parquet", [row | {"id": f"{name} {row['id']}"} for row in rows], EXAMPLES)
    settings = SETTINGS | {"learning_rate": 1e-3, "batch_size": 4, "epochs": 6}
    job: dict[str, Any] = {"start": "8", "settings": settings | {"algorithm": {"kind": "ipo", "tau": 0.25}}}
    job |= {"sizes": [0, 4], "seed": 1, "template": "plain"}
    files = {"start": ["start"], "examples": ["chosen.parquet", "rejected.parquet"], "checkpoints": ["checkpoints"]}
    files |= {"losses": ["losses.parquet"], "metrics": ["metrics.json"], "state": ["state"]}
    options = [text for name, paths in files.items() for text in (f"--{name}", *(str(tmp_path / p) for p in paths))]
    monkeypatch.setattr(sys, "argv", ["finetune.py", canonical_json(job), *options])
    runpy.run_path(str(SCRIPTS / "finetune.py"), run_name="__main__")
    losses = [row["loss"] for row in read_rows(tmp_path / "losses.parquet", LOSSES)]
    assert losses[0] == pytest.approx(4)
    assert losses[-1] < 3.5
    before, after = (load_file(tmp_path / f"checkpoints/{size}/model.safetensors") for size in (0, 4))
    assert any(not torch.equal(before[name], after[name]) for name in before)
