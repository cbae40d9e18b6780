"""Score all responses of a task; the score model is loaded once.

The files of responses are named by patterns: see ``elasticity.core.path_patterns``.
"""

from elasticity.core.path_patterns import unfold
from elasticity.core.tables import read_table, write_table
from elasticity.evaluation.jobs import ScoreModelJob
from elasticity.evaluation.schemas import RESPONSES, SCORES
from elasticity.evaluation.scoring import load_score_model
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share

with Command(__doc__, ScoreModelJob, "score-model", "responses", output="scores") as command:
    model = load_score_model(command.job.score_model, command.paths("score-model"))
    rows = []
    for path in progress(unfold(command.paths("responses")), "score", "files", command.journal):
        responses = read_table(path, RESPONSES)
        texts = share(responses.select(["prompt", "response"]).to_pylist())
        scores = collect(model.score([text["prompt"] for text in texts], [text["response"] for text in texts]))
        if is_first_process():
            cells = responses.select(SCORES.names[:-1]).to_pylist()
            rows += [cell | {"score": score} for cell, score in zip(cells, scores, strict=True)]
    if is_first_process():
        write_table(command.path("scores"), rows, SCORES)
        print(f"{len(rows)} scores")
