"""Score all answers of a task with one loading of the score model. Answers are named by patterns: see ``paths``."""

from elasticity.command import Command
from elasticity.jobs import ScoreModelJob
from elasticity.journal import is_first_process
from elasticity.paths import unfold
from elasticity.processes import collect, share
from elasticity.progress import progress
from elasticity.records import ANSWERS, SCORES, read_table, write_table
from elasticity.scoring import load_score_model

with Command(__doc__, ScoreModelJob, "judge", "answers", output="scores") as command:
    model = load_score_model(command.job.score_model, command.paths("judge"))
    rows = []
    for path in progress(unfold(command.paths("answers")), "score", "files", command.journal):
        answers = read_table(path, ANSWERS)
        texts = share(answers.select(["prompt", "answer"]).to_pylist())
        scores = collect(model.score([text["prompt"] for text in texts], [text["answer"] for text in texts]))
        if is_first_process():
            cells = answers.select(SCORES.names[:-1]).to_pylist()
            rows += [cell | {"score": score} for cell, score in zip(cells, scores, strict=True)]
    if is_first_process():
        write_table(command.path("scores"), rows, SCORES)
        print(f"{len(rows)} scores")
