"""Data in the graph: sources, splits and prompts."""

from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.data.jobs import FetchJob, SplitJob
from elasticity.pipeline.study_pipeline import Pipeline
from tests.unit.pipeline.graph import wildcards

Values = dict[str, Any]

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_prompts_are_counted_by_the_tokenizer_that_the_task_names(values: Values) -> None:
    data = Pipeline(read_study(values)).data
    assert data.prompt_tokenizer(wildcards()) == ["results/tiny/reviews/tokenizers/320"]
    assert data.prompt_tokenizer_file(wildcards()) == ["results/tiny/reviews/tokenizers/320/tokenizer.json"]
    values["tasks"]["reviews"]["prompts"]["tokenizer"] = "given"
    data = Pipeline(read_study(values)).data
    assert data.prompt_tokenizer(wildcards()) == ["results/tiny/models/given/checkpoints/0"]
    assert data.prompt_tokenizer_file(wildcards()) == ["results/tiny/models/given/metrics.json"]


def test_questions_need_no_tokenizer(values: Values) -> None:
    values["tasks"]["reviews"]["source"]["format"] = "pku-saferlhf-pairs"
    values["tasks"]["reviews"]["prompts"] = {"kind": "questions", "max_tokens": 9}
    data = Pipeline(read_study(values)).data
    assert (data.prompt_tokenizer(wildcards()), data.prompt_tokenizer_file(wildcards())) == ([], [])


def test_a_task_depends_on_all_files_that_it_is_made_of(values: Values) -> None:
    texts = {"kind": "file", "path": "b.txt", "format": "passages"}
    both = {"kind": "sides", "positive": texts, "negative": texts | {"path": "a.txt"}}
    values["tasks"]["reviews"]["source"] = both
    values["models"].pop("given")
    values["resistance"]["slices"]["bases"] = ["nano"]
    pipeline = Pipeline(read_study(values))
    assert pipeline.data.source_files(wildcards()) == ["a.txt", "b.txt"]
    Path("b.txt").touch()
    with pytest.raises(UserError, match=r"tasks\.reviews\.source\.negative\.path: a\.txt does not exist"):
        pipeline.check()
    Path("a.txt").touch()
    pipeline.check()


def test_a_task_depends_on_the_files_of_folders_and_patterns(values: Values) -> None:
    for name in ("more/a.csv", "more/deep/b.csv", "c-0.csv", "c-1.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    values["tasks"]["reviews"]["source"] = {"kind": "file", "path": ["more", "c-*.csv"]}
    pipeline = Pipeline(read_study(values))
    assert pipeline.data.source_files(wildcards()) == ["c-0.csv", "c-1.csv", "more/a.csv", "more/deep/b.csv"]


def test_a_source_must_have_the_sides_that_the_splits_take(values: Values) -> None:
    job = FetchJob.model_validate_json(Pipeline(read_study(values)).data.fetch_job(wildcards()))
    assert (job.sides, job.longest_prompt) == (("positive", "negative"), None)
    values["tasks"]["reviews"]["source"]["format"] = "pku-saferlhf-pairs"
    values["tasks"]["reviews"]["prompts"] = {"kind": "questions", "max_tokens": 9}
    job = FetchJob.model_validate_json(Pipeline(read_study(values)).data.fetch_job(wildcards()))
    assert job.longest_prompt == 27


def test_a_task_is_read_by_the_modules_of_its_formats(values: Values) -> None:
    data = Pipeline(read_study(values)).data
    assert FetchJob.model_validate_json(data.fetch_job(wildcards())).source == data.study.tasks["reviews"].source
    assert data.format_modules(wildcards()) == ()
    texts = {"kind": "file", "path": "a.txt", "format": "passages"}
    values["tasks"]["reviews"]["source"] = {"kind": "sides", "positive": texts, "negative": texts | {"path": "b.txt"}}
    assert Pipeline(read_study(values)).data.format_modules(wildcards()) == ("elasticity.data.formats.passages",)


def test_the_job_of_a_split_contains_the_splits_before_it(pipeline: Pipeline) -> None:
    job = SplitJob.model_validate_json(pipeline.data.split_job(wildcards(split="positive")))
    names = [take.split for take in job.takes]
    assert names[-1] == "positive"
    assert "pretraining" not in names
