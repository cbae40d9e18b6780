"""Score models: prompts and answers in, a score per answer out, up is good."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from elasticity.errors import UserError
from elasticity.records import FEATURES, read_rows
from elasticity.score_settings import GoldPair, ScoreModelSettings, SnippetClassifier, TextClassifier


class ScoreModel(Protocol):
    """What the workflow needs of a score model."""

    def score(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        """One number for each answer to its prompt; larger is better. It does not depend on the other answers."""
        ...


def load_score_model(settings: ScoreModelSettings, files: Sequence[Path]) -> ScoreModel:
    """The score model of a task, on this process's device. ``files`` lie in its folder: see ``Plan.judge_files``.

    Raises ``UserError`` if it cannot be loaded, or does not put its gold pair in order.
    """
    model = _load(settings, files[0].parent)
    check_gold_pair(model, settings.gold_pair)
    return model


def _load(settings: ScoreModelSettings, folder: Path) -> ScoreModel:
    """Each kind is imported where it is asked for: the linear one needs no transformers, which take seconds."""
    if isinstance(settings, SnippetClassifier):
        from elasticity.snippet_classifier import LinearSnippetClassifier

        return LinearSnippetClassifier(read_rows(folder / "features.parquet", FEATURES))
    if isinstance(settings, TextClassifier):
        from elasticity.judges import LabelJudge

        return LabelJudge(folder, settings)
    from elasticity.cost_model import CostJudge

    return CostJudge(folder, settings)


def check_gold_pair(model: ScoreModel, pair: GoldPair) -> tuple[float, float]:
    """Refuse a score model whose sign is wrong or whose weights are not those that it was trained to.

    Returns the scores of the good and the bad answer.
    Raises ``UserError`` unless the good answer of the study scores above the bad one.
    """
    high, low = model.score([pair.prompt, pair.prompt], [pair.good, pair.bad])
    if not high > low:
        raise UserError(
            f"the score model gives {high:.3f} to the good text of its gold pair ({pair.good!r}) and {low:.3f} to the "
            f"bad one ({pair.bad!r}): up must be good. Check score_model.good and score_model.bad in the study."
        )
    return high, low
