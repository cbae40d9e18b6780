"""Benchmark files hold what a forked job has used."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.benchmark import BenchmarkRecord, BenchmarkTimer, benchmarked

from elasticity.runtime.preloading import Usage
from patches import benchmark

USAGE = Usage(memory_mb=300.0, cpu_s=4.0, read_mb=1.0, written_mb=2.0)


@pytest.mark.parametrize("usage", [USAGE, None], ids=["forked", "plain"])
def test_a_record_holds_what_a_forked_job_has_used(usage: Usage | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, float]] = []

    def usage_of(shell: int, since: float) -> Usage | None:
        asked.append((shell, since))
        return usage

    monkeypatch.setattr(BenchmarkTimer, "cancel", BenchmarkTimer.cancel)  # restored after the test
    benchmark.apply(usage_of)
    record = BenchmarkRecord()
    with benchmarked(os.getpid(), record):
        measured = SimpleNamespace(**vars(record))
    assert [shell for shell, _ in asked] == [os.getpid()]
    record.running_time = 8.0
    row: dict[str, Any] = dict(zip(record.get_header(), record.get_benchmarks(), strict=True))
    if usage:
        assert (row["max_rss"], row["cpu_time"], row["mean_load"]) == (300.0, 4.0, 50.0)
        assert (row["io_in"], row["io_out"], row["max_pss"]) == (1.0, 2.0, None)
    else:
        assert (row["max_rss"], row["max_pss"]) == (measured.max_rss, measured.max_pss)
