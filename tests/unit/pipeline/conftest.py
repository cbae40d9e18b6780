"""Fixtures of the tests of the graph."""

from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.pipeline.study_pipeline import Pipeline


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to an empty folder, where no run is finished and no file of the study exists."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pipeline(values: dict[str, Any], empty_folder: None) -> Pipeline:
    """The graph of the unit tests' study, none of whose jobs has run."""
    return Pipeline(read_study(values))
