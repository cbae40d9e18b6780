"""The score model that the workflow trains: a linear classifier of snippets."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score

from elasticity.config.score_models import SnippetClassifier
from elasticity.core.errors import UserError

Rows = Sequence[Mapping[str, Any]]


TEST_SHARE = 4
"""One text in four is a test text, chosen by the digest of its prompt or, without a prompt, of its own identifier."""


class LinearSnippetClassifier:
    """Scores a response 1 if it is classified positive, otherwise 0. Prompts are ignored."""

    def __init__(self, features: Rows) -> None:
        """Take rows of schema ``FEATURES``; the row with the empty feature holds the intercept."""
        terms = [row for row in features if row["feature"]]
        self.intercept = next(row["weight"] for row in features if not row["feature"])
        self.weights = np.array([row["weight"] for row in terms])
        self.vectorizer = _vectorizer(vocabulary=[row["feature"] for row in terms])
        self.vectorizer.idf_ = np.array([row["idf"] for row in terms])

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """Return 1.0 for each response that is classified positive, else 0.0."""
        return [float(margin > 0) for margin in self.margins(responses)]

    def margins(self, texts: Sequence[str]) -> list[float]:
        """Return the log-odds that each text is positive."""
        margins: list[float] = (self.vectorizer.transform(texts) @ self.weights + self.intercept).tolist()
        return margins


def train_classifier(texts: Rows, settings: SnippetClassifier) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Train on snippets of the texts (schema ``EXAMPLES``) and test on snippets of texts with other prompts.

    Returns rows of schema ``FEATURES`` and the held-out quality.
    Raises ``UserError`` if the held-out accuracy is below the threshold of the study.
    """
    training = [row for row in texts if not _is_test(row)]
    test = [row for row in texts if _is_test(row)]
    if any(len({row["side"] for row in part}) < 2 for part in (training, test)):
        raise UserError(
            f"{len(texts)} texts are too few for a score model: training and test part need texts of both sides: "
            "enlarge splits.score_model"
        )
    vectorizer = _vectorizer(min_df=2)
    matrix = vectorizer.fit_transform([snippet(row, settings.snippet_words) for row in training])
    regression = LogisticRegression(C=4.0, max_iter=1000).fit(matrix, [row["side"] == "positive" for row in training])
    features = [{"feature": "", "idf": 0.0, "weight": float(regression.intercept_[0])}]
    names = vectorizer.get_feature_names_out()
    for feature, idf, weight in zip(names, vectorizer.idf_, regression.coef_[0], strict=True):
        features.append({"feature": feature, "idf": float(idf), "weight": float(weight)})

    model = LinearSnippetClassifier(features)
    positive = [row["side"] == "positive" for row in test]
    margins = model.margins([snippet(row, settings.snippet_words) for row in test])
    quality = {
        "training_texts": len(training),
        "test_texts": len(test),
        "accuracy": float(accuracy_score(positive, [margin > 0 for margin in margins])),
        "auc": float(roc_auc_score(positive, margins)),
    }
    if quality["accuracy"] < settings.min_accuracy:
        raise UserError(
            f"the score model's held-out accuracy is {quality['accuracy']:.3f}, below min_accuracy "
            f"{settings.min_accuracy}: give it more texts (splits.score_model) or longer snippets (snippet_words), "
            "or lower min_accuracy if such a score model is good enough"
        )
    return features, quality


def snippet(row: Mapping[str, Any], words: int) -> str:
    """Return ``words`` successive words of a response, at a place given by the digest of its identifier."""
    split = row["response"].split()
    start = int(hashlib.sha256(row["id"].encode()).hexdigest(), 16) % max(1, len(split) - words + 1)
    return " ".join(split[start : start + words])


def _is_test(row: Mapping[str, Any]) -> bool:
    """Return whether a text is a test text.

    Responses to one prompt stay together: they are similar, and dividing them would overestimate the accuracy.
    """
    identity = row["prompt"] or row["id"]
    return int(hashlib.sha256(f"test:{identity}".encode()).hexdigest(), 16) % TEST_SHARE == 0


def _vectorizer(**options: Any) -> Any:
    """Return a vectorizer of words and pairs of words, one-letter words included, with sublinear term frequency."""
    return TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True, **options)
