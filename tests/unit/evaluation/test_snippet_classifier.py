import hashlib
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.config.score_models import SnippetClassifier
from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.evaluation.schemas import FEATURES
from elasticity.evaluation.scoring import check_gold_pair, load_score_model
from elasticity.evaluation.snippet_classifier import (
    LinearSnippetClassifier,
    Snippets,
    part_of,
    train_classifier,
    weighted_median,
)

WORDS = {"positive": ["lovely", "wonderful", "warm", "loved"], "negative": ["dull", "terrible", "tired", "hated"]}
SETTINGS = SnippetClassifier(snippet_words=6, good="a lovely film", bad="a dull film")
Rows = list[dict[str, Any]]


def reviews(count: int, mislead: float = 0.0) -> Rows:
    """Synthetic texts; the words of some contradict their label."""
    chance = random.Random(1)
    rows = []
    for number in range(count):
        side, other = chance.sample(["positive", "negative"], 2)
        words = WORDS[other if chance.random() < mislead else side]
        text = f"{number} " + " and ".join(f"the film is {chance.choice(words)}" for _ in range(5))
        rows.append(
            {"id": hashlib.sha256(text.encode()).hexdigest()[:16], "side": side, "prompt": "", "response": text}
        )
    return rows


@pytest.fixture(scope="module")
def trained() -> tuple[Rows, dict[str, float]]:
    return train_classifier(reviews(200), SETTINGS)


def test_good_texts_score_above_bad_ones(trained: tuple[Rows, dict[str, float]]) -> None:
    model = LinearSnippetClassifier(trained[0])
    good, bad = model.score(["", "lovely"], ["a lovely, warm film", "a dull and tired film"])
    assert good > 0.8 > 0.2 > bad
    good, bad = model.margins(["a lovely, warm film", "a dull and tired film"])
    assert good > 0 > bad


def test_a_score_is_the_probability_of_the_margin(trained: tuple[Rows, dict[str, float]]) -> None:
    model = LinearSnippetClassifier(trained[0])
    texts = [row["response"] for row in reviews(40, mislead=0.5)] + ["", "unseen"]
    expected = [1 / (1 + math.exp(-margin)) for margin in model.margins(texts)]
    assert model.score([""] * len(texts), texts) == pytest.approx(expected)


def test_a_margin_without_bounds_is_a_probability() -> None:
    features = [{"unit": "word", "feature": "", "weight": 0.0}, {"unit": "word", "feature": "a", "weight": 1e4}]
    assert LinearSnippetClassifier(features).score([""], ["a"]) == [1.0]


def test_quality_is_measured_on_other_texts(trained: tuple[Rows, dict[str, float]]) -> None:
    _, quality = trained
    assert quality["training_texts"] + quality["centring_texts"] + quality["test_texts"] == 200
    assert quality["training_texts"] > 120
    assert min(quality["centring_texts"], quality["test_texts"]) > 10
    assert quality["accuracy"] == quality["auc"] == 1.0
    assert quality["share_positive"] == pytest.approx(0.5)


def test_features_survive_the_file(trained: tuple[Rows, dict[str, float]], tmp_path: Path) -> None:
    write_table(tmp_path / "features.parquet", trained[0], FEATURES)
    stored = load_score_model(SETTINGS, [tmp_path / "features.parquet"])
    assert isinstance(stored, LinearSnippetClassifier)
    texts = [row["response"] for row in reviews(20)]
    assert stored.margins(texts) == LinearSnippetClassifier(trained[0]).margins(texts)


def test_margins_are_sums_of_the_weights_of_different_ngrams(trained: tuple[Rows, dict[str, float]]) -> None:
    weight = {row["feature"]: row["weight"] for row in trained[0]}
    expected = weight["lovely"] + weight["and"] + weight["lovely and"] + weight.get("and lovely", 0) + weight[""]
    expected += weight.get("lovely and lovely", 0)
    assert LinearSnippetClassifier(trained[0]).margins(["Lovely and lovely!"]) == pytest.approx([expected])


