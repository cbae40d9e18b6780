"""Train and test the classifier that judges the answers."""

import json

from elasticity.command import Command
from elasticity.records import FEATURES, TEXTS, read_rows, write_table
from elasticity.scoring import train_classifier
from elasticity.study import SnippetClassifier

with Command(__doc__, SnippetClassifier, "texts", "quality", output="features") as command:
    features, quality = train_classifier(read_rows(command.path("texts"), TEXTS), command.job)
    write_table(command.path("features"), features, FEATURES)
    command.path("quality").write_text(json.dumps(quality, indent=2) + "\n")
    print(quality)
