import weakref
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconH1Config,
    Gemma3TextConfig,
    GenerationConfig,
    GPT2Config,
    LlamaConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MambaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from elasticity.config.sampling import Sampling
from elasticity.core.errors import UserError
from elasticity.evaluation.drawing import draw, uniform_numbers
from elasticity.evaluation.generation import TransformersEngine, load_engine
from elasticity.evaluation.generation import generate as generate_with
from elasticity.models.loading import probe_nats, save
from elasticity.models.tokenizer import decode, never_drawn, train_tokenizer

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
    uniforms = uniform_numbers([row["prompt_id"]], sampling)[0].tolist()
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


class Inverse(LogitsProcessor):
    """Inverts the cumulative distribution: the drawn token gets logit 0, so greedy decoding takes it."""

    def __init__(self, uniforms: torch.Tensor, width: int) -> None:
        self.uniforms, self.width = uniforms, width

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        cumulative = scores.double().softmax(-1).cumsum(-1)
        threshold = self.uniforms[:, input_ids.shape[1] - self.width, None] * cumulative[:, -1:]
        return torch.full_like(scores, -torch.inf).scatter(1, (cumulative <= threshold).sum(-1, keepdim=True), 0.0)


def reference(uniforms: torch.Tensor, sampling: Sampling, step: int = 0, width: int = 0) -> LogitsProcessorList:
    """Return the processors of transformers for a sampling, followed by the draw; ``width`` is that of the contexts."""
    processors = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    return LogitsProcessorList([*processors, Inverse(uniforms, width)])


def of_generate(
    model: PreTrainedModel, contexts: list[list[int]], names: list[str], sampling: Sampling, banned: list[int], eos: int
) -> list[list[int]]:
    """Draw with ``generate`` of transformers, all prompts together until the last is finished."""
    width = max(map(len, contexts))
    tokens = torch.tensor([[2] * (width - len(context)) + context for context in contexts])
    attention = torch.tensor([[0] * (width - len(context)) + [1] * len(context) for context in contexts])
    processors = reference(uniform_numbers(names, sampling), sampling, width=width)
    processors.insert(0, SuppressTokensLogitsProcessor(banned))
    with torch.inference_mode():
        output = model.eval().generate(  # type: ignore[operator]
            input_ids=tokens,
            attention_mask=attention,
            logits_processor=processors,
            generation_config=GenerationConfig(
                max_new_tokens=sampling.new_tokens, do_sample=False, pad_token_id=2, eos_token_id=eos
            ),
        )
    rows = output[:, width:].tolist()
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]


def response(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompts: Rows, sampling: Sampling) -> Rows:
    return generate_with(TransformersEngine(model, tokenizer), tokenizer, prompts, sampling, "plain")


# The draw


@given(st.lists(st.floats(-20, 20) | st.just(-np.inf), min_size=2, max_size=12), st.integers(0, 10**6))
def test_a_draw_inverts_the_cumulative_distribution(logits: list[float], seed: int) -> None:
    logits[-1] = 0.0  # one token at least can be drawn
    sampling = Sampling(new_tokens=4, seed=seed)
    for uniform in uniform_numbers(["p"], sampling)[0]:
        token = int(draw(torch.tensor([logits]), uniform[None], sampling))
        probabilities = torch.tensor(logits).double().softmax(0).numpy()
        assert token == inverse_cdf(probabilities, float(uniform))
        assert logits[token] > -np.inf


@given(
    st.lists(st.sampled_from([-2.0, 0.0, 0.5, 0.5, 1.0, 3.0, -np.inf]), min_size=2, max_size=12),
    st.integers(0, 12),
    st.sampled_from([0.3, 0.85, 1.0]),
    st.sampled_from([0.5, 1.0, 1.7]),
    st.integers(0, 10**6),
)
def test_a_draw_is_that_of_transformers(
    logits: list[float], top_k: int, top_p: float, temperature: float, seed: int
) -> None:
    """Equally likely tokens included, all of which top-k keeps if it keeps one of them."""
    logits[-1] = 0.0
    sampling = Sampling(new_tokens=3, seed=seed, top_k=top_k, top_p=top_p, temperature=temperature)
    uniforms = uniform_numbers(["p", "q", "r"], sampling)
    scores = torch.tensor([logits, logits[::-1], [logits[-1], *logits[:-1]]])
    for step in range(3):
        expected = reference(uniforms, sampling, step)(torch.zeros(3, step), scores.clone()).argmax(1)
        assert draw(scores.clone(), uniforms[:, step], sampling).tolist() == expected.tolist()


def test_draws_follow_the_distribution() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, -torch.inf]).double()
    sampling = Sampling(new_tokens=1)
    uniforms = uniform_numbers([f"p{i}" for i in range(5000)], sampling)[:, 0]
    counts = np.bincount(draw(logits.expand(5000, -1), uniforms, sampling).numpy(), minlength=5)
    assert counts[4] == 0
    assert stats.chisquare(counts[:4], 5000 * logits.softmax(0)[:4].numpy()).pvalue > 0.001


