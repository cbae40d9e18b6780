"""Make targets that need no run of Snakemake, and the launcher that ``make setup`` writes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Project, tiny_study

NAME = "my study's.yaml"
"""A study file whose name a shell would split and quote."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in a folder whose name has a space, and that looks installed: its Python is the one that runs this."""
    folder = tmp_path / "a project"
    folder.mkdir()
    made = Project.new(folder)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / NAME).write_text("\ufeff" + yaml.safe_dump(tiny_study() | {"name": "mine"}), encoding="utf-8")
    programs = {"python": f'"{sys.executable}"', "snakemake": f'"{sys.executable}" -m snakemake'}
    (folder / ".venv/bin").mkdir(parents=True)
    for name, command in programs.items():
        (folder / ".venv/bin" / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / ".venv/bin" / name).chmod(0o755)
    (folder / ".venv/installed").touch()
    return made


def make(project: Project, *words: str, ok: bool = True) -> "subprocess.CompletedProcess[str]":
    command = ["make", "--no-print-directory", *words]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done


def test_a_study_may_have_any_file_name(project: Project) -> None:
    assert make(project, "plan", f"STUDY={NAME}").stdout.startswith("study mine: 2 seeds, ")
    assert make(project, "status", f"STUDY={NAME}").stdout.startswith("study mine, results in results/mine\n")
    shown = make(project, "--dry-run", "run", f"STUDY={NAME}").stdout
    assert "--configfile 'my study'\\''s.yaml' " in shown


def test_messages_of_a_wrong_study_are_shown(project: Project) -> None:
    (project.folder / "config.yaml").write_text("name: 'two words'\n")
    for target in ("plan", "run", "status", "clean"):
        assert "error: config.yaml cannot be run:\n" in make(project, target, ok=False).stderr
    assert "error: study file no.yaml does not exist" in make(project, "plan", "STUDY=no.yaml", ok=False).stderr


def test_clean_deletes_the_results_of_one_study(project: Project) -> None:
    for name in ("mine", "tiny"):
        (project.folder / "results" / name).mkdir(parents=True)
    make(project, "clean", f"STUDY={NAME}")
    assert [path.name for path in (project.folder / "results").iterdir()] == ["tiny"]


def test_the_launcher_works_from_any_folder(project: Project, tmp_path: Path) -> None:
    make(project, "setup")
    launcher = project.folder / ".venv/bin/elasticity"
    for words, printed in ((["name", "config.yaml"], "tiny\n"), (["name", str(project.folder / NAME)], "mine\n")):
        done = subprocess.run([launcher, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout == printed
