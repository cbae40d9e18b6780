"""Brace patterns stand for the paths that they were made of, and keep command lines short."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from elasticity.core.path_patterns import fold, unfold
from elasticity.core.tables import read_rows, write_table
from elasticity.evaluation.schemas import FEATURES, RESPONSES, SCORES
from elasticity.evaluation.snippet_classifier import train_classifier
from tests.conftest import ROOT
from tests.unit.evaluation.test_snippet_classifier import SETTINGS, reviews

LONGEST_ARGUMENT = 131_072
"""Bytes, in Linux. The shell receives the whole command of a rule as one argument."""

NAMES = st.sampled_from(["a", "b", "0-4", "seed1", "x.y"])
FILES = st.builds(lambda folders, name: "/".join([*folders, f"{name}.parquet"]), st.lists(NAMES, max_size=4), NAMES)


@given(st.sets(FILES, max_size=30))
def test_patterns_stand_for_exactly_the_folded_paths(paths: set[str]) -> None:
    assert unfold(fold(paths)) == [Path(path) for path in sorted(paths)]


def test_a_grid_is_one_pattern() -> None:
    paths = [f"r/{base}/seed{seed}/P{size}/0-8/a" for base in ("l", "q") for seed in (1, 2) for size in (8, 9)]
    assert fold(paths) == ["r/{l,q}/{seed1,seed2}/{P8,P9}/0-8/a"]
    assert fold([*paths, "r/l/a"]) == ["r/l/a", "r/l/{seed1,seed2}/{P8,P9}/0-8/a", "r/q/{seed1,seed2}/{P8,P9}/0-8/a"]


def grid(folder: str, seeds: int) -> list[str]:
    """The files of responses of a study with 25 base models and 10 sizes P."""
    return [
        f"{folder}/rebound/m{base}/positive/seed{seed}/P{size}/0-100-200-500-1000-2000/responses.parquet"
        for base in range(25)
        for seed in range(seeds)
        for size in range(1000, 11000, 1000)
    ]


def test_thousands_of_paths_fit_into_one_argument() -> None:
    paths = grid("results/paper/reviews", seeds=20)
    assert len(paths) == 5_000
    assert sum(map(len, paths)) > 3 * LONGEST_ARGUMENT
    assert len(" ".join(fold(paths))) < 400
    assert unfold(fold(paths)) == [Path(path) for path in sorted(paths)]


def test_a_job_can_score_more_files_than_one_argument_can_list(tmp_path: Path) -> None:
    paths = grid(f"{tmp_path}/{'long' * 50}/{'long' * 50}", seeds=1)
    assert sum(map(len, paths)) > LONGEST_ARGUMENT
    write_table(tmp_path / "features.parquet", train_classifier(reviews(200), SETTINGS)[0], FEATURES)
    cell = {"base": "m0", "alignment_side": "positive", "seed": 0, "alignment_size": 0, "inverse_size": 0}
    text = {"prompt_id": "p", "prompt": "", "response": "lovely", "prompt_tokens": [], "response_tokens": []}
    write_table(tmp_path / "one.parquet", [cell | text | {"stop_token": 1}], RESPONSES)
    for path in map(Path, paths):
        path.parent.mkdir(parents=True)
        path.hardlink_to(tmp_path / "one.parquet")
    job = json.dumps({"score_model": SETTINGS.model_dump(mode="json")})
    files = (
        f"--score-model {tmp_path}/features.parquet --responses {shlex.join(fold(paths))} --scores {tmp_path}/scores"
    )
    command = f"{sys.executable} {ROOT}/workflow/scripts/score.py {shlex.quote(job)} {files}"
    subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    (score,) = {row["score"] for row in read_rows(tmp_path / "scores", SCORES)}
    assert score > 0.6
