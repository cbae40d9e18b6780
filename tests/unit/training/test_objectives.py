"""Division of a batch into parts of similar length."""

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from elasticity.config.training import Optimization
from elasticity.data.examples import Batch, Example, collate
from elasticity.models.loading import prepare_for_training
from elasticity.runtime.launch import Launch
from elasticity.training.backends import OneProcess
from elasticity.training.objectives import PART_TOKENS, WIDTH_STEP, CodeLength, by_length

LENGTHS = [60, 4, 9, 58, 3, 20, 4, 61]


def batch_of(lengths: list[int]) -> Batch:
    examples = [
        Example([3 + (11 * i + j) % 300 for j in range(length)], 1, f"e{i}") for i, length in enumerate(lengths)
    ]
    return collate(examples, 2)


def width(longest: int, batch: Batch) -> int:
    """Return the width of a part whose longest row has so many tokens."""
    return min(batch.tokens.shape[1], next(it for it in range(0, 200, WIDTH_STEP) if it >= longest))


def cost(lengths: list[int], cuts: tuple[int, ...], batch: Batch) -> int:
    """Return the cost of parts of sorted rows between these places."""
    bounds = list(zip((0, *cuts), (*cuts, len(lengths)), strict=True))
    return sum((end - start) * width(max(lengths[start:end]), batch) + PART_TOKENS for start, end in bounds)


@given(st.lists(st.integers(2, 90), min_size=1, max_size=7), st.integers(1, 8))
def test_the_cheapest_division_is_taken(lengths: list[int], micro_batch: int) -> None:
    batch = batch_of(lengths)
    parts = by_length(batch, micro_batch)
    rows = sorted(lengths)
    possible = [
        cuts
        for count in range(len(rows))
        for cuts in combinations(range(1, len(rows)), count)
        if max(b - a for a, b in zip((0, *cuts), (*cuts, len(rows)), strict=True)) <= micro_batch
    ]
    assert sum(part.tokens.numel() + PART_TOKENS for part in parts) == min(cost(rows, cuts, batch) for cuts in possible)
    assert max(len(part.tokens) for part in parts) <= micro_batch


def test_every_row_is_in_one_part_with_little_padding() -> None:
    batch = batch_of(LENGTHS)
    parts = by_length(batch, 8)
    assert len(parts) > 1
    found = {}
    for part in parts:
        assert part.tokens.shape[1] == width(int(part.attention.sum(1).max()), batch)
        for i, name in enumerate(part.identities):
            found[name] = [part.tokens[i], part.attention[i], part.labels[i]]
    assert sorted(found) == sorted(batch.identities)
    for i, name in enumerate(batch.identities):
        for whole, short in zip((batch.tokens, batch.attention, batch.labels), found[name], strict=True):
            assert torch.equal(whole[i, : LENGTHS[i]], short[: LENGTHS[i]])


def test_rows_of_equal_length_stay_together() -> None:
    batch = batch_of([9] * 6)
    assert by_length(batch, 8) == [batch]
    assert [len(part.tokens) for part in by_length(batch, 4)] in ([4, 2], [2, 4], [3, 3])


def test_the_division_does_not_change_loss_and_gradient(fresh_model: Callable[[], PreTrainedModel]) -> None:
    settings = Optimization(learning_rate=1e-3, batch_size=8, precision="fp32")
    backend, objective = OneProcess(prepare_for_training(fresh_model(), Launch()), settings), CodeLength()
    batch = batch_of(LENGTHS)

    def of(parts: list[Batch]) -> tuple[float, torch.Tensor]:
        losses = [objective.loss(backend, part, batch) for part in parts]
        for loss in losses:
            loss.backward()
        gradient = torch.cat(
            [weight.grad.flatten() for weight in backend.model.parameters() if weight.grad is not None]
        )
        backend.optimizer.zero_grad()
        return sum(loss.item() for loss in losses), gradient

    (whole, expected), (divided, actual) = of([batch]), of(objective.parts(backend, 0, batch, 8))
    assert divided == pytest.approx(whole, rel=1e-6)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-7)
