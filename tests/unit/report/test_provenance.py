import hashlib
import importlib.metadata
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.report.provenance import PACKAGES, provenance


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside any repository, where the code is taken to lie."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr("elasticity.report.provenance.SCRIPTS", tmp_path)
    return tmp_path


def test_a_record_names_files_seeds_and_versions(values: dict[str, Any], tmp_path: Path) -> None:
    texts, result = tmp_path / "texts.parquet", tmp_path / "table.csv"
    texts.write_bytes(b"texts")
    result.write_bytes(b"result")
    record = provenance(read_study(values), [texts], [result])
    assert record["data"] == {str(texts): hashlib.sha256(b"texts").hexdigest()}
    assert record["results"] == {str(result): hashlib.sha256(b"result").hexdigest()}
    assert (record["study"], record["seeds"]) == ("tiny", [1, 2])
    assert record["packages"] == {name: importlib.metadata.version(name) for name in PACKAGES}
    assert record["hardware"]["cores"] == os.cpu_count()


def test_a_record_holds_the_templates_with_their_options(values: dict[str, Any]) -> None:
    assert provenance(read_study(values), [], [])["templates"] == {"reviews": "plain"}
    values["tasks"]["reviews"]["template"] = "chat"
    (found,) = provenance(read_study(values), [], [])["templates"].values()
    assert (found["date"], found["thinking"], found["system"]) == ("2026-01-01", False, None)


def test_the_same_results_have_the_same_record(values: dict[str, Any]) -> None:
    study = read_study(values)
    assert provenance(study, [], []) == provenance(study, [], [])


def test_another_study_has_another_digest(values: dict[str, Any]) -> None:
    before = provenance(read_study(values), [], [])["study_digest"]
    values["inverse"]["learning_rate"] = 2e-3
    assert provenance(read_study(values), [], [])["study_digest"] != before


def test_the_commit_is_that_of_the_code_and_changes_are_recorded(values: dict[str, Any], elsewhere: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=elsewhere, check=True, capture_output=True, text=True).stdout.strip()

    (elsewhere / "code.py").touch()
    git("init")
    git("add", "code.py")
    git("commit", "-m", "First")
    study = read_study(values)
    assert provenance(study, [], [])["git"] == {"commit": git("rev-parse", "HEAD"), "changed": False}
    (elsewhere / "code.py").write_text("changed = True\n")
    assert provenance(study, [], [])["git"]["changed"] is True


def test_there_is_no_commit_outside_a_repository(values: dict[str, Any], elsewhere: Path) -> None:
    assert provenance(read_study(values), [], [])["git"] == {"commit": None, "changed": None}
