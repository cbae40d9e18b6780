"""Train and test the snippet classifier that scores the responses of a task."""

import json

from elasticity.config.score_models import SnippetClassifier
from elasticity.core.tables import read_rows, write_table
from elasticity.data.schemas import EXAMPLES
from elasticity.evaluation.schemas import FEATURES
from elasticity.evaluation.scoring import check_gold_pair
from elasticity.evaluation.snippet_classifier import LinearSnippetClassifier, train_classifier
from elasticity.runtime.command import Command

with Command(__doc__, SnippetClassifier, "texts", "quality", output="features") as command:
    features, quality = train_classifier(read_rows(command.path("texts"), EXAMPLES), command.job)
    check_gold_pair(LinearSnippetClassifier(features), command.job.gold_pair)
    write_table(command.path("features"), features, FEATURES)
    command.path("quality").write_text(json.dumps(quality, indent=2) + "\n")
    print(quality)
