import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import Sampling
from elasticity.core.errors import UserError
from elasticity.evaluation.generation import InverseCdf, TransformersEngine, load_engine
from elasticity.evaluation.generation import generate as generate_with
from elasticity.models.loading import probe_nats, save
from elasticity.models.tokenizer import decode, train_tokenizer

PROMPTS = [
    {"prompt_id": f"p{i}", "prompt": prompt}
    for i, prompt in enumerate(["The film", "I", "A warm, funny picture with", "My sister fell", "It is", "Très"])
]
MANY = [{"prompt_id": f"q{i}", "prompt": "The film"} for i in range(200)]

Rows = list[dict[str, Any]]


def drawn(responses: Rows) -> list[list[int]]:
    return [row["response_tokens"] for row in responses]


def inverse_cdf(probabilities: np.ndarray[Any, Any], uniform: float) -> int:
    return int(np.searchsorted(np.cumsum(probabilities) / probabilities.sum(), uniform, side="right"))


def likely(logits: np.ndarray[Any, Any], sampling: Sampling) -> np.ndarray[Any, Any]:
    """Apply temperature, then keep the k most likely tokens, then the fewest with total probability p."""
    order = np.argsort(-logits)
    probabilities = np.exp((logits - logits.max()) / sampling.temperature)
    if sampling.top_k:
        probabilities[order[sampling.top_k :]] = 0
    probabilities /= probabilities.sum()
    before = np.cumsum(probabilities[order]) - probabilities[order]
    probabilities[order[before >= sampling.top_p]] = 0
    return probabilities / probabilities.sum()


def by_hand(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, row: dict[str, Any], sampling: Sampling
) -> tuple[list[int], bool]:
    """Draw for one prompt alone, with a full forward pass for every token."""
    context = [tokenizer.bos_token_id, *tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]]
    uniforms = InverseCdf([row["prompt_id"]], 0, sampling).uniforms[0].tolist()
    tokens: list[int] = []
    for uniform in uniforms:
        with torch.inference_mode():
            logits = model(torch.tensor([context + tokens])).logits[0, -1].double().numpy()
        logits[[tokenizer.bos_token_id, tokenizer.pad_token_id]] = -np.inf
        token = inverse_cdf(likely(logits, sampling), uniform)
        if token == tokenizer.eos_token_id:
            return tokens, True
        tokens.append(token)
    return tokens, False


def response(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompts: Rows, sampling: Sampling) -> Rows:
    return generate_with(TransformersEngine(model, tokenizer), tokenizer, prompts, sampling, "plain")


# The draw


@given(st.lists(st.floats(-20, 20) | st.just(-np.inf), min_size=2, max_size=12), st.integers(0, 10**6))
def test_a_draw_inverts_the_cumulative_distribution(logits: list[float], seed: int) -> None:
    logits[-1] = 0.0  # one token at least can be drawn
    draw = InverseCdf(["p"], width=3, sampling=Sampling(new_tokens=4, seed=seed))
    for step in range(4):
        scores = draw(torch.zeros(1, 3 + step), torch.tensor([logits]))
        probabilities = torch.tensor(logits).double().softmax(0).numpy()
        expected = inverse_cdf(probabilities, float(draw.uniforms[0, step]))
        assert scores.argmax().item() == expected
        assert logits[expected] > -np.inf
        assert torch.isinf(scores).sum() == len(logits) - 1


def test_draws_follow_the_distribution() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, -torch.inf]).double()
    draw = InverseCdf([f"p{i}" for i in range(5000)], width=1, sampling=Sampling(new_tokens=1))
    tokens = draw(torch.zeros(5000, 1), logits.expand(5000, -1)).argmax(1)
    counts = np.bincount(tokens.numpy(), minlength=5)
    assert counts[4] == 0
    assert stats.chisquare(counts[:4], 5000 * logits.softmax(0)[:4].numpy()).pvalue > 0.001


def test_an_impossible_first_token_is_not_drawn_at_zero() -> None:
    draw = InverseCdf(["p"], width=1, sampling=Sampling(new_tokens=1))
    draw.uniforms.zero_()
    assert draw(torch.zeros(1, 1), torch.tensor([[-torch.inf, 0.0, 0.0]])).argmax().item() == 1


def test_each_seed_prompt_and_step_has_its_own_random_number() -> None:
    numbers = [InverseCdf(["p", "q"], 1, Sampling(new_tokens=50, seed=seed)).uniforms for seed in (0, 1)]
    assert torch.stack(numbers).unique().numel() == 200


def test_a_longer_response_begins_with_the_same_random_numbers() -> None:
    short, long = (InverseCdf(["p"], 1, Sampling(new_tokens=steps)).uniforms for steps in (5, 9))
    assert torch.equal(short, long[:, :5])


# Responses


