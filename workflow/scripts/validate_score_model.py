"""Check a score model that was trained elsewhere, before any model is trained.

Its gold pair is scored, and its accuracy is measured on labelled texts if the task keeps some for that.
"""

import json

from elasticity.config.score_models import GivenScoreModel
from elasticity.core.tables import read_rows
from elasticity.data.schemas import EXAMPLES
from elasticity.evaluation.jobs import ScoreModelJob
from elasticity.evaluation.scoring import check_gold_pair, load_score_model, score_model_quality
from elasticity.runtime.command import Command

with Command(__doc__, ScoreModelJob, "score-model", output="quality", optional=("texts",)) as command:
    settings = command.job.score_model
    assert isinstance(settings, GivenScoreModel)
    model = load_score_model(settings, command.paths("score-model"))
    good, bad = check_gold_pair(model, settings.gold_pair)
    quality: dict[str, float] = {"gold_pair_good": good, "gold_pair_bad": bad}
    for path in command.paths("texts"):
        quality |= score_model_quality(model, settings, read_rows(path, EXAMPLES))
    command.path("quality").write_text(json.dumps(quality, indent=2) + "\n")
    print(quality)
