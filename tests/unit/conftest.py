"""Small real objects for tests: a tokenizer, a Llama with one layer, and a study."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.loading import read_study
from elasticity.config.models import Pretrained
from elasticity.config.training import Optimization
from elasticity.core.errors import UserError
from elasticity.models.loading import new_model, one_thread
from elasticity.models.tokenizer import train_tokenizer
from tests.conftest import ROOT

settings.register_profile("unit", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("unit")

HELD = """
import sys
from pathlib import Path
from elasticity.runtime.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.open()
journal.advance("train", 120, 400, "updates", 2.0)
print("open", flush=True)
input()
"""

SENTENCES = [
    "The film opens on a quiet harbour and never leaves it.",
    "I wanted to like the second half, but the story stops there.",
    "A warm, funny picture with a cast that is clearly enjoying itself.",
    "Nothing in the plot makes sense; the ending least of all.",
    "The music was lovely, the camera calm, the children a delight.",
    "My sister fell asleep, and I envied her for two hours.",
    "Naïve, très lent — and yet 日本 looks wonderful in it.",
    "It is the kind of comedy that you forget on the way home.",
]

SHAPE = Pretrained(
    kind="pretrain",
    task="reviews",
    vocabulary=320,
    hidden_size=16,
    layers=1,
    heads=2,
    context=64,
    updates=1,
    optimization=Optimization(learning_rate=1e-3, batch_size=2),
)


def plain(sentences: Sequence[str]) -> list[dict[str, str]]:
    """Return examples without a prompt."""
    same = {"side": "positive", "prompt": "", "source": ""}
    return [same | {"id": str(i), "response": sentence} for i, sentence in enumerate(sentences)]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    one_thread()


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    return SENTENCES


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(SENTENCES, SHAPE.vocabulary)


@pytest.fixture(scope="session")
def fresh_model(tokenizer: PreTrainedTokenizerFast) -> Callable[[], PreTrainedModel]:
    """Return a function that makes the same random model at every call."""
    return lambda: new_model(SHAPE, tokenizer)


@pytest.fixture
def model(fresh_model: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """A model with an untied output layer, under which some tokens are much more likely than others."""
    model = fresh_model()
    model.lm_head.weight = torch.nn.Parameter(torch.randn(320, 16, generator=torch.Generator().manual_seed(0)))
    return model


@pytest.fixture
def uniform_model(fresh_model: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """A model under which all tokens are equally likely."""
    model = fresh_model()
    model.get_output_embeddings().weight.data.zero_()
    return model


def complaint(values: dict[str, Any]) -> str:
    """Return the error message about a study that cannot be run."""
    with pytest.raises(UserError) as error:
        read_study(values, "study.yaml")
    return str(error.value)


@pytest.fixture
def values() -> dict[str, Any]:
    """The values of a study as read from YAML."""

    def tuning() -> dict[str, Any]:
        return {"learning_rate": 1e-3, "batch_size": 4, "max_length": 16}

    return {
        "name": "tiny",
        "seeds": [1, 2],
        "tasks": {
            "reviews": {
                "source": {"kind": "file", "path": "reviews.jsonl"},
                "splits": {
                    "prompts": 6,
                    "held_out": 4,
                    "score_model": 8,
                    "resistance": 8,
                    "positive": 40,
                    "negative": 32,
                    "pretraining": 20,
                },
                "prompts": {"kind": "beginnings", "tokenizer": "nano"},
                "score_model": {"kind": "snippet-classifier"},
            }
        },
        "models": {
            "nano": {
                "kind": "pretrain",
                "task": "reviews",
                "vocabulary": 320,
                "hidden_size": 16,
                "layers": 1,
                "heads": 2,
                "context": 32,
                "updates": 6,
                "checkpoints": [3],
                "optimization": {"learning_rate": 1e-3, "batch_size": 4},
            },
            "given": {"kind": "folder", "path": "models/given"},
        },
        "alignment": tuning(),
        "inverse": tuning(),
        "sampling": {"new_tokens": 8},
        "rebound": {
            "existence": {"task": "reviews", "bases": ["nano"], "alignment_sizes": [8, 16], "inverse_sizes": [0, 4, 8]},
            "pretraining": {
                "task": "reviews",
                "bases": ["nano-step3", "nano"],
                "alignment_sizes": [16],
                "inverse_sizes": [0, 8, 12],
            },
        },
        "resistance": {
            "slices": {
                "task": "reviews",
                "bases": ["nano", "given"],
                "slices": tuning(),
                "tuning": tuning() | {"learning_rate": 2e-3, "max_length": 24},
                "twin_sampling": {"new_tokens": 8, "temperature": 0.1},
                "question_sampling": {"new_tokens": 4},
            }
        },
    }


@pytest.fixture
def unscored(values: dict[str, Any]) -> dict[str, Any]:
    """The study without a score model: its rebound experiments measure compression rates and generate no responses."""
    task = values["tasks"]["reviews"]
    del task["score_model"], task["prompts"], values["resistance"]
    task["splits"] |= {"prompts": 0, "score_model": 0, "resistance": 0}
    values["compression"] = {"window": 32, "stride": 16}
    for rebound in values["rebound"].values():
        rebound["compression"] = True
    return values


@pytest.fixture
def begin() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Return a function that starts a job in another process, which stays at update 120 of 400."""
    started = []

    def begin(output: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HELD, str(output)],
            env={"PYTHONPATH": str(ROOT / "workflow/scripts"), "SLURM_JOB_ID": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
