"""The command line of the library."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from elasticity.__main__ import main
from elasticity.config.loading import read_study
from tests.conftest import ROOT, reviews, tiny_study
from tests.unit.families import FAMILIES

COMMANDS = ["new", "plan", "decide", "status", "show-example", "compare", "track", "name"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study file whose name has a space, in a folder that holds results."""
    path = tmp_path / "my study.yaml"
    path.write_text(yaml.safe_dump(tiny_study(), sort_keys=False))
    return path


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    main([str(word) for word in words])
    return capsys.readouterr().out


def refused(*words: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert isinstance(ended.value.code, str)  # printed on standard error, with exit status 1
    return ended.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: elasticity {command} " in " ".join(capsys.readouterr().out.split())


def test_every_command_is_listed_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = " ".join(capsys.readouterr().out.split())
    assert all(f" {command} " in listed for command in COMMANDS)
    assert "MODEL is a repository" not in listed


def test_new_writes_a_study_beside_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FAMILIES["pythia"].save(tmp_path / "given")
    (tmp_path / "here.jsonl").write_text("".join(json.dumps(row) + "\n" for row in reviews(300)))
    (tmp_path / "project").mkdir()
    words = ("new", "mine", "--model", "given", "--data", "here.jsonl", "--directory", tmp_path / "project")
    text = printed(capsys, *words)
    file = tmp_path / "project/studies/mine.yaml"
    assert "Wrote studies/mine.yaml" in text
    os.chdir(tmp_path)
    assert printed(capsys, "plan", file, "--directory", tmp_path / "project").startswith("study mine: ")
    os.chdir(tmp_path)
    assert "studies/mine.yaml exists and is not overwritten" in refused(*words)


def test_plan_of_a_file_and_of_json(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from_file = printed(capsys, "plan", study, "--directory", tmp_path)
    assert from_file.startswith("study tiny: 2 seeds, 1 models, ")
    assert printed(capsys, "plan", "--json", read_study(tiny_study()).model_dump_json()) == from_file


def test_status(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "status", study.name, "--directory", tmp_path)
    assert text.startswith("study tiny, results in results/tiny\n")


def test_the_name_of_a_study_with_a_byte_order_mark(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.write_text("\ufeff" + study.read_text(), encoding="utf-8")
    assert printed(capsys, "name", study.name, "--directory", tmp_path) == "tiny\n"


def test_a_path_is_taken_from_here_or_else_from_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "name", "config.yaml") == "default\n"
    assert printed(capsys, "name", ROOT / "studies/laptop.yaml") == "laptop\n"


def test_messages_of_a_wrong_study(study: Path, tmp_path: Path) -> None:
    study.write_text("nam: x\n")
    message = refused("plan", study.name, "--directory", tmp_path)
    assert message.startswith("error: my study.yaml cannot be run:\n")
    assert "did you mean 'name'?" in message
    assert "name: is missing" in refused("plan", "--json", json.dumps({"seeds": [1]}))
    assert refused("plan", "--json", "{").startswith("error: --json: not valid JSON: ")
    assert "no.yaml does not exist" in refused("status", "no.yaml")
    assert "--directory nowhere is not a folder" in refused("status", study, "--directory", "nowhere")
    assert "no task 'films'; it has: reviews" in refused("show-example", "config.yaml", "films", "small").replace(
        "manual, ", ""
    )
    assert refused("compare", "no.json", "--to", "compared").startswith("error: card no.json: ")


def test_the_module_runs_and_ends_with_status_1(study: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, "-m", "elasticity"]
    done = subprocess.run(
        [*command, "plan", "no.yaml"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: study file no.yaml does not exist")
