"""Score models in the graph: trained in the workflow, or given."""

from pathlib import Path

from elasticity.config.score_models import SCORE_MODEL_FILES, GivenScoreModel, SnippetClassifier
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import ScoreModelJob
from elasticity.models.jobs import FetchScoreModelJob
from elasticity.pipeline.common import Part, Wildcards, to_json


class ScoreModelJobs(Part):
    """The jobs that make, validate and apply the score model of each task."""

    @property
    def trained(self) -> list[str]:
        """The tasks whose score model is trained in the workflow."""
        return [name for name, task in self.study.tasks.items() if isinstance(task.score_model, SnippetClassifier)]

    @property
    def given(self) -> dict[str, GivenScoreModel]:
        """The tasks whose score model was trained elsewhere."""
        models = {name: task.score_model for name, task in self.study.tasks.items()}
        return {name: model for name, model in models.items() if isinstance(model, GivenScoreModel)}

    def is_scored(self, task: str) -> bool:
        """Whether the task has a score model, so that responses to its prompts are generated and scored."""
        return self.study.tasks[task].score_model is not None

    def train_job(self, wildcards: Wildcards) -> str:
        """Train the score model of a task."""
        score_model = self.study.tasks[wildcards.task].score_model
        assert score_model is not None
        return to_json(score_model)

    def job(self, wildcards: Wildcards) -> str:
        """Validate the score model of a task, or score with it."""
        score_model = self.study.tasks[wildcards.task].score_model
        assert score_model is not None
        return to_json(ScoreModelJob(score_model=score_model))

    def download_job(self, wildcards: Wildcards) -> str:
        """Download the score model of a task from the hub."""
        score_model = self.given[wildcards.task]
        assert score_model.repo is not None
        assert score_model.revision is not None
        return to_json(FetchScoreModelJob(repo=score_model.repo, revision=score_model.revision))

    def files(self, wildcards: Wildcards) -> list[str]:
        """The files of a task's score model, in one folder: trained, downloaded, or the user's own.

        A downloaded model is represented by the file that lists it.
        """
        folder = f"{self.results}/{wildcards.task}/score-model"
        score_model = self.given.get(wildcards.task)
        if score_model is None:
            return [f"{folder}/features.parquet"]
        if score_model.path is None:
            return [f"{folder}/source/fetched.json"]
        found = sorted(path for pattern in SCORE_MODEL_FILES for path in Path(score_model.path).glob(pattern))
        return list(map(str, found))

    def texts(self, wildcards: Wildcards) -> list[str]:
        """The labelled texts that a given score model is validated on; none if the task has no split for them."""
        if self.study.tasks[wildcards.task].splits.score_model == 0:
            return []
        return [f"{self.results}/{wildcards.task}/splits/score-model.parquet"]

    def check(self) -> None:
        """Raise ``UserError`` if a score model that the study names is not a model folder."""
        for name, score_model in self.given.items():
            if score_model.path is not None and not Path(score_model.path, "config.json").is_file():
                raise UserError(
                    f"tasks.{name}.score_model.path: {score_model.path} is not a model folder: it holds no config.json"
                )
