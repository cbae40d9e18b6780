"""vLLM itself on a CPU draws from the same distribution as transformers. ``make test-vllm`` runs this.

One engine serves all tests, because loading takes seconds. Other engines have a file of their own: vLLM keeps one model
in a process at a time.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import Sampling
from elasticity.core.errors import UserError
from elasticity.evaluation.generation import TransformersEngine, generate, load_engine
from elasticity.evaluation.vllm_engine import VllmEngine
from elasticity.models.loading import load_for_measuring
from tests.unit.conftest import SENTENCES
from tests.unit.evaluation.test_vllm_engine import StandInSamplingParams

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

PROMPTS = [{"prompt_id": f"p{i}", "prompt": sentence[: 3 * i + 1]} for i, sentence in enumerate(SENTENCES)]

SAMPLINGS = {
    "all tokens": {},
    "temperature": {"temperature": 0.6},
    "top-k": {"top_k": 7},
    "top-p": {"top_p": 0.6},
    "all three": {"temperature": 1.4, "top_k": 40, "top_p": 0.8},
}


@pytest.fixture(scope="module")
def folder(write: Callable[..., Path]) -> Path:
    return write(0.2)


@pytest.fixture(scope="module")
def model(folder: Path) -> PreTrainedModel:
    return load_for_measuring(folder)


@pytest.fixture(scope="module")
def engine(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Iterator[VllmEngine]:
    with load_engine("vllm", folder, tokenizer) as engine:
        assert isinstance(engine, VllmEngine)
        yield engine


def test_log_probabilities_of_drawn_tokens_are_those_of_our_model(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    """The log-probabilities that vLLM reports, before temperature, top-k and top-p, are those of the same tokens."""
    contexts = [tokenizer(row["prompt"])["input_ids"] for row in PROMPTS] * 5
    sampling = Sampling(new_tokens=24, temperature=0.8, top_k=100)
    parameters = [engine._parameters(f"p{i}", sampling) for i in range(len(contexts))]
    for given in parameters:
        given.logprobs = 0
    compared = 0
    for context, output in zip(contexts, engine._generate(contexts, parameters), strict=True):
        drawn = list(output.outputs[0].token_ids)
        reported = [place[token].logprob for token, place in zip(drawn, output.outputs[0].logprobs, strict=True)]
        with torch.inference_mode():
            ours = model(torch.tensor([context + drawn])).logits[0].log_softmax(-1)[len(context) - 1 : -1]
        exact = ours.gather(1, torch.tensor(drawn)[:, None])[:, 0]
        assert torch.tensor(reported) == pytest.approx(exact, abs=1e-4)
        compared += len(drawn)
    assert compared > 500


def exact_probabilities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, context: list[int], sampling: Sampling
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the distribution of the first token: of the likeliest ``top_k``, those that ``top_p`` needs."""
    with torch.no_grad():
        scores = model(torch.tensor([context])).logits[0, -1].double()
    scores[TransformersEngine(model, tokenizer).banned] = -torch.inf
    exact = (scores / sampling.temperature).softmax(0).numpy()
    if sampling.top_k:
        exact = np.where(exact >= np.sort(exact)[-sampling.top_k], exact, 0)
    exact = exact / exact.sum()
    order = np.argsort(-exact)
    exact[order[np.cumsum(exact[order]) - exact[order] >= sampling.top_p]] = 0
    return np.asarray(exact / exact.sum())


@pytest.mark.parametrize("options", SAMPLINGS.values(), ids=SAMPLINGS)
def test_first_tokens_have_the_frequencies_of_the_exact_distribution(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, options: dict[str, Any]
) -> None:
    """Chi-square test of 3,000 draws with fixed seeds; rare tokens are counted together."""
    context, count = tokenizer("The film")["input_ids"], 3000
    sampling = Sampling(new_tokens=1, **options)
    exact = exact_probabilities(model, tokenizer, context, sampling)
    drawn = engine.draw([context] * count, [f"p{i}" for i in range(count)], sampling)
    observed = np.bincount([tokens[0] for tokens in drawn], minlength=len(exact))
    assert not observed[exact == 0].any()
    frequent = exact * count >= 5
    rare = (exact > 0) & ~frequent
    bins = [*observed[frequent], *([observed[rare].sum()] if rare.any() else [])]
    expected = [*exact[frequent], *([exact[rare].sum()] if rare.any() else [])]
    assert len(bins) > 3
    assert chisquare(bins, count * np.array(expected) / sum(expected)).pvalue > 1e-3


def test_greedy_responses_are_those_of_transformers(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    sampling = Sampling(new_tokens=20, top_k=1)
    ours = generate(TransformersEngine(model, tokenizer), tokenizer, PROMPTS, sampling, "plain")
    assert generate(engine, tokenizer, PROMPTS, sampling, "plain") == ours


def test_responses_depend_on_the_seed_and_not_on_the_other_prompts(
    engine: VllmEngine, tokenizer: PreTrainedTokenizerFast
) -> None:
    sampling = Sampling(new_tokens=12)
    responses = generate(engine, tokenizer, PROMPTS, sampling, "plain")
    assert generate(engine, tokenizer, PROMPTS, sampling, "plain") == responses
    assert generate(engine, tokenizer, PROMPTS[::-2], sampling, "plain") == responses[::-2]
    assert generate(engine, tokenizer, PROMPTS, Sampling(new_tokens=12, seed=1), "plain") != responses


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (60, r"cut a response off after \d of 12 tokens.*Lower new_tokens"),
        (70, "a prompt of 70 tokens does not fit into the model's context of 64"),
    ],
)
def test_what_does_not_fit_into_the_context_is_an_error(engine: VllmEngine, prompt: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        engine.draw([[5] * prompt], ["p"], Sampling(new_tokens=12))


def test_sampling_parameters_of_vllm_have_the_names_of_the_stand_in(engine: VllmEngine) -> None:
    given = engine._parameters("p", Sampling(new_tokens=3))
    assert all(hasattr(given, field.name) for field in dataclasses.fields(StandInSamplingParams))
