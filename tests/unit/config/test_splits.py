"""The layout of splits, the examples that each split takes, and what a study may demand of its data."""

import hashlib
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.config.data import Beginnings, DataFile, MovieReviews, Prompts, Questions, Source, Splits
from elasticity.config.splits import PARTS, Take, layout, needed, split_mistakes
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw, topic
from elasticity.data.jobs import SplitJob
from elasticity.pipeline.common import to_json
from tests.conftest import reviews
from tests.unit.cleaned import clean, take

Rows = list[dict[str, str]]

SIZE, SOME = st.integers(1, 9), st.integers(0, 9)
SPLITS = st.builds(
    Splits,
    prompts=SIZE,
    held_out=SIZE,
    validation=SIZE,
    lean=SIZE,
    score_model=SIZE,
    resistance=SOME,
    positive=SIZE,
    negative=SIZE,
    neutral=st.just(0),
    pretraining=SOME,
    sides=st.just(("positive", "negative")),
)
BEGINNINGS, QUESTIONS = Beginnings(tokenizer="nano"), Questions(kind="questions")
REVIEWS, _ = clean(Raw(None, row["text"], "positive" if row["label"] else "negative") for row in reviews(240))


def dialogues(prompts: int, responses: int = 3) -> Rows:
    """Examples with ``responses`` responses of each side to every prompt."""
    every = [(f"Question {i}?", f"response {i} {j}") for i in range(prompts) for j in range(responses)]
    rows, _ = clean(
        Raw(prompt, f"{side} {response}", side) for prompt, response in every for side in ("positive", "negative")
    )
    return rows


DIALOGUES = dialogues(70, 2)


def filled(rows: Rows, splits: Splits, prompts: Prompts) -> dict[str, Rows]:
    """All splits, each filled as its own job fills it."""
    takes = layout(splits, prompts)
    return {split: take(rows, needed(takes, split)) for split in takes}


def sizes(splits: Splits) -> dict[str, int]:
    held_out = {f"held-out-{corpus}": splits.held_out for corpus in ("pretraining", "positive", "negative")}
    own = splits.model_dump(exclude={"held_out", "validation", "lean", "score_model", "resistance", "sides"})
    for name in ("validation", "lean"):
        held_out |= {f"{name}-{side}": getattr(splits, name) for side in ("positive", "negative")}
    return own | held_out | {"score-model": splits.score_model} | dict.fromkeys(PARTS, splits.resistance)


def overlaps(taken: dict[str, Rows]) -> list[tuple[str, str]]:
    """The pairs of splits that have a topic in common."""
    topics = {split: {topic(row) for row in rows} for split, rows in taken.items()}
    return [pair for pair in combinations(topics, 2) if topics[pair[0]] & topics[pair[1]]]


@pytest.mark.parametrize(
    ("rows", "prompts"), [(REVIEWS, BEGINNINGS), (DIALOGUES, QUESTIONS)], ids=["texts", "dialogues"]
)
@given(splits=SPLITS)
def test_splits_have_the_given_sizes_and_sides_and_share_no_prompt_or_text(
    rows: Rows, prompts: Prompts, splits: Splits
) -> None:
    taken = filled(rows, splits, prompts)
    assert {split: len(examples) for split, examples in taken.items()} == sizes(splits)
    assert set(overlaps(taken)) <= {("positive", "negative")}
    for split, examples in taken.items():
        sides = [row["side"] for row in examples]
        if split.endswith(("positive", "negative")):
            assert set(sides) == {split.rpartition("-")[2]}
        else:
            assert sides.count("positive") - sides.count("negative") in (0, 1)


@given(SPLITS)
def test_prompts_are_distinct(splits: Splits) -> None:
    taken = filled(DIALOGUES, splits, QUESTIONS)
    for split in ("prompts", "resistance-4"):
        assert len({row["prompt"] for row in taken[split]}) == len(taken[split])


