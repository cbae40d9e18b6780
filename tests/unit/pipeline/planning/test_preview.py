"""The training example that ``shown_example`` prints."""

from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.data.schemas import EXAMPLES
from elasticity.pipeline.planning.preview import shown_example
from tests.unit.families import FAMILIES

STUDY = Path("study.yaml")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def row() -> dict[str, str]:
    return {"id": "7", "side": "positive", "prompt": "How?", "response": "Like that.", "source": "x"}


def test_an_example_is_shown_before_any_model_is_trained(values: dict[str, Any]) -> None:
    FAMILIES["qwen"].save(Path("models/given"))
    values["tasks"]["reviews"]["template"] = "chat"
    values["alignment"]["max_length"] = 64
    write_table(Path("results/tiny/reviews/examples.parquet"), [row()], EXAMPLES)
    shown = shown_example(read_study(values), STUDY, "reviews", "given")
    context, targets = shown.splitlines()[-2:]
    assert context.endswith(r"'<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\n'")
    assert targets.endswith("'Like that.<|im_end|>'")
    marked = [line.split(maxsplit=3)[-1] for line in shown.splitlines() if " * " in line]
    assert "".join(mark.strip("'") for mark in marked) == "Like that.<|im_end|>"


def test_all_answers_are_marked_if_all_have_a_loss(values: dict[str, Any]) -> None:
    FAMILIES["qwen"].save(Path("models/given"))
    values["tasks"]["reviews"] |= {"template": "conversation", "answers": "all"}
    values["alignment"]["max_length"] = 128
    asked = "Human: How?\n\nAssistant: So.\n\nHuman: Why?\n\nAssistant:"
    write_table(Path("results/tiny/reviews/examples.parquet"), [row() | {"prompt": asked}], EXAMPLES)
    shown = shown_example(read_study(values), STUDY, "reviews", "given")
    assert shown.splitlines()[-1] == "with a loss:    'So.<|endoftext|>Like that.<|endoftext|>'"
    marked = [line.split(maxsplit=3)[-1] for line in shown.splitlines() if " * " in line]
    assert "".join(mark.strip("'") for mark in marked) == "So.<|endoftext|>Like that.<|endoftext|>"


def test_the_example_is_one_that_runs_train_on_and_is_truncated_in_the_same_way(values: dict[str, Any]) -> None:
    FAMILIES["qwen"].save(Path("models/given"))
    values["tasks"]["reviews"]["source"]["format"] = "pku-saferlhf-pairs"
    values["tasks"]["reviews"]["prompts"] = {"kind": "questions", "max_tokens": 9}
    values["resistance"]["slices"]["slices"]["max_length"] = 18
    too_long = row() | {"id": "6", "prompt": "How? " * 9}
    long = row() | {"response": "Like that. " * 9}
    write_table(Path("results/tiny/reviews/examples.parquet"), [too_long, long], EXAMPLES)
    shown = shown_example(read_study(values), STUDY, "reviews", "given")
    assert "example 7 takes 18 tokens of at most 18" in shown


def test_missing_names_and_files_are_reported(values: dict[str, Any]) -> None:
    study = read_study(values)
    with pytest.raises(UserError, match="has no task 'other'; it has: reviews"):
        shown_example(study, STUDY, "other", "given")
    with pytest.raises(UserError, match="has no model 'other'; it has: given, nano, nano-step3"):
        shown_example(study, STUDY, "reviews", "other")
    with pytest.raises(UserError, match=r"Run: snakemake --configfile study.yaml --cores 1 results/tiny/reviews/ex"):
        shown_example(study, STUDY, "reviews", "given")
    write_table(Path("results/tiny/reviews/examples.parquet"), [row()], EXAMPLES)
    with pytest.raises(UserError, match=r"tokenizers/320/tokenizer.json does not exist yet. Run: snakemake"):
        shown_example(study, STUDY, "reviews", "nano-step3")