def test_an_impossible_first_token_is_not_drawn_at_zero() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0]])
    assert draw(logits, torch.zeros(1, dtype=torch.double), Sampling(new_tokens=1)).item() == 1


def test_each_seed_prompt_and_step_has_its_own_random_number() -> None:
    numbers = [uniform_numbers(["p", "q"], Sampling(new_tokens=50, seed=seed)) for seed in (0, 1)]
    assert torch.stack(numbers).unique().numel() == 200


def test_a_longer_response_begins_with_the_same_random_numbers() -> None:
    short, long = (uniform_numbers(["p"], Sampling(new_tokens=steps)) for steps in (5, 9))
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
    assert [(row["response_tokens"], row["stop_token"] is not None) for row in responses] == [
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
    assert {row["stop_token"] is not None for row in responses} == {True, False}
    for row in responses:
        assert (len(row["response_tokens"]) < sampling.new_tokens) == (row["stop_token"] is not None)


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
    assert any(
        row["stop_token"] is not None for row in response(uniform_model, tokenizer, MANY, Sampling(new_tokens=30))
    )


def test_generation_settings_in_a_model_folder_change_nothing(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    sampling = Sampling(new_tokens=12)
    expected = response(model, tokenizer, PROMPTS, sampling)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.suppress_tokens = drawn(expected)[0]
    assert response(model, tokenizer, PROMPTS, sampling) == expected


SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "pad_token_id": 2,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES),
    "gemma3": Gemma3TextConfig(
        **SIZES,
        head_dim=8,
        num_key_value_heads=1,
        sliding_window=6,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gpt2": GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=320, pad_token_id=2, bos_token_id=0, eos_token_id=1),
    "bloom": BloomConfig(hidden_size=16, n_layer=2, n_head=2, vocab_size=320),
    "mamba": MambaConfig(hidden_size=16, num_hidden_layers=2, vocab_size=320),
    "hybrid": FalconH1Config(
        **SIZES, mamba_d_ssm=16, mamba_n_heads=2, mamba_d_head=8, mamba_d_state=8, num_key_value_heads=1
    ),
}
"""Caches: full attention, sliding windows that new tokens leave, learned positions, no positions, and states."""


@pytest.mark.parametrize("options", [{}, {"top_k": 20, "top_p": 0.9, "temperature": 1.3}], ids=["pure", "truncated"])
@pytest.mark.parametrize("family", FAMILIES)
def test_responses_are_those_of_generate(
    family: str, options: dict[str, Any], tokenizer: PreTrainedTokenizerFast
) -> None:
    """Prompts of different lengths and responses that end at different steps, some at the limit."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(FAMILIES[family])
    with torch.no_grad():
        head = model.get_output_embeddings()
        head.weight = torch.nn.Parameter(torch.randn(320, 16, generator=torch.Generator().manual_seed(2)))
    seen = list[int]()
    head.register_forward_hook(lambda head, given, logits: seen.append(len(logits)))
    sampling = Sampling(new_tokens=24, seed=6, **options)
    contexts = [[5 + (7 * i + j) % 300 for j in range(1 + i % 9)] for i in range(12)]
    names = [f"p{i}" for i in range(12)]
    eos = most_frequent(TransformersEngine(model, tokenizer).draw(contexts, names, sampling))
    ending = deepcopy(tokenizer)
    ending.eos_token = ending.convert_ids_to_tokens(eos)
    model.generation_config.eos_token_id = eos
    expected = of_generate(model, contexts, names, sampling, never_drawn(ending, 320), eos)
    seen.clear()
    assert TransformersEngine(model, ending).draw(contexts, names, sampling) == expected
    assert len({len(tokens) for tokens in expected}) > 3
    assert seen[0] == 12
    assert seen[-1] < 12


def most_frequent(responses: list[list[int]]) -> int:
    tokens = Counter(token for response in responses for token in set(response[3:]))
    return tokens.most_common(1)[0][0]


def test_drawing_from_a_model_in_training_leaves_no_trace(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    model.train()
    model.model.layers[0].mlp.eval()  # modules may have modes of their own
    model.generation_config.repetition_penalty = 5.0
    modes = {name: module.training for name, module in model.named_modules()}
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    settings, random = model.generation_config, torch.get_rng_state()
    response(model, tokenizer, PROMPTS, Sampling(new_tokens=6))
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert model.generation_config is settings
    assert settings.repetition_penalty == 5.0
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    model(input_ids=torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss.backward()


def test_a_model_is_freed_before_the_next_is_loaded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """The caller's loop still refers to the engine, and two large models would not fit into a GPU."""
    save(model, tokenizer, tmp_path, probe_nats(model, model.config.vocab_size, torch.device("cpu")))
    with load_engine("transformers", tmp_path, tokenizer) as engine:
        assert isinstance(engine, TransformersEngine)
        generate_with(engine, tokenizer, PROMPTS, Sampling(new_tokens=2), "plain")
        model_of_engine = weakref.ref(engine.model)
    assert model_of_engine() is None


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
