"""Patches apply only to the versions of Snakemake and its plugins that they were tested with."""

import logging
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import snakemake.common
import snakemake_executor_plugin_slurm
import snakemake_executor_plugin_slurm_jobstep

import patches
from patches import scheduler, slurm, terminal


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings that were logged."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def install(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(package: str) -> str:
        if package not in versions:
            raise PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(patches, "version", version)


@pytest.mark.parametrize("version", ["9.27", "9.27.0", "9.27.12"])
def test_a_tested_version_is_accepted_without_a_warning(
    version: str, monkeypatch: pytest.MonkeyPatch, warnings: Callable[[], list[str]]
) -> None:
    install(monkeypatch, {"snakemake": version})
    assert patches.is_tested("scheduler", "snakemake", "9.27", "speed")
    assert warnings() == []


@pytest.mark.parametrize("version", ["9.26.9", "9.28.0", "9.270.1", "10.0.0", None])
def test_another_version_is_refused_with_one_line(
    version: str | None, monkeypatch: pytest.MonkeyPatch, warnings: Callable[[], list[str]]
) -> None:
    install(monkeypatch, {"snakemake": version} if version else {})
    assert not patches.is_tested("scheduler", "snakemake", "9.27", "speed")
    (line,) = warnings()
    assert line == f"patches/scheduler.py is skipped: snakemake is {version or 'none'}, tested with 9.27. Lost: speed."


def attributes(*modules: ModuleType | type) -> list[Any]:
    return [dict(vars(module)) for module in modules]


def test_skipped_patches_change_nothing(monkeypatch: pytest.MonkeyPatch, warnings: Callable[[], list[str]]) -> None:
    plugin, step = snakemake_executor_plugin_slurm, snakemake_executor_plugin_slurm_jobstep
    changed = (snakemake.common, plugin, plugin.validation, plugin.Executor, step.Executor, scheduler.JobScheduler)
    before = attributes(*changed)
    install(monkeypatch, {"snakemake-executor-plugin-slurm": "3.0.0", "snakemake": "10.0.0"})
    scheduler.apply()
    slurm.apply()
    assert attributes(*changed) == before
    lines = warnings()
    assert [line.split(": ")[1].split(" is ")[0] for line in lines] == [
        "snakemake",
        "snakemake-executor-plugin-slurm",
        "snakemake-executor-plugin-slurm-jobstep",
    ]
    assert all("Lost: " in line and "\n" not in line for line in lines)


def test_another_log_handler_is_left_alone(monkeypatch: pytest.MonkeyPatch, warnings: Callable[[], list[str]]) -> None:
    install(monkeypatch, {})
    terminal.apply(SimpleNamespace(logger_manager=SimpleNamespace(plugin_handlers=[object()])))
    assert warnings() == []
