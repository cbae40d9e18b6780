"""The account of every row of a source, and the memory that reading takes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elasticity.config.base import Side
from elasticity.config.data import DataFile, Fields
from elasticity.core.errors import UserError
from elasticity.core.tables import read_any_rows
from elasticity.data.fetching import fetch
from elasticity.data.jobs import FetchJob
from elasticity.data.schemas import EXAMPLES
from elasticity.pipeline.common import to_json
from tests.conftest import ROOT

ROWS: list[dict[str, Any]] = [
    {"q": "Why?", "a": "So.", "label": 1},
    {"q": "Why?", "a": "so", "label": True},
    {"q": "Why?", "a": "No.", "label": "0"},
    {"q": "Who?", "a": "Me.", "label": 1.0},
    {"q": "Who?", "a": "me!", "label": 0},
    {"q": "Where, and in which of the two houses?", "a": "Here.", "label": 1},
    {"q": None, "a": "Here.", "label": 1},
    {"q": "When?", "a": " ", "label": 0},
    {"q": "When?", "a": "Now.", "label": "Pos "},
    {"q": "When?", "a": "Then.", "label": None},
    {"q": "How?", "a": "Thus.", "label": 2},
    {"q": "How?", "a": "Well.", "label": 2},
]


def job(path: Path, *sides: Side, rows: list[dict[str, Any]] = ROWS, **options: Any) -> FetchJob:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = Fields(prompt="q", response="a")
    return FetchJob(source=DataFile(kind="file", path=str(path), fields=fields), sides=sides, **options)


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    account = fetch(job(tmp_path / "r.jsonl", "positive", "negative", longest_prompt=20), tmp_path / "e.parquet")
    assert account == {
        "rows": 12,
        "passed_over": {"label 2": 2, "q is null": 1, "label 'Pos '": 1, "label null": 1},
        "read": 7,
        "empty": 1,
        "duplicates": 1,
        "on_both_sides": 2,
        "kept": 3,
        "of_sides": {"positive": 2, "negative": 1},
        "too_long": 1,
    }
    assert account["rows"] == sum(account["passed_over"].values()) + account["read"]
    assert account["read"] == sum(account[name] for name in ("empty", "duplicates", "on_both_sides", "kept"))
    assert len(read_any_rows(tmp_path / "e.parquet", EXAMPLES)) == 3


def test_a_side_without_examples_is_an_error_with_all_counts(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row["a"] != "No."]
    with pytest.raises(
        UserError, match=r"no negative example of the source is left \(rows: 11, passed_over label 2: 2.*"
    ):
        fetch(job(tmp_path / "r.jsonl", "positive", "negative", rows=rows), tmp_path / "e.parquet")
    fetch(job(tmp_path / "r.jsonl", "positive", rows=rows), tmp_path / "e.parquet")


def test_labels_with_very_many_values_are_counted_together(tmp_path: Path) -> None:
    rows = [*ROWS, *({"q": "?", "a": "!", "label": f"rating {i}"} for i in range(500))]
    account = fetch(job(tmp_path / "r.jsonl", "positive", rows=rows), tmp_path / "e.parquet")
    assert account["passed_over"]["other reasons"] == 500 - 96
    assert len(account["passed_over"]) == 101


@pytest.mark.parametrize("kind", [".jsonl", ".json", ".csv", ".parquet"])
def test_memory_does_not_grow_with_the_size_of_the_data(tmp_path: Path, kind: str) -> None:
    """Texts of 60 KB: ten times as many of them take 50 MB more on disk, and far less in memory."""

    def peak(number: int) -> int:
        path = tmp_path / f"r{number}{kind}"
        texts = [f"{i} " + "abcdefghi " * 6000 for i in range(number)]
        if kind == ".parquet":
            with pq.ParquetWriter(path, pa.schema([("text", pa.string())]), compression="none") as writer:
                for text in texts:
                    writer.write_table(pa.table({"text": [text]}))
        elif kind == ".csv":
            path.write_text("text\n" + "\n".join(texts))
        else:
            rows = [json.dumps({"text": text}) for text in texts]
            path.write_text("\n".join(rows) if kind == ".jsonl" else f"[{','.join(rows)}]")
        source = DataFile(kind="file", path=str(path), fields=Fields(label=None))
        code = (
            "import resource, sys; from elasticity.config.data import DataFile; from elasticity.data.sources import "
            "examples; source = DataFile.model_validate_json(sys.argv[1]); print(sum(1 for _ in examples(source)), "
            "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        command = [sys.executable, "-c", code, to_json(source)]
        environment = {"PYTHONPATH": str(ROOT / "workflow/scripts"), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found, megabytes = map(int, done.stdout.split())
        assert found == number
        return megabytes

    assert peak(1000) - peak(100) < 25
