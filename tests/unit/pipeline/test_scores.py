"""Score models in the graph: job specs, files and resource requests."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.core.path_patterns import unfold
from elasticity.pipeline.common import options
from elasticity.pipeline.requests.resource_requests import ResourceRequests
from elasticity.pipeline.study_pipeline import Pipeline
from tests.unit.pipeline.requests.test_resource_requests import H100, asked

Values = dict[str, Any]
WILDCARDS = SimpleNamespace(task="reviews")
COST = {"kind": "cost-model", "repo": "org/score_model", "revision": "0123abcd"}
LABEL = {"kind": "text-classifier", "path": "score_model"}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def with_score_model(values: Values, score_model: Values | None, **hardware: Any) -> Values:
    values["tasks"]["reviews"]["score_model"] = score_model
    if score_model is None:
        values["rebound"] = {}
    return values | {"hardware": hardware}


def test_a_snippet_classifier_is_trained_in_the_workflow(values: Values) -> None:
    pipeline = Pipeline(read_study(with_score_model(values, {"kind": "snippet-classifier"})))
    assert (pipeline.scores.trained, pipeline.scores.given) == (["reviews"], {})
    assert pipeline.scores.files(WILDCARDS) == ["results/tiny/reviews/score-model/features.parquet"]
    assert json.loads(pipeline.scores.train_job(WILDCARDS))["kind"] == "snippet-classifier"


def test_a_task_needs_no_score_model(values: Values) -> None:
    pipeline = Pipeline(read_study(with_score_model(values, None)))
    assert (pipeline.scores.trained, pipeline.scores.given) == ([], {})
    assert not pipeline.scores.is_scored("reviews")


def test_a_score_model_of_the_hub_is_downloaded(values: Values) -> None:
    pipeline = Pipeline(read_study(with_score_model(values, COST)))
    assert pipeline.scores.files(WILDCARDS) == ["results/tiny/reviews/score-model/source/fetched.json"]
    assert json.loads(pipeline.scores.download_job(WILDCARDS)) == {"repo": "org/score_model", "revision": "0123abcd"}
    assert pipeline.scores.texts(WILDCARDS) == ["results/tiny/reviews/splits/score-model.parquet"]
    values["tasks"]["reviews"]["splits"]["score_model"] = 0
    assert Pipeline(read_study(values)).scores.texts(WILDCARDS) == []


def test_a_score_model_in_a_folder_is_used_where_it_lies(values: Values) -> None:
    Path("reviews.jsonl").touch()
    pipeline = Pipeline(read_study(with_score_model(values, LABEL)))
    with pytest.raises(UserError, match=r"tasks\.reviews\.score_model\.path: score_model is not a model folder"):
        pipeline.check()
    Path("score_model").mkdir()
    for name in ("config.json", "model.safetensors", "merges.txt", "README.md", "pytorch_model.bin"):
        Path("score_model", name).touch()
    pipeline.scores.check()
    assert pipeline.scores.files(WILDCARDS) == [
        "score_model/config.json",
        "score_model/merges.txt",
        "score_model/model.safetensors",
    ]


def test_responses_are_patterns_on_the_command_line(values: Values) -> None:
    pipeline = Pipeline(read_study(with_score_model(values, LABEL)))
    responses = pipeline.realignment.responses(WILDCARDS)
    option, *patterns = shlex.split(options(folded=["responses"])(WILDCARDS, {"responses": responses}, {}))
    assert option == "--responses"
    assert len(patterns) < len(responses)
    assert sorted(unfold(patterns)) == sorted(map(Path, responses))


# Resource requests


def test_a_snippet_classifier_requests_no_gpu(values: Values) -> None:
    requests = ResourceRequests(read_study(with_score_model(values, {"kind": "snippet-classifier"}, **H100)))
    wanted = asked(requests.scoring, WILDCARDS)
    assert (wanted["threads"], wanted["processes"], wanted["gpu"], wanted["device"]) == (1, 1, None, "cpu")
    assert wanted["mem_mb"] == 4_000


def test_a_cost_model_requests_more_gpus_for_more_responses(values: Values) -> None:
    few = asked(ResourceRequests(read_study(with_score_model(values, COST, **H100))).scoring, WILDCARDS)
    assert (few["threads"], few["processes"], few["gpu"], few["device"]) == (4, 1, 1, "cuda")
    assert few["mem_mb"] == pytest.approx(4_000 + 26_440, abs=100)
    values["tasks"]["reviews"]["splits"]["prompts"] = 1_000_000
    many = asked(ResourceRequests(read_study(with_score_model(values, COST, **H100))).scoring, WILDCARDS)
    assert (many["threads"], many["processes"], many["gpu"]) == (32, 8, 8)
    assert many["runtime"] > few["runtime"]
    again = asked(ResourceRequests(read_study(with_score_model(values, COST, **H100))).scoring, WILDCARDS, attempt=2)
    assert again["mem_mb"] > many["mem_mb"]
    assert again["runtime"] == 2 * many["runtime"]


def test_a_score_model_runs_without_gpus(values: Values) -> None:
    wanted = asked(ResourceRequests(read_study(with_score_model(values, LABEL))).validate_score_model, WILDCARDS)
    assert (wanted["threads"], wanted["processes"], wanted["gpu"], wanted["device"]) == (1, 1, None, "cpu")


def test_a_score_model_that_does_not_fit_is_an_error(values: Values) -> None:
    study = read_study(with_score_model(values, COST, **H100 | {"gpu_memory_gb": 24}))
    study = study.model_copy(update={"models": {}, "rebound": {}, "resistance": {}})
    with pytest.raises(UserError, match=r"tasks\.reviews\.score_model: .* take 26 GB, but a GPU has 24"):
        ResourceRequests(study).check()
