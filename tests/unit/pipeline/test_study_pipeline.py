"""The graph of a whole study: its targets, and the check before it runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.pipeline.study_pipeline import Pipeline

Values = dict[str, Any]

SHAPE = {"layers": 1, "hidden_size": 16, "intermediate_size": 32, "heads": 2, "vocabulary": 320}
SHAPE |= {"key_value_heads": 2, "head_size": 8}

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_the_targets_are_the_tables_and_figures_of_all_experiments(pipeline: Pipeline) -> None:
    assert sorted(pipeline.targets) == [
        f"results/tiny/{file}"
        for file in (
            "figures/measures-existence.svg",
            "figures/measures-pretraining.svg",
            "figures/measures-slices.svg",
            "figures/rebound-existence.svg",
            "figures/rebound-pretraining.svg",
            "figures/resistance-slices/given.svg",
            "figures/resistance-slices/nano.svg",
            "tables/bits-per-byte-reviews.csv",
            "tables/measures-existence.csv",
            "tables/measures-pretraining.csv",
            "tables/measures-slices.csv",
            "tables/noise.csv",
            "tables/rebound-existence.csv",
            "tables/rebound-pretraining.csv",
            "tables/resistance-slices.csv",
        )
    ]


def test_nothing_is_generated_or_scored_without_a_score_model(unscored: Values) -> None:
    pipeline = Pipeline(read_study(unscored))
    scored = [target for target in pipeline.targets if re.search("/(rebound|divergence)-", target)]
    assert (scored, pipeline.scores.is_scored("reviews")) == ([], False)
    assert len(pipeline.rebound.cells) == 6
    assert pipeline.data.prompt_tokenizer_file(type("Wildcards", (), {"task": "reviews"})) == []


def write_files() -> None:
    """Create the files that the study names."""
    Path("reviews.jsonl").touch()
    folder = Path("models/given")
    folder.mkdir(parents=True)
    llama = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    (folder / "config.json").write_text(json.dumps(llama | {"vocab_size": 320, "tie_word_embeddings": False}))
    (folder / "tokenizer.json").touch()


def test_a_study_whose_files_exist_and_whose_models_fit_passes_the_check(values: Values) -> None:
    write_files()
    Pipeline(read_study(values)).check()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("reviews.jsonl", r"tasks\.reviews\.source\.path: reviews\.jsonl does not exist \(seen from /"),
        ("models/given/config.json", r"models\.given\.path: models/given is not a model folder: .* no config\.json"),
        ("models/given/tokenizer.json", r"models\.given\.path: models/given is not a model folder: .* tokenizer\.json"),
    ],
)
def test_a_missing_file_is_an_error(values: Values, missing: str, message: str) -> None:
    write_files()
    Path(missing).unlink()
    with pytest.raises(UserError, match=message):
        Pipeline(read_study(values)).check()


def test_a_missing_gguf_file_is_an_error(values: Values) -> None:
    write_files()
    values["models"]["given"] = {"kind": "gguf", "path": "model.gguf", "shape": SHAPE}
    with pytest.raises(UserError, match=r"models\.given\.path: model\.gguf does not exist \(seen from /"):
        Pipeline(read_study(values)).check()


def test_a_missing_score_model_is_an_error(values: Values) -> None:
    write_files()
    values["tasks"]["reviews"]["score_model"] = {"kind": "text-classifier", "path": "score_model"}
    with pytest.raises(UserError, match=r"tasks\.reviews\.score_model\.path: score_model is not a model folder"):
        Pipeline(read_study(values)).check()


def test_a_model_that_does_not_fit_is_an_error(values: Values) -> None:
    write_files()
    values["hardware"] = {"device": "cuda", "gpus_per_node": 1, "gpu_memory_gb": 1e-6}
    with pytest.raises(UserError, match=r"model nano .* does not fit"):
        Pipeline(read_study(values)).check()


def test_an_experiment_without_published_numbers_is_an_error(values: Values) -> None:
    write_files()
    values["resistance"]["slices"]["published"] = "truthful"
    with pytest.raises(UserError, match=r"resistance\.slices\.published: the paper has no numbers of "):
        Pipeline(read_study(values)).check()