def test_both_training_sides_have_responses_to_the_same_prompts() -> None:
    taken = filled(DIALOGUES, Splits(prompts=9, held_out=7, positive=60, negative=60, pretraining=5), QUESTIONS)
    topics = {side: {topic(row) for row in taken[side]} for side in ("positive", "negative")}
    assert topics["positive"] == topics["negative"]
    assert len(topics["positive"]) == 30
    assert overlaps(taken) == [("positive", "negative")]


@given(SPLITS)
def test_texts_are_divided_by_stretches_of_each_side_in_the_order_of_digests(splits: Splits) -> None:
    used = {"positive": 0, "negative": 0}
    for split, examples in filled(REVIEWS, splits, BEGINNINGS).items():
        size, named = sizes(splits)[split], [side for side in used if split.endswith(side)]
        shares = {named[0]: size} if named else {"positive": size - size // 2, "negative": size // 2}
        expected: Rows = []
        for side, share in shares.items() if split != "neutral" else ():
            expected += [row for row in REVIEWS if row["side"] == side][used[side] : used[side] + share]
            used[side] += share
        assert examples == sorted(expected, key=lambda row: row["id"])


def test_the_reviews_in_each_split_do_not_change_between_versions() -> None:
    taken = filled(REVIEWS, Splits(prompts=8, held_out=4, score_model=80, resistance=8, positive=20), BEGINNINGS)
    found = hashlib.sha256("".join(row["id"] for rows in taken.values() for row in rows).encode()).hexdigest()
    assert found[:16] == "7331048eb39a79c7"


@given(SPLITS, st.randoms(use_true_random=False))
def test_the_order_of_the_source_does_not_matter(splits: Splits, random: Any) -> None:
    for rows, prompts in ((REVIEWS, BEGINNINGS), (DIALOGUES, QUESTIONS)):
        mixed = rows.copy()
        random.shuffle(mixed)
        takes = needed(layout(splits, prompts), "score-model")
        assert take(mixed, takes) == take(rows, takes)


@given(SPLITS, st.integers(1, 9), st.sampled_from(["positive", "negative", "resistance", "pretraining"]))
def test_the_job_of_a_split_does_not_depend_on_later_splits(splits: Splits, more: int, enlarged: str) -> None:
    larger = splits.model_copy(update={enlarged: getattr(splits, enlarged) + more})
    names = list(layout(splits, QUESTIONS))
    first = names.index("resistance-1" if enlarged == "resistance" else enlarged)
    changed = {
        split
        for split in names
        if len({to_json(SplitJob(takes=needed(layout(size, QUESTIONS), split))) for size in (splits, larger)}) == 2
    }
    assert changed <= set(names[first:])
    if enlarged == "positive":
        assert changed == {"positive", "pretraining"}


def test_neutral_data_fill_all_splits_except_those_of_a_side() -> None:
    rows, _ = clean(Raw(f"Question {i}?", "Yes.", "neutral") for i in range(60))
    taken = filled(rows, Splits(sides=("neutral",), prompts=5, resistance=9, neutral=11, pretraining=2), QUESTIONS)
    assert {split: len(examples) for split, examples in taken.items() if examples} == {
        "prompts": 5,
        **dict.fromkeys(PARTS, 9),
        "neutral": 11,
        "pretraining": 2,
    }
    assert overlaps(taken) == []


def test_examples_whose_prompts_are_too_long_are_in_no_split() -> None:
    rows, _ = clean(Raw(f"{'é' * (i % 10)} {i}", "Yes.", "neutral") for i in range(100))
    short = Questions(kind="questions", max_tokens=4)
    fitting = sum(len(row["prompt"].encode()) <= 12 for row in rows)
    taken = filled(rows, Splits(sides=("neutral",), prompts=20, neutral=fitting - 20), short)
    assert max(len(row["prompt"].encode()) for split in ("prompts", "neutral") for row in taken[split]) <= 12
    with pytest.raises(UserError, match=r"raise prompts\.max_tokens"):
        filled(rows, Splits(sides=("neutral",), prompts=20, neutral=fitting - 19), short)


# Too few


def test_too_few_texts_are_an_error_with_the_numbers() -> None:
    with pytest.raises(UserError, match=r"split positive needs 120 positive examples, .* hold 116 for it: 120 without"):
        filled(REVIEWS, Splits(prompts=8, positive=120), BEGINNINGS)


def test_too_few_prompts_are_an_error_even_with_many_responses() -> None:
    words = (
        r"split prompts needs 101 positive .* hold 100 for it: 300 .* about 100 different .* raise prompts.max_tokens"
    )
    with pytest.raises(UserError, match=words):
        filled(dialogues(100), Splits(sides=("positive",), prompts=101), QUESTIONS)


# What a study may demand of its data


def data(**options: Any) -> Source:
    return DataFile(kind="file", path="r.jsonl", **options)


MISTAKES: dict[str, tuple[Source, Splits, Prompts | None, list[str]]] = {
    "prompts made of nothing": (data(), Splits(prompts=2), None, ["splits.prompts is 2", "say in `prompts` how"]),
    "twins without prompts": (data(), Splits(resistance=8), None, ["splits.resistance is 8", "say in `prompts` how"]),
    "prompts of any length": (
        data(format="alpaca"),
        Splits(sides=("neutral",), neutral=2),
        None,
        ["the training examples have prompts", "max_tokens"],
    ),
    "beginnings of prompts": (data(format="alpaca"), Splits(), BEGINNINGS, ["prompts.kind", "use questions"]),
    "questions of texts": (MovieReviews(kind="movie-reviews"), Splits(), QUESTIONS, ["prompts.kind", "use beginnings"]),
    "sides of neutral data": (
        data(format="alpaca"),
        Splits(prompts=2),
        QUESTIONS,
        ["prompts takes positive", "are neutral", "splits.sides"],
    ),
    "neutral examples of two sides": (
        data(format="beavertails"),
        Splits(neutral=2),
        QUESTIONS,
        ["neutral takes neutral", "are positive and negative"],
    ),
    "responses of questions": (
        data(format="beavertails-evaluation"),
        Splits(sides=("neutral",), neutral=3),
        QUESTIONS,
        ["neutral takes responses", "only prompts"],
    ),
}


@pytest.mark.parametrize(("source", "splits", "prompts", "words"), MISTAKES.values(), ids=MISTAKES)
def test_splits_that_the_data_cannot_fill_are_a_mistake(
    source: Source, splits: Splits, prompts: Prompts | None, words: list[str]
) -> None:
    first = next(split_mistakes(source, splits, prompts))
    assert [word for word in words if word not in first] == []


def test_splits_that_the_data_can_fill_are_accepted() -> None:
    splits = Splits(prompts=2, held_out=2, positive=3, negative=3)
    assert not list(split_mistakes(data(format="beavertails"), splits, QUESTIONS))
    assert not list(split_mistakes(MovieReviews(kind="movie-reviews"), splits, BEGINNINGS))
    assert not list(split_mistakes(data(format="self-instruct"), Splits(sides=("neutral",), prompts=2), QUESTIONS))


def test_a_corpus_needs_no_prompts() -> None:
    passages = data(format="passages")
    assert not list(split_mistakes(passages, Splits(sides=("neutral",), held_out=4, neutral=3, pretraining=5), None))
    assert not list(split_mistakes(data(format="beavertails"), Splits(held_out=4), None))


def test_neutral_texts_are_held_out_once() -> None:
    takes = layout(Splits(sides=("neutral",), held_out=4), None)
    assert {split: take.shares for split, take in takes.items() if take.shares} == {
        "held-out-pretraining": {"neutral": 4}
    }


def test_a_side_is_named_once() -> None:
    with pytest.raises(ValueError, match="names a side twice"):
        Splits(sides=("positive", "positive"))


def test_an_empty_split_takes_nothing() -> None:
    assert take(REVIEWS, (Take(split="neutral", shares={}),)) == []
