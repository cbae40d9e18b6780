"""Score all answers of a task with one loading of the score model."""

from elasticity.command import Command
from elasticity.jobs import ScoreJob
from elasticity.records import ANSWERS, FEATURES, SCORES, read_rows, read_table, write_table
from elasticity.scoring import LinearSnippetClassifier, check_gold_pair

with Command(__doc__, ScoreJob, "features", "answers", output="scores") as command:
    model = LinearSnippetClassifier(read_rows(command.path("features"), FEATURES))
    check_gold_pair(model, command.job.good, command.job.bad)
    columns = SCORES.names[:-1]
    rows = []
    for path in command.paths("answers"):
        answers = read_table(path, ANSWERS)
        scores = model.score(answers["answer"].to_pylist())
        cells = answers.select(columns).to_pylist()
        rows += [cell | {"score": score} for cell, score in zip(cells, scores, strict=True)]
    write_table(command.path("scores"), rows, SCORES)
    print(f"{len(rows)} scores")
