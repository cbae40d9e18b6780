"""Score models: they give each response to a prompt a score, and a larger score is better."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sklearn.metrics import roc_auc_score

from elasticity.config.score_models import (
    GivenScoreModel,
    GoldPair,
    ScoreModelSettings,
    SnippetClassifier,
    TextClassifier,
)
from elasticity.core.errors import UserError
from elasticity.core.tables import read_rows
from elasticity.evaluation.schemas import FEATURES


class ScoreModel(Protocol):
    """Scores responses to prompts."""

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """Return one number for each response; larger is better. It does not depend on the other responses."""
        ...


def load_score_model(settings: ScoreModelSettings, files: Sequence[Path]) -> ScoreModel:
    """Return the score model of a task, on the device of this process. ``files`` are files of its folder.

    Raises ``UserError`` if it cannot be loaded, or does not order its gold pair correctly.
    """
    model = _load(settings, files[0].parent)
    check_gold_pair(model, settings.gold_pair)
    return model


def _load(settings: ScoreModelSettings, folder: Path) -> ScoreModel:
    """Load a score model; only its kind is imported: the linear one does not need transformers, which take seconds."""
    if isinstance(settings, SnippetClassifier):
        from elasticity.evaluation.snippet_classifier import LinearSnippetClassifier

        return LinearSnippetClassifier(read_rows(folder / "features.parquet", FEATURES))
    if isinstance(settings, TextClassifier):
        from elasticity.evaluation.text_classifier import LabelScoreModel

        return LabelScoreModel(folder, settings)
    from elasticity.evaluation.cost_model import CostScoreModel

    return CostScoreModel(folder, settings)


def check_gold_pair(model: ScoreModel, pair: GoldPair) -> tuple[float, float]:
    """Return the scores of the good and the bad response of the gold pair.

    Raises ``UserError`` unless the good response scores above the bad one: then the sign or the weights are wrong.
    """
    high, low = model.score([pair.prompt, pair.prompt], [pair.good, pair.bad])
    if not high > low:
        raise UserError(
            f"the score model gives {high:.3f} to the good text of its gold pair ({pair.good!r}) and {low:.3f} to the "
            f"bad one ({pair.bad!r}): up must be good. Check score_model.good and score_model.bad in the study."
        )
    return high, low


def score_model_quality(
    model: ScoreModel, settings: GivenScoreModel, texts: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return how well a given score model separates the sides of labelled texts (schema ``EXAMPLES``).

    The area under the ROC curve is left out if all texts are of one side.
    """
    positive = [row["side"] == "positive" for row in texts]
    scores = model.score([row["prompt"] for row in texts], [row["response"] for row in texts])
    right = [(score > settings.threshold) == side for score, side in zip(scores, positive, strict=True)]
    quality = {"test_texts": len(texts), "accuracy": sum(right) / len(texts)}
    if len(set(positive)) == 2:
        quality["auc"] = float(roc_auc_score(positive, scores))
    return quality
