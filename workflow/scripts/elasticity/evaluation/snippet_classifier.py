"""The score model that the workflow trains: a linear classifier of snippets.

It is logistic regression on n-grams that are weighted by their log-count ratio, as in a naive Bayes classifier.
Source: Wang and Manning 2012, "Baselines and Bigrams", whose support vector machine is replaced by the regression.
"""

import hashlib
from collections.abc import Mapping, Sequence
from math import fsum, tanh
from typing import Any, Literal

import numpy as np

from elasticity.config.score_models import SnippetClassifier
from elasticity.core.errors import UserError
from elasticity.evaluation.ngrams import ngram_matrix, ngrams, unit_of, windows

Rows = Sequence[Mapping[str, Any]]

Numbers = np.ndarray[Any, np.dtype[np.float64]]

Part = Literal["training", "centring", "test"]

PARTS: tuple[Part, ...] = ("test", "centring", *("training",) * 6)
"""The part of each eighth of the texts: weights are fitted to six, the intercept to one, and one measures quality."""

SMOOTHING = 1.0
"""The number of windows that is added to the count of each n-gram on each side (α in the source)."""

INVERSE_PENALTY = 0.1
"""C of the logistic regression. On held-out film reviews 0.05 to 0.2 are equally good within their error."""


class LinearSnippetClassifier:
    """Scores a response by the probability that it is positive. Prompts are ignored."""

    def __init__(self, features: Rows) -> None:
        """Take rows of schema ``FEATURES``; the row with the empty feature holds the intercept."""
        self.unit = features[0]["unit"]
        self.weights: dict[str, float] = {row["feature"]: row["weight"] for row in features}
        self.intercept = self.weights.pop("")

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """Return the probability of each response to be positive, which is 0.5 on the classifier's boundary."""
        return [(1 + tanh(margin / 2)) / 2 for margin in self.margins(responses)]

    def margins(self, texts: Sequence[str]) -> list[float]:
        """Return how far each text is on the positive side of the classifier's boundary, in log-odds."""
        return [self._sum(ngrams(text, self.unit)) + self.intercept for text in texts]

    def _sum(self, found: set[str]) -> float:
        """Return the sum of weights; it is exact, so it does not depend on the order of the set."""
        return fsum(self.weights.get(ngram, 0.0) for ngram in found)


def train_classifier(texts: Rows, settings: SnippetClassifier) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Train on all snippets of the training texts (schema ``EXAMPLES``), and measure the quality on the test texts.

    The intercept makes half of balanced text positive: it is chosen on texts that are used for nothing else. Returns
    rows of schema ``FEATURES`` and the held-out quality.
    Raises ``UserError`` if the held-out accuracy is below the threshold of the study.
    """
    parts: dict[Part, list[Mapping[str, Any]]] = {part: [] for part in PARTS}
    for row in texts:
        parts[part_of(row)].append(row)
    if any(len({row["side"] for row in part}) < 2 for part in parts.values()):
        raise UserError(
            f"{len(texts)} texts are too few for a score model: the parts for training, centring and testing need "
            "texts of both sides: enlarge splits.score_model"
        )
    training = parts["training"]
    unit = unit_of(row["response"] for row in training)
    found = windows([row["response"] for row in training], unit, settings.snippet_words)
    names, matrix = ngram_matrix(found)
    weights, intercept = _fit(matrix, _positive(training)[found.text])
    features = [{"unit": unit, "feature": "", "weight": intercept}]
    features += [
        {"unit": unit, "feature": name, "weight": weight} for name, weight in zip(names, weights.tolist(), strict=True)
    ]

    centring = Snippets(parts["centring"], features, settings.snippet_words)
    boundary = weighted_median(centring.margins, centring.weights)
    features[0]["weight"] = intercept - boundary
    test = Snippets(parts["test"], features, settings.snippet_words)
    quality = {
        "training_texts": len(training),
        "training_snippets": len(found.text),
        "features": len(names),
        "centring_texts": len(parts["centring"]),
        "centring_snippets": len(centring.margins),
        "shift": -boundary,
        "test_texts": len(parts["test"]),
        "test_snippets": len(test.margins),
        **test.quality(),
    }
    if quality["accuracy"] < settings.min_accuracy:
        raise UserError(
            f"the score model's held-out accuracy is {quality['accuracy']:.3f}, below min_accuracy "
            f"{settings.min_accuracy}: give it more texts (splits.score_model) or longer snippets (snippet_words), "
            "or lower min_accuracy if such a score model is good enough"
        )
    return features, quality


def _fit(matrix: Any, positive: Any) -> tuple[Numbers, float]:
    """Return the weight of each column of a matrix of zeros and ones, and the intercept."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    counts = [SMOOTHING + np.asarray(matrix[side].sum(axis=0)).ravel() for side in (positive, ~positive)]
    ratios = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
    regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000).fit(matrix @ sparse.diags(ratios), positive)
    return ratios * regression.coef_[0], float(regression.intercept_[0])


class Snippets:
    """All snippets of labelled texts, with the margins that a classifier gives them.

    Each side has half of the weight, and each text of a side the same share of that, whatever its length.
    """

    def __init__(self, texts: Rows, features: Rows, length: int) -> None:
        model = LinearSnippetClassifier(features)
        found = windows([row["response"] for row in texts], model.unit, length)
        self.margins = np.array(model.margins(found.texts()))
        self.positive = _positive(texts)[found.text]
        each = 1 / np.bincount(found.text)[found.text]
        self.weights = each / np.where(self.positive, each[self.positive].sum(), each[~self.positive].sum()) / 2

    def quality(self) -> dict[str, float]:
        """Return accuracy, area under the ROC curve, and share classified positive, of balanced text."""
        from sklearn.metrics import roc_auc_score

        classified = self.margins > 0
        return {
            "accuracy": float(np.average(classified == self.positive, weights=self.weights)),
            "auc": float(roc_auc_score(self.positive, self.margins, sample_weight=self.weights)),
            "share_positive": float(np.average(classified, weights=self.weights)),
        }


def weighted_median(values: Numbers, weights: Numbers) -> float:
    """Return the middle between the lower and the upper weighted median of values, whose weights sum to 1."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    rounding = 1e-9
    places = [np.searchsorted(cumulative, 0.5 - rounding), np.searchsorted(cumulative, 0.5 + rounding)]
    low, high = values[order[np.minimum(places, len(values) - 1)]]
    return float((low + high) / 2)


def part_of(row: Mapping[str, Any]) -> Part:
    """Return the part of a text: it is chosen by the digest of its prompt or, without a prompt, of its identifier.

    Responses to one prompt stay together: they are similar, and dividing them would overestimate the accuracy.
    """
    identity = row["prompt"] or row["id"]
    return PARTS[int(hashlib.sha256(f"test:{identity}".encode()).hexdigest(), 16) % len(PARTS)]


def _positive(texts: Rows) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    return np.array([row["side"] == "positive" for row in texts])
