"""Saved states: which are listed, which are removed, and which are not."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from elasticity.core.digests import STATE_NOTE
from elasticity.pipeline.running.states import find_states, tidy
from elasticity.training.checkpoint import StateFolder

DAY_S = 86_400
RESULTS = Path("results/x")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def state(name: str, output: str, age_days: float = 0) -> Path:
    """Make a state as a training job does, written this long before the time 1e9."""
    folder = RESULTS / "state" / name
    StateFolder(folder).describe(Path(output))
    (folder / "update-00000007").mkdir()
    (folder / "update-00000007/weights").write_bytes(bytes(1_000_000))
    changed = 1e9 - age_days * DAY_S
    for path in (*folder.iterdir(), folder):
        os.utime(path, (changed, changed))
    return folder


def left() -> set[str]:
    return {path.name for path in (RESULTS / "state").iterdir()}


def test_a_state_that_the_next_run_takes_up_is_listed_and_kept() -> None:
    folder = state("a", "results/x/run/checkpoints", age_days=2)
    text = tidy(RESULTS, remove=True, older_days=None, now=1e9)
    assert f"{folder}: 1.0 MB, 2 d 0 h old: the next run of its job goes on from it" in text
    assert "of results/x/run/checkpoints" in text
    assert text.endswith("removed 0 of 1 states, 0.0 MB")
    assert left() == {"a"}


def test_states_that_no_run_takes_up_are_listed_first_and_then_removed() -> None:
    state("new", "results/x/run/checkpoints")
    state("old", "results/x/run/checkpoints", age_days=1)
    state("other", "results/x/other/checkpoints", age_days=1)
    (state("unknown", "x") / STATE_NOTE).unlink()
    (RESULTS / "state/removed-c").mkdir()
    text = tidy(RESULTS, remove=False, older_days=None, now=1e9)
    assert "old: a newer state of the same run is there" in text
    assert "5 states; --remove would remove 3 of them, 2.0 MB" in text
    assert len(left()) == 5
    tidy(RESULTS, remove=True, older_days=None, now=1e9)
    assert left() == {"new", "other"}


def test_old_states_are_removed_on_request() -> None:
    state("a", "results/x/a/checkpoints", age_days=8)
    state("b", "results/x/b/checkpoints", age_days=6)
    tidy(RESULTS, remove=True, older_days=7, now=1e9)
    assert left() == {"b"}


def test_the_state_of_a_running_job_is_never_removed(begin: Callable[[Path], subprocess.Popen[str]]) -> None:
    output = Path("results/x/run/checkpoints")
    state("a", str(output), age_days=99)
    begin(output)
    assert "old: in use" in tidy(RESULTS, remove=True, older_days=1, now=1e9)
    assert left() == {"a"}


def test_a_study_without_states_has_none() -> None:
    assert find_states(RESULTS) == []
    assert tidy(RESULTS, remove=True, older_days=None) == "removed 0 of 0 states, 0.0 MB"


def test_the_note_names_the_output() -> None:
    folder = state("a", "results/x/run/checkpoints")
    assert json.loads((folder / STATE_NOTE).read_text()) == {"output": "results/x/run/checkpoints"}