def test_balanced_text_is_positive_half_of_the_time() -> None:
    """Texts of which five in six are positive are centred as if sides were equally many; some margins are equal."""
    rows = reviews(2000, mislead=0.35)
    kept = [row for i, row in enumerate(rows) if row["side"] == "positive" or i % 5 == 0]
    features, quality = train_classifier(kept, SETTINGS.model_copy(update={"min_accuracy": 0.0}))
    centring = [row for row in kept if part_of(row) == "centring"]
    found = Snippets(centring, features, SETTINGS.snippet_words)
    assert found.quality()["share_positive"] == pytest.approx(0.5, abs=0.08)
    assert quality["share_positive"] == pytest.approx(0.5, abs=0.15)
    assert quality["shift"] < -0.5


def test_all_snippets_of_a_text_weigh_as_much_as_those_of_another() -> None:
    features = [{"unit": "word", "feature": "", "weight": -0.5}, {"unit": "word", "feature": "good", "weight": 1.0}]
    texts = [("positive", "good film good film"), ("positive", "good film"), ("negative", "bad film good bad")]
    rows = [{"id": str(i), "side": side, "prompt": "", "response": text} for i, (side, text) in enumerate(texts)]
    found = Snippets(rows, features, 2)
    assert found.weights.tolist() == pytest.approx([1 / 8, 1 / 8, 1 / 4, 1 / 4, 1 / 4])
    assert found.quality() == pytest.approx({"accuracy": 0.75, "share_positive": 0.75, "auc": 0.75})


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 4)), min_size=1, max_size=12))
def test_a_weighted_median_is_that_of_repeated_values(pairs: list[tuple[int, int]]) -> None:
    values, counts = np.array(pairs, dtype=float).T
    assert weighted_median(values, counts / counts.sum()) == np.median(np.repeat(values, counts.astype(int)))


def test_text_without_spaces_is_classified_by_its_characters() -> None:
    chance = random.Random(2)
    words = {"positive": ["精彩", "喜欢", "温暖"], "negative": ["无聊", "讨厌", "糟糕"]}
    rows = []
    for number in range(300):
        side = chance.choice(["positive", "negative"])
        text = "".join(f"这部电影{chance.choice(words[side])}。" for _ in range(6))
        rows.append({"id": str(number), "side": side, "prompt": "", "response": text})
    features, quality = train_classifier(rows, SETTINGS)
    assert {row["unit"] for row in features} == {"character"}
    assert "精彩" in {row["feature"] for row in features}
    assert quality["accuracy"] > 0.95


def test_the_responses_to_a_prompt_are_not_divided() -> None:
    """Words that belong to one prompt do not help with the responses to another."""
    chance = random.Random(5)
    rows = []
    for number in range(400):
        side = chance.choice(["positive", "negative"])
        rows += [
            {
                "id": f"{number}-{i}",
                "side": side,
                "prompt": f"question {number}",
                "response": f"only here{number} say{i}",
            }
            for i in range(3)
        ]
    quality = train_classifier(rows, SETTINGS.model_copy(update={"min_accuracy": 0.0}))[1]
    assert quality["test_texts"] % 3 == quality["centring_texts"] % 3 == 0
    assert 0.35 < quality["accuracy"] < 0.65


# What is refused


@pytest.mark.parametrize("pair", [("a dull film", "a lovely film"), ("a lovely film", "a lovely film")])
def test_a_gold_pair_that_is_not_in_order_is_refused(
    trained: tuple[Rows, dict[str, float]], pair: tuple[str, str]
) -> None:
    settings = SETTINGS.model_copy(update=dict(zip(("good", "bad"), pair, strict=True)))
    with pytest.raises(UserError, match=f"'{pair[0]}'.*'{pair[1]}'.*up must be good"):
        check_gold_pair(LinearSnippetClassifier(trained[0]), settings.gold_pair)


def test_a_score_that_is_no_number_is_refused() -> None:
    class Broken:
        def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
            return [math.nan] * len(responses)

    with pytest.raises(UserError, match="up must be good"):
        check_gold_pair(Broken(), SETTINGS.gold_pair)


def test_an_accuracy_below_the_threshold_is_refused() -> None:
    settings = SETTINGS.model_copy(update={"min_accuracy": 0.95})
    with pytest.raises(UserError, match=r"accuracy is 0\.\d+, below min_accuracy 0.95"):
        train_classifier(reviews(200, mislead=0.3), settings)


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_texts_are_refused(count: int) -> None:
    with pytest.raises(UserError, match=r"splits\.score_model"):
        train_classifier(reviews(count), SETTINGS)
