import hashlib
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.config.score_models import SnippetClassifier
from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.evaluation.schemas import FEATURES
from elasticity.evaluation.scoring import check_gold_pair, load_score_model
from elasticity.evaluation.snippet_classifier import LinearSnippetClassifier, snippet, train_classifier

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
    assert model.score(["", "lovely"], ["a lovely, warm film", "a dull and tired film"]) == [1.0, 0.0]
    good, bad = model.margins(["a lovely, warm film", "a dull and tired film"])
    assert good > 0 > bad


def test_a_score_is_the_sign_of_the_margin(trained: tuple[Rows, dict[str, float]]) -> None:
    model = LinearSnippetClassifier(trained[0])
    texts = [row["response"] for row in reviews(40, mislead=0.5)] + ["", "unseen"]
    assert model.score([""] * len(texts), texts) == [float(margin > 0) for margin in model.margins(texts)]


def test_quality_is_measured_on_other_texts(trained: tuple[Rows, dict[str, float]]) -> None:
    _, quality = trained
    assert quality["training_texts"] + quality["test_texts"] == 200
    assert 30 < quality["test_texts"] < 70
    assert quality["accuracy"] == quality["auc"] == 1.0


def test_features_survive_the_file(trained: tuple[Rows, dict[str, float]], tmp_path: Path) -> None:
    write_table(tmp_path / "features.parquet", trained[0], FEATURES)
    stored = load_score_model(SETTINGS, [tmp_path / "features.parquet"])
    assert isinstance(stored, LinearSnippetClassifier)
    texts = [row["response"] for row in reviews(20)]
    assert stored.margins(texts) == LinearSnippetClassifier(trained[0]).margins(texts)


def test_margins_are_idf_weighted_sums(trained: tuple[Rows, dict[str, float]]) -> None:
    by_name = {row["feature"]: row for row in trained[0]}
    lovely, dull = by_name["lovely"], by_name["dull"]
    norm = (lovely["idf"] ** 2 + dull["idf"] ** 2) ** 0.5
    expected = (lovely["idf"] * lovely["weight"] + dull["idf"] * dull["weight"]) / norm + by_name[""]["weight"]
    assert LinearSnippetClassifier(trained[0]).margins(["dull lovely"]) == pytest.approx([expected])


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
    assert quality["test_texts"] % 3 == 0
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


# Snippets


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20), st.integers(1, 25), st.text(max_size=3))
def test_a_snippet_has_the_given_number_of_successive_words(words: list[str], length: int, identity: str) -> None:
    cut = snippet({"id": identity, "prompt": "a question", "response": "  ".join(words)}, length).split()
    assert len(cut) == min(length, len(words))
    assert cut in [words[start : start + length] for start in range(len(words))]


def test_snippets_come_from_all_parts_of_texts() -> None:
    text = " ".join(map(str, range(10)))
    starts = {snippet({"id": str(i), "response": text}, 8).split()[0] for i in range(50)}
    assert starts == {"0", "1", "2"}
