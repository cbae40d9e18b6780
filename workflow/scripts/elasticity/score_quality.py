"""How well a score model that was trained elsewhere does on labelled texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.metrics import roc_auc_score

from elasticity.score_settings import Judge
from elasticity.scoring import ScoreModel


def judge_quality(model: ScoreModel, settings: Judge, texts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How well a model that was trained elsewhere tells the sides of labelled texts (schema ``EXAMPLES``).

    The area under the curve is left out if all texts are of one side.
    """
    positive = [row["side"] == "positive" for row in texts]
    scores = model.score([row["prompt"] for row in texts], [row["answer"] for row in texts])
    right = [(score > settings.threshold) == side for score, side in zip(scores, positive, strict=True)]
    quality = {"test_texts": len(texts), "accuracy": sum(right) / len(texts)}
    if len(set(positive)) == 2:
        quality["auc"] = float(roc_auc_score(positive, scores))
    return quality
