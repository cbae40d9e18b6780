"""Train and test the classifier that judges the answers."""

import json

from elasticity.command import Command
from elasticity.records import EXAMPLES, FEATURES, read_rows, write_table
from elasticity.score_settings import SnippetClassifier
from elasticity.scoring import check_gold_pair
from elasticity.snippet_classifier import LinearSnippetClassifier, train_classifier

with Command(__doc__, SnippetClassifier, "texts", "quality", output="features") as command:
    features, quality = train_classifier(read_rows(command.path("texts"), EXAMPLES), command.job)
    check_gold_pair(LinearSnippetClassifier(features), command.job.gold_pair)
    write_table(command.path("features"), features, FEATURES)
    command.path("quality").write_text(json.dumps(quality, indent=2) + "\n")
    print(quality)
