"""What the jobs around score models are told, and what they ask for."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from elasticity.pipeline.materials import check_given_files

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.core.path_patterns import unfold
from elasticity.pipeline.resource_requests import ResourceRequests
from elasticity.pipeline.study_pipeline import Pipeline
from tests.unit.pipeline.test_resource_requests import H100, asked

Values = dict[str, Any]
WILDCARDS = SimpleNamespace(task="reviews")
COST = {"kind": "cost-model", "repo": "org/score_model", "revision": "0123abcd"}
LABEL = {"kind": "text-classifier", "path": "score_model"}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def planned(values: Values, score_model: Values | None, **hardware: Any) -> Values:
    values["tasks"]["reviews"]["score_model"] = score_model
    if score_model is None:
        values["rebound"] = {}
    return values | {"hardware": hardware}


def test_a_linear_score_model_is_trained_here(values: Values) -> None:
    pipeline = Pipeline(read_study(planned(values, {"kind": "snippet-classifier"})))
    assert (pipeline.scores.trained, pipeline.scores.given) == (["reviews"], {})
    assert pipeline.scores.files(WILDCARDS) == ["results/tiny/reviews/score-model/features.parquet"]


def test_a_task_needs_no_score_model(values: Values) -> None:
    pipeline = Pipeline(read_study(planned(values, None)))
    assert (pipeline.scores.trained, pipeline.scores.given) == ([], {})


def test_a_judge_of_the_hub_is_fetched(values: Values) -> None:
    pipeline = Pipeline(read_study(planned(values, COST)))
    assert pipeline.scores.files(WILDCARDS) == ["results/tiny/reviews/score-model/source/fetched.json"]
    assert json.loads(pipeline.scores.download_job(WILDCARDS)) == {"repo": "org/score_model", "revision": "0123abcd"}
    assert pipeline.scores.texts(WILDCARDS) == ["results/tiny/reviews/splits/score-model.parquet"]
    values["tasks"]["reviews"]["splits"]["score_model"] = 0
    assert Pipeline(read_study(values)).scores.texts(WILDCARDS) == []


def test_a_judge_in_a_folder_is_used_where_it_lies(values: Values) -> None:
    Path("reviews.jsonl").touch()
    pipeline = Pipeline(read_study(planned(values, LABEL)))
    with pytest.raises(UserError, match=r"tasks\.reviews\.score_model\.path: score_model is not a model folder"):
        check_given_files(pipeline)
    Path("score_model").mkdir()
    for name in ("config.json", "model.safetensors", "merges.txt", "README.md", "pytorch_model.bin"):
        Path("score_model", name).touch()
    assert pipeline.scores.files(WILDCARDS) == [
        "score_model/config.json",
        "score_model/merges.txt",
        "score_model/model.safetensors",
    ]


def test_the_responses_of_a_job_are_patterns(values: Values) -> None:
    pipeline = Pipeline(read_study(planned(values, LABEL)))
    given = SimpleNamespace(responses=pipeline.rebound.responses(WILDCARDS))
    patterns = pipeline.folded("responses")(WILDCARDS, given)
    assert len(patterns) < len(given.responses)
    assert sorted(unfold(patterns)) == sorted(map(Path, given.responses))


# What they ask for


def test_a_linear_score_model_asks_for_no_gpu(values: Values) -> None:
    requests = ResourceRequests(read_study(planned(values, {"kind": "snippet-classifier"}, **H100)))
    wanted = asked(requests.scoring, WILDCARDS)
    assert (wanted["threads"], wanted["processes"], wanted["gpu"], wanted["device"]) == (1, 1, None, "cpu")
    assert wanted["mem_mb"] == 4_000


def test_a_cost_model_takes_more_gpus_for_more_responses(values: Values) -> None:
    few = asked(ResourceRequests(read_study(planned(values, COST, **H100))).scoring, WILDCARDS)
    assert (few["threads"], few["processes"], few["gpu"], few["device"]) == (4, 1, 1, "cuda")
    assert few["mem_mb"] == pytest.approx(4_000 + 26_440, abs=100)
    values["tasks"]["reviews"]["splits"]["prompts"] = 1_000_000
    many = asked(ResourceRequests(read_study(planned(values, COST, **H100))).scoring, WILDCARDS)
    assert (many["threads"], many["processes"], many["gpu"]) == (32, 8, 8)
    assert many["runtime"] > few["runtime"]
    again = asked(ResourceRequests(read_study(planned(values, COST, **H100))).scoring, WILDCARDS, attempt=2)
    assert again["mem_mb"] > many["mem_mb"]
    assert again["runtime"] == 2 * many["runtime"]


def test_a_judge_runs_without_gpus(values: Values) -> None:
    wanted = asked(ResourceRequests(read_study(planned(values, LABEL))).trying, WILDCARDS)
    assert (wanted["threads"], wanted["processes"], wanted["gpu"], wanted["device"]) == (1, 1, None, "cpu")


def test_a_judge_that_does_not_fit_is_an_error(values: Values) -> None:
    study = read_study(planned(values, COST, **H100 | {"gpu_memory_gb": 24}))
    study = study.model_copy(update={"models": {}, "rebound": {}, "resistance": {}})
    with pytest.raises(UserError, match=r"tasks\.reviews\.score_model: .* take 26 GB, but a GPU has 24"):
        ResourceRequests(study).check()
