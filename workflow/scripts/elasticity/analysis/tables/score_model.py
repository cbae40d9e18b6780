"""The table of a score model: how well it tells the sides of each kind of text apart that it judges."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from elasticity.analysis.aggregation import t_interval
from elasticity.analysis.jobs import ScoreModelTableJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

COLUMNS = ["text", "texts", "scored", "accuracy", "accuracy_low", "accuracy_high", "auc", "share_positive"]


def score_model_table(
    quality: Mapping[str, float], scores: "pd.DataFrame", prompts: "pd.DataFrame", threshold: float
) -> "pd.DataFrame":
    """One row for held-out text, and one for the responses of each base model, labelled by the side of their prompt.

    ``quality`` is what was measured of the score model, ``scores`` has schema ``SCORES``, ``prompts`` has schema
    ``EXAMPLES``, and a response with a score above ``threshold`` counts as positive.
    """
    import pandas as pd

    held_out = {"text": "held-out text", "texts": quality.get("test_texts", 0)}
    held_out["scored"] = quality.get("test_snippets", held_out["texts"])
    rows = [held_out | {name: quality.get(name) for name in ("accuracy", "auc", "share_positive")}]
    own = scores[scores["alignment_side"].isna()].merge(prompts, left_on="prompt_id", right_on="id")
    rows += [{"text": f"responses of {base}"} | _quality(those, threshold) for base, those in own.groupby("base")]
    return pd.DataFrame(rows, columns=COLUMNS)


def _quality(rows: "pd.DataFrame", threshold: float) -> dict[str, Any]:
    """Accuracy with its 95 % t interval over prompts, and area under the ROC curve; NaN for prompts of one side."""
    from sklearn.metrics import roc_auc_score

    positive, above = rows["side"] == "positive", rows["score"] > threshold
    found = {"texts": rows["id"].nunique(), "scored": len(rows), "share_positive": above.mean()}
    if not {"positive", "negative"} <= set(rows["side"]):
        return found
    right = np.asarray((positive == above).groupby(rows["id"]).mean(), dtype=float)
    found |= dict(zip(("accuracy", "accuracy_low", "accuracy_high"), t_interval(right), strict=True))
    return found | {"auc": roc_auc_score(positive, np.asarray(rows["score"]))}


def make(command: "Command[ScoreModelTableJob]") -> None:
    """Write the table of a task from the scores of its base models and the examples of its prompts."""
    from elasticity.core.tables import read_table
    from elasticity.data.schemas import EXAMPLES
    from elasticity.evaluation.schemas import SCORES

    quality = json.loads(command.path("quality").read_text())
    scores = read_table(command.path("scores"), SCORES).to_pandas()
    prompts = read_table(command.path("prompts"), EXAMPLES).to_pandas()[["id", "side"]]
    write_csv(score_model_table(quality, scores, prompts, command.job.threshold), command.path("table"))


TABLE = Table(
    job=ScoreModelTableJob,
    of="task",
    inputs=("quality", "scores", "prompts"),
    outputs={"table": "score-model-{task}.csv"},
    make=make,
    chapter="Data and models",
    subject="{task}",
    shown={
        "table": Shown(
            label="score model on the texts that it judges",
            caption="""
How well the score model tells the two sides apart, on held-out text and on the responses of the base models. A response
has the label of the text that its prompt begins; a model follows its prompt only in part, so this accuracy is a lower
bound of that on model text, and no more than chance where the model does not follow it at all. The interval is a 95 %
t interval over prompts. ``share_positive`` of a base model is near one half if it was pre-trained on balanced text and
the score model is centred on model text, too.
""",
        )
    },
)
