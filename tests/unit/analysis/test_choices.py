"""The table of the factors that alignment runs chose."""

import json
from pathlib import Path

from elasticity.analysis.jobs import ChoicesJob
from elasticity.analysis.table import read_csv
from elasticity.analysis.tables.choices import make
from elasticity.runtime.command import Command

CHOICES = {
    "16": {"extrapolation": 0.5, "extrapolation_nats": {"0.0": 3.1, "0.5": 3.0, "1.0": 3.2}},
    "8": {
        "extrapolation": 1.0,
        "extrapolation_nats": {"0.0": 3.3, "0.5": 3.2, "1.0": 3.1},
        "strength": 0.25,
        "strength_nats": {"0.25": 1.5, "1.0": 1.75},
    },
    "32": {"extrapolation": 0.5, "extrapolation_nats": {"0.0": 1.0, "0.5": 1.0}},
}


def test_a_row_for_each_candidate_of_the_sizes_of_the_experiment(tmp_path: Path) -> None:
    for seed in (1, 2):
        (tmp_path / f"{seed}.json").write_text(json.dumps({"choices": CHOICES}))
    job = ChoicesJob(runs=(("nano", 1), ("nano", 2)), sizes=(8, 16)).model_dump_json()
    files = [str(tmp_path / f"{seed}.json") for seed in (1, 2)]
    arguments = [job, "--metrics", *files, "--table", str(tmp_path / "table.csv")]
    make(Command(None, ChoicesJob, "metrics", output="table", arguments=arguments))
    table = read_csv(tmp_path / "table.csv")
    assert list(table["seed"]) == [1] * 8 + [2] * 8
    first = table[table["seed"] == 1].drop(columns=["base", "seed"])
    assert [tuple(row) for row in first[first["chosen"]].itertuples(index=False)] == [
        (8, "extrapolation", 1.0, 3.1, True),
        (8, "strength", 0.25, 1.5, True),
        (16, "extrapolation", 0.5, 3.0, True),
    ]
    assert list(first["candidate"]) == [0, 0.5, 1, 0.25, 1, 0, 0.5, 1]