@pytest.mark.parametrize(
    "options",
    [{}, {"top_k": 5}, {"top_p": 0.7}, {"temperature": 2.0, "top_k": 40, "top_p": 0.8}],
    ids=["pure", "top-k", "top-p", "all"],
)
def test_responses_are_those_drawn_by_hand(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, options: dict[str, Any]
) -> None:
    sampling = Sampling(new_tokens=8, seed=5, **options)
    responses = response(model, tokenizer, PROMPTS, sampling)
    assert [(row["response_tokens"], row["finished"]) for row in responses] == [
        by_hand(model, tokenizer, row, sampling) for row in PROMPTS
    ]


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}], ids=str)
def test_extreme_settings_leave_the_most_likely_token(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, options: dict[str, Any]
) -> None:
    responses = [response(model, tokenizer, PROMPTS, Sampling(new_tokens=6, seed=seed, **options)) for seed in (0, 1)]
    assert drawn(responses[0]) == drawn(responses[1])
    greedy = Sampling(new_tokens=6, top_k=1)
    assert drawn(responses[0]) == [by_hand(model, tokenizer, row, greedy)[0] for row in PROMPTS]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_responses_do_not_depend_on_the_batch_size(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, batch_size: int
) -> None:
    together = response(model, tokenizer, PROMPTS, Sampling(new_tokens=12))
    assert response(model, tokenizer, PROMPTS, Sampling(new_tokens=12, batch_size=batch_size)) == together


def test_responses_do_not_depend_on_the_other_prompts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    responses = response(model, tokenizer, PROMPTS, Sampling(new_tokens=12))
    assert response(model, tokenizer, PROMPTS[::-2], Sampling(new_tokens=12)) == responses[::-2]


def test_the_seed_determines_the_responses(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    first, again, other = (response(model, tokenizer, PROMPTS, Sampling(new_tokens=12, seed=s)) for s in (3, 3, 4))
    assert first == again
    assert drawn(first) != drawn(other)


def test_a_response_is_finished_if_the_eos_token_was_drawn(
    uniform_model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    sampling = Sampling(new_tokens=30)
    responses = response(uniform_model, tokenizer, MANY, sampling)
    assert {row["finished"] for row in responses} == {True, False}
    for row in responses:
        assert (len(row["response_tokens"]) < sampling.new_tokens) == row["finished"]


def test_responses_hold_no_special_tokens(uniform_model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = {t for row in drawn(response(uniform_model, tokenizer, MANY, Sampling(new_tokens=30))) for t in row}
    assert tokens == set(range(len(tokenizer))) - set(tokenizer.all_special_ids)


def test_rows_hold_the_prompt_and_the_drawn_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    for row, prompt in zip(response(model, tokenizer, PROMPTS, Sampling(new_tokens=12)), PROMPTS, strict=True):
        assert row.items() >= prompt.items()
        assert decode(tokenizer, row["prompt_tokens"]) == prompt["prompt"]
        assert decode(tokenizer, row["response_tokens"]) == row["response"]


def test_a_token_that_is_both_bos_and_eos_can_end_a_response(
    uniform_model: PreTrainedModel, sentences: list[str]
) -> None:
    """GPT-2 has such a token."""
    tokenizer = train_tokenizer(sentences, 320)
    tokenizer.bos_token = tokenizer.pad_token = tokenizer.eos_token
    assert any(row["finished"] for row in response(uniform_model, tokenizer, MANY, Sampling(new_tokens=30)))


def test_generation_settings_in_a_model_folder_change_nothing(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    sampling = Sampling(new_tokens=12)
    expected = response(model, tokenizer, PROMPTS, sampling)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.suppress_tokens = drawn(expected)[0]
    assert response(model, tokenizer, PROMPTS, sampling) == expected


def test_a_model_is_freed_before_the_next_is_loaded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """The caller's loop still refers to the engine, and two large models would not fit into a GPU."""
    save(model, tokenizer, tmp_path, probe_nats(model, model.config.vocab_size, torch.device("cpu")))
    with load_engine("transformers", tmp_path, tokenizer, weak=tmp_path) as engine:
        assert isinstance(engine, TransformersEngine)
        generate_with(engine, tokenizer, PROMPTS, Sampling(new_tokens=2), "plain")
        models = [weakref.ref(engine.model), weakref.ref(engine.weak)]
    assert [one() for one in models] == [None, None]


class Small(TransformersEngine):
    """An engine on a device with room for ``room`` prompts at a time."""

    room: int

    def _draw_batch(self, contexts: list[list[int]], prompt_ids: list[str], sampling: Sampling) -> list[list[int]]:
        if len(contexts) > self.room:
            raise torch.OutOfMemoryError
        return super()._draw_batch(contexts, prompt_ids, sampling)


def test_batches_that_do_not_fit_are_divided(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """The longest prompts may fill a GPU after shorter ones have been drawn."""
    small, sampling = Small(model, tokenizer), Sampling(new_tokens=5, batch_size=5)
    expected = generate_with(TransformersEngine(model, tokenizer), tokenizer, PROMPTS, sampling, "plain")
    for room in (1, 2, 4):
        small.room = room
        assert drawn(generate_with(small, tokenizer, PROMPTS, sampling, "plain")) == drawn(expected)
    small.room = 0
    with pytest.raises(UserError, match="one prompt at a time"):
        generate_with(small, tokenizer, PROMPTS, sampling, "plain")
