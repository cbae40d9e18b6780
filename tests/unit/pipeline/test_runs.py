"""How the sizes of a stage are divided among training jobs."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elasticity.config.training import FineTuning
from elasticity.core.run_names import run_name, write_sizes
from elasticity.pipeline.runs import RunSizes, divide, is_exact, runs_of

SIZES = st.sets(st.integers(0, 6), min_size=1).map(lambda sizes: tuple(sorted(sizes)))


def settings(**changes: Any) -> FineTuning:
    return FineTuning.model_validate({"learning_rate": 1e-3, "batch_size": 4, "max_length": 8} | changes)


SETTINGS = st.builds(
    settings,
    batch_size=st.integers(1, 3),
    epochs=st.integers(1, 2),
    schedule=st.sampled_from(["constant", "linear"]),
)


@given(SETTINGS, SIZES)
def test_runs_divide_the_sizes(how: FineTuning, sizes: RunSizes) -> None:
    jobs = divide(how, sizes)
    assert sorted(size for run_sizes in jobs for size in run_sizes) == list(sizes)


@given(SETTINGS, SIZES, st.lists(SIZES, max_size=5))
@example(settings(), (4, 8), [(4,), (4, 8)])  # trained one by one with another batch size, then together
def test_every_size_has_one_job_whichever_runs_are_finished(
    how: FineTuning, sizes: RunSizes, finished: list[RunSizes]
) -> None:
    trained = [size for run_sizes in divide(how, sizes, finished) for size in run_sizes]
    assert len(trained) == len(set(trained))
    assert set(trained) >= set(sizes)


@given(SETTINGS, SIZES, st.lists(SIZES, max_size=5))
def test_a_job_of_several_sizes_is_exact(how: FineTuning, sizes: RunSizes, finished: list[RunSizes]) -> None:
    assert all(len(run_sizes) == 1 or is_exact(how, run_sizes) for run_sizes in divide(how, sizes, finished))


@given(SETTINGS, SIZES, SIZES)
def test_finished_runs_keep_their_sizes(how: FineTuning, before: RunSizes, added: RunSizes) -> None:
    finished = divide(how, before)
    both = tuple(sorted({*before, *added}))
    assert set(divide(how, both, finished)) >= set(finished)


def test_finished_runs_without_a_size_of_the_study_are_ignored() -> None:
    assert divide(settings(), (8,), [(4,), (12, 16)]) == [(8,)]


@pytest.mark.parametrize(
    ("changes", "sizes", "exact"),
    [
        ({}, (4, 8, 12), True),
        ({}, (0, 4), True),
        ({}, (4, 6), True),  # the last batch of a run may be smaller
        ({}, (6, 8), False),
        ({"epochs": 2}, (4, 8), False),
        ({"schedule": "linear"}, (4, 8), False),
        ({"schedule": "cosine"}, (4, 8), False),
        ({"warmup_updates": 3}, (4, 8), True),
    ],
)
def test_a_run_is_exact_if_no_checkpoint_depends_on_later_ones(
    changes: dict[str, Any], sizes: RunSizes, exact: bool
) -> None:
    assert is_exact(settings(**changes), sizes) == exact
    assert divide(settings(**changes), sizes) == ([sizes] if exact else [(size,) for size in sizes])


@pytest.mark.parametrize("sizes", [(8, 14, 20), (3, 5)])
def test_with_dropped_batches_every_size_is_a_checkpoint(sizes: RunSizes) -> None:
    assert divide(settings(last_batch="drop"), sizes) == [sizes]
    assert divide(settings(last_batch="drop", epochs=2), sizes) == [(size,) for size in sizes]


def test_a_finished_run_of_many_sizes_keeps_them(tmp_path: Path) -> None:
    stage, sizes = str(tmp_path / "stage"), tuple(range(0, 360, 4))
    assert runs_of(settings(), sizes, stage) == [sizes]
    write_sizes(Path(stage) / run_name(sizes), sizes)
    assert runs_of(settings(), (*sizes, 400), stage) == [sizes, (400,)]
