"""Preference losses and gradients against closed forms, on a model of two tokens with only a bias."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import Optimization
from elasticity.data.examples import Batch, Example, batched, training_examples
from elasticity.models.loading import prepare_for_training
from elasticity.runtime.launch import Launch
from elasticity.training.algorithms.dpo import Dpo
from elasticity.training.algorithms.kto import Kto
from elasticity.training.algorithms.simpo import SimPo
from elasticity.training.backends import OneProcess
from elasticity.training.datasets import TrainingInputs
from elasticity.training.jobs import FineTuneJob
from elasticity.training.kto import KtoObjective, mismatched, training_data, with_prompt
from elasticity.training.objectives import Objective, log_probabilities
from elasticity.training.preference import PreferenceObjective
from tests.unit.biased import Bias
from tests.unit.conftest import plain

SETTINGS = Optimization(learning_rate=0.1, batch_size=2, precision="fp32")

PAIR = [Example([0, 0, 0], 1, "chosen"), Example([0, 1], 1, "rejected")]
"""Chosen: two tokens 0; rejected: one token 1; the first token is context."""

slopes = st.floats(-3, 3)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def log_softmax(bias: float) -> tuple[float, float]:
    """Return the log-probabilities of the logits (bias, 0)."""
    return -math.log1p(math.exp(-bias)), -math.log1p(math.exp(bias))


def after(
    objective: Objective, start: float, now: float, examples: list[Example] = PAIR, micro_batch: int = 2
) -> tuple[float, float]:
    """Return the objective and its derivative by the bias at ``now``, with the reference model at ``start``."""
    model: Any = Bias(start, 0.0)
    backend = OneProcess(model, SETTINGS)
    (batch,) = batched(examples, len(examples), 0)
    if objective.compares:
        objective.measure_start(backend, 0, batch, micro_batch)
    model.bias.data[0] = now
    loss = 0.0
    for part in objective.parts(backend, 0, batch, micro_batch):
        share = objective.loss(backend, part, batch)
        share.backward()
        loss += share.item()
    return loss, model.bias.grad[0].item()


@given(slopes, slopes, st.floats(0.01, 2))
def test_dpo_follows_its_closed_form(start: float, now: float, beta: float) -> None:
    """Log π(00) − log π(1), and its derivative 2 (1 − p) + p, where p is the probability of token 0."""
    (s0, s1), (n0, n1) = log_softmax(start), log_softmax(now)
    margin = beta * ((2 * n0 - 2 * s0) - (n1 - s1))
    slope = beta * (2 * (1 - math.exp(n0)) + math.exp(n0))
    loss, gradient = after(PreferenceObjective(Dpo(kind="dpo", beta=beta)), start, now)
    assert loss == pytest.approx(-math.log(sigmoid(margin)), rel=1e-4, abs=1e-5)
    assert gradient == pytest.approx(-sigmoid(-margin) * slope, rel=1e-3, abs=1e-5)


@given(slopes, st.floats(0.01, 5), st.floats(0, 2))
def test_simpo_follows_its_closed_form(now: float, beta: float, margin: float) -> None:
    """Log-probabilities are means over tokens, and there is no reference model."""
    n0, n1 = log_softmax(now)
    loss, gradient = after(PreferenceObjective(SimPo(kind="simpo", beta=beta, margin=margin)), 0.0, now)
    x = beta * (n0 - n1) - margin
    assert loss == pytest.approx(-math.log(sigmoid(x)), rel=1e-4, abs=1e-5)
    assert gradient == pytest.approx(-sigmoid(-x) * beta, rel=1e-3, abs=1e-5)  # n0 - n1 is the bias itself


@given(slopes, slopes, st.floats(0.01, 2), st.floats(0.5, 2), st.floats(0.5, 2))
def test_kto_follows_its_closed_form(start: float, now: float, beta: float, good: float, bad: float) -> None:
    """z0 is the mean log-ratio of the mismatched responses (here the same two), at least 0, without a gradient."""
    (s0, s1), (n0, n1) = log_softmax(start), log_softmax(now)
    desirable, undesirable = 2 * (n0 - s0), n1 - s1
    z0 = max(0.0, (desirable + undesirable) / 2)
    settings = Kto(kind="kto", beta=beta, desirable=good, undesirable=bad)
    objective = KtoObjective(settings, batched([PAIR[1], PAIR[0]], 2, 0))
    loss, gradient = after(objective, start, now)
    gain, harm = sigmoid(beta * (desirable - z0)), sigmoid(beta * (z0 - undesirable))
    assert objective.divergence == pytest.approx(z0, abs=1e-5)
    assert loss == pytest.approx((good * (1 - gain) + bad * (1 - harm)) / 2, rel=1e-4, abs=1e-5)
    p = math.exp(n0)
    expected = -good * gain * (1 - gain) * beta * 2 * (1 - p) + bad * harm * (1 - harm) * beta * -p
    assert gradient == pytest.approx(expected / 2, rel=1e-3, abs=1e-5)


# The mismatched responses of KTO


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=2, max_size=8), st.integers(6, 12))
def test_mismatched_examples_have_the_targets_of_another(lengths: list[tuple[int, int]], max_length: int) -> None:
    """Example i has the context tokens 10 i, 10 i + 1, ... and the targets 1000 + 10 i, ..."""
    examples = [
        Example([*range(10 * i, 10 * i + c), *range(1000 + 10 * i, 1000 + 10 * i + t)][:max_length], c, str(i))
        for i, (c, t) in enumerate(lengths)
    ]
    found = mismatched(examples, max_length)
    for i, (one, example) in enumerate(zip(found, examples, strict=True)):
        other = examples[i - 1]
        assert one.tokens[: one.response_start] == example.tokens[: example.response_start]
        targets = one.tokens[one.response_start :]
        assert targets
        assert targets == other.tokens[other.response_start :][: len(targets)]
        assert len(one.tokens) == max_length or len(targets) == len(other.tokens) - other.response_start
        assert one.identity == f"{i}|{(i - 1) % len(examples)}"
    assert [one.response_start for one in found] == [one.response_start for one in examples]


@given(st.integers(1, 3), st.integers(2, 20), st.integers(1, 30))
def test_the_prompt_of_a_text_leaves_a_target(start: int, length: int, tokens: int) -> None:
    example = Example(list(range(start + length)), start, "text")
    split = with_prompt(example, tokens)
    assert (split.tokens, split.identity) == (example.tokens, "text")
    assert split.response_start == min(start + tokens, len(example.tokens) - 1)


def test_the_reference_point_of_kto_is_that_of_continuations_of_other_texts(
    fresh_model: Callable[[], PreTrainedModel], tokenizer: PreTrainedTokenizerFast, sentences: list[str]
) -> None:
    """Brute force on plain texts, one sequence at a time: z0 differs from the mean log-ratio of the batch itself."""
    sides = plain(sentences[:3]), [row | {"id": f"other {row['id']}"} for row in plain(sentences[3:6])]
    kto = {"kind": "kto", "prompt_tokens": 4}
    tuning = {"learning_rate": 0.1, "batch_size": 3, "max_length": 40, "precision": "fp32", "algorithm": kto}
    job = FineTuneJob.model_validate({"start": "0", "settings": tuning, "sizes": (3,), "seed": 1, "template": "plain"})
    data = training_data(Kto.model_validate(kto), TrainingInputs(job, tokenizer, Path("unused"), sides))
    objective: Any = data.objective
    (batch,) = data.batches
    assert (batch.labels[:, :5] == -100).all()
    assert (batch.labels[:, 5] >= 0).all()
    backend = OneProcess(prepare_for_training(fresh_model(), Launch()), job.settings)
    noise = 0.3 * torch.randn(320, 16, generator=torch.Generator().manual_seed(1))
    backend.model.lm_head.weight.data += noise  # a worse model, so that log-ratios to it are mostly positive
    start = copy.deepcopy(backend.model)
    objective.measure_start(backend, 0, batch, 4)
    backend.model.lm_head.weight.data -= noise
    objective.parts(backend, 0, batch, 4)
    texts = [row[:length].tolist() for row, length in zip(batch.tokens, batch.attention.sum(1), strict=True)]

    def log_ratio(context: list[int], targets: list[int]) -> float:
        tokens = torch.tensor([context + targets])
        total = 0.0
        for model, sign in ((backend.model, 1), (start, -1)):
            with torch.no_grad():
                logs = model(input_ids=tokens).logits[0, :-1].double().log_softmax(-1)
            total += sign * logs.gather(1, tokens[0, 1:, None])[len(context) - 1 :].sum().item()
        return total

    expected = [log_ratio(text[:5], texts[i - 1][5:][: 40 - 5]) for i, text in enumerate(texts)]
    same = [log_ratio(text[:5], text[5:]) for text in texts]
    assert objective.divergence == pytest.approx(max(0, sum(expected) / 6), rel=1e-4)
    assert objective.divergence > 0
    assert abs(sum(expected) - sum(same)) > 0.1


# On a Llama


@pytest.fixture(scope="module")
def examples(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[Example]:
    """Four pairs of different lengths."""
    whole = training_examples(plain(sentences), tokenizer, "plain", 40)
    return [Example(one.tokens[: 5 + 4 * i], 1, str(i)) for i, one in enumerate(whole)]


def objectives(examples: list[Example]) -> dict[str, Objective]:
    mismatched = [Example(one.tokens, 3, f"{one.identity}|") for one in examples]
    return {
        "dpo": PreferenceObjective(Dpo(kind="dpo")),
        "simpo": PreferenceObjective(SimPo(kind="simpo")),
        "kto": KtoObjective(Kto(kind="kto"), batched(mismatched, len(mismatched), 2)),
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("name", "expected"), [("dpo", math.log(2)), ("kto", 0.5)])
@pytest.mark.parametrize("micro_batch", [2, 6])
def test_log_ratios_are_zero_at_the_start(
    fresh_model: Callable[[], PreTrainedModel],
    examples: list[Example],
    name: str,
    expected: float,
    precision: Any,
    micro_batch: int,
) -> None:
    """The reference model is the start of the run, so all log-ratios are exactly 0."""
    settings = SETTINGS.model_copy(update={"precision": precision})
    backend = OneProcess(prepare_for_training(fresh_model(), Launch()), settings)
    objective: Any = objectives(examples)[name]
    (batch,) = batched(examples, 8, 2)
    objective.measure_start(backend, 0, batch, micro_batch)
    for part in objective.parts(backend, 0, batch, micro_batch):
        ratios = log_probabilities(backend, part) - objective.reference_logs(part)
        assert ratios.tolist() == [0.0] * len(part.tokens)
    loss = sum(objective.loss(backend, part, batch) for part in objective.parts(backend, 0, batch, micro_batch))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


DIVISIONS = [(name, size, 1) for name in ("dpo", "simpo", "kto") for size in (1, 3, 4)]
DIVISIONS += [(name, size, processes) for name in ("dpo", "simpo") for size, processes in ((2, 3), (8, 2))]
"""KTO is left out: its z0 is a sum over all processes, which needs real processes."""


@pytest.mark.parametrize(("name", "micro_batch", "processes"), DIVISIONS)
def test_the_update_does_not_depend_on_how_a_batch_is_divided(
    fresh_model: Callable[[], PreTrainedModel], examples: list[Example], name: str, micro_batch: int, processes: int
) -> None:
    """The parts of all processes, some of which run out of pairs, add up to the loss and gradient of the batch."""
    (batch,) = batched(examples, 8, 2)
    noise = 0.3 * torch.randn(320, 16, generator=torch.Generator().manual_seed(1))

    def update(micro_batch: int, rank: int, processes: int) -> tuple[float, torch.Tensor]:
        objective = objectives(examples)[name]
        backend = OneProcess(prepare_for_training(fresh_model(), Launch()), SETTINGS)
        backend.rank, backend.processes = rank, processes
        if objective.compares:
            objective.measure_start(backend, 0, batch, micro_batch)
        backend.model.lm_head.weight.data += noise  # somewhere away from the start
        loss = 0.0
        for part in objective.parts(backend, 0, batch, micro_batch):
            share = objective.loss(backend, part, batch)
            share.backward()
            loss += share.item()
        return loss, torch.cat([parameter.grad.flatten() for parameter in backend.model.parameters()])

    expected_loss, expected = update(8, 0, 1)
    shares = [update(micro_batch, rank, processes) for rank in range(processes)]
    assert sum(loss for loss, _ in shares) == pytest.approx(expected_loss, abs=1e-6)
    torch.testing.assert_close(sum(gradient for _, gradient in shares), expected, atol=1e-6, rtol=1e-4)


def test_pairs_are_never_divided(examples: list[Example], fresh_model: Callable[[], PreTrainedModel]) -> None:
    (batch,) = batched(examples, 8, 2)
    backend = OneProcess(fresh_model(), SETTINGS)
    for micro_batch, sizes in {1: [2] * 4, 3: [2] * 4, 5: [4, 4], 8: [8]}.items():
        parts: list[Batch] = PreferenceObjective(Dpo(kind="dpo")).parts(backend, 0, batch, micro_batch)
        assert [len(part.tokens) for part in parts] == sizes
