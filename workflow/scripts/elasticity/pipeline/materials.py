"""The data and models of a study as a graph: texts, splits, prompts, score model, base models.

The rules call these methods with Snakemake's wildcards. A path is written once, here or in a rule.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from elasticity.config import splits
from elasticity.config.base import Section
from elasticity.config.data import Beginnings, Questions, local_files
from elasticity.config.hardware import Hardware
from elasticity.config.models import GgufModel, HubModel, ImportedModel, ModelFolder, Pretrained, TunedModel
from elasticity.config.sampling import Sampling
from elasticity.config.score_models import SCORE_MODEL_FILES, GivenScoreModel, SnippetClassifier
from elasticity.config.study import Study
from elasticity.core import path_patterns
from elasticity.core.digests import canonical_json
from elasticity.core.errors import UserError
from elasticity.data.jobs import FetchJob, PromptJob, QuestionJob, SplitJob
from elasticity.evaluation.jobs import ScoreModelJob
from elasticity.models.jobs import FetchModelJob, FetchScoreModelJob, ImportJob, TokenizerJob
from elasticity.models.shapes import shape_of
from elasticity.models.sources import source_of
from elasticity.report.provenance import ProvenanceJob
from elasticity.training.jobs import FineTuneJob, PretrainJob

Wildcards = Any
"""Snakemake's wildcards: an object with a text attribute for each wildcard of the rule."""


class MaterialsPlan:
    """The jobs that make what the experiments start from."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"

    def provenance_job(self) -> str:
        """The whole study but for its hardware, which changes no result: what ran is in the metrics of the jobs."""
        return to_json(ProvenanceJob(study=self.study.model_copy(update={"hardware": Hardware()})))

    @staticmethod
    def either(names: Iterable[str]) -> str:
        """A regular expression that matches these names only; none at all if there are none."""
        return "|".join(map(re.escape, names)) or "(?!)"

    # Data

    def fetch_job(self, wildcards: Wildcards) -> str:
        """Of a task."""
        return to_json(FetchJob(source=self.study.tasks[wildcards.task].source))

    def source_files(self, wildcards: Wildcards) -> list[str]:
        """The user's own data files that a task is made of."""
        return sorted(set(local_files(self.study.tasks[wildcards.task].source).values()))

    def split_job(self, wildcards: Wildcards) -> str:
        """Of a split of a task."""
        task = self.study.tasks[wildcards.task]
        takes = splits.layout(task.splits, task.prompts)
        return to_json(SplitJob(takes=splits.needed(takes, wildcards.split)))

    @property
    def beginnings(self) -> dict[str, Beginnings]:
        """How prompts are cut in the tasks whose prompts are the beginnings of texts."""
        prompts = {name: task.prompts for name, task in self.study.tasks.items()}
        return {name: settings for name, settings in prompts.items() if isinstance(settings, Beginnings)}

    @property
    def questions(self) -> list[str]:
        """The tasks whose prompts are those of their examples."""
        return [name for name, task in self.study.tasks.items() if isinstance(task.prompts, Questions)]

    def question_job(self, _: Wildcards) -> str:
        """Of a split whose examples give prompts."""
        return to_json(QuestionJob())

    def prompt_job(self, wildcards: Wildcards) -> str:
        """Of a split whose texts give prompts."""
        return to_json(PromptJob(prompts=self.beginnings[wildcards.task]))

    def prompt_tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the tokenizer that counts the tokens of a task's prompts."""
        name = self.beginnings[wildcards.task].tokenizer
        model = self.study.models[name]
        return self._tokenizer(model) if isinstance(model, Pretrained) else self._base_folder(name)

    def prompt_tokenizer_made(self, wildcards: Wildcards) -> str:
        """The file that says that this tokenizer is there."""
        name = self.beginnings[wildcards.task].tokenizer
        model = self.study.models[name]
        return f"{self._tokenizer(model)}/tokenizer.json" if isinstance(model, Pretrained) else self._base_made(name)

    # Score models

    @property
    def trained_score_models(self) -> list[str]:
        """The tasks whose score model is trained in the workflow."""
        return [name for name, task in self.study.tasks.items() if isinstance(task.score_model, SnippetClassifier)]

    @property
    def given_score_models(self) -> dict[str, GivenScoreModel]:
        """The tasks whose score model was trained elsewhere."""
        models = {name: task.score_model for name, task in self.study.tasks.items()}
        return {name: model for name, model in models.items() if isinstance(model, GivenScoreModel)}

    def train_score_model_job(self, wildcards: Wildcards) -> str:
        """The score model of a task, as it is trained."""
        score_model = self.study.tasks[wildcards.task].score_model
        assert score_model is not None
        return to_json(score_model)

    def score_model_job(self, wildcards: Wildcards) -> str:
        """The score model of a task, as it is used."""
        score_model = self.study.tasks[wildcards.task].score_model
        assert score_model is not None
        return to_json(ScoreModelJob(score_model=score_model))

    def fetch_score_model_job(self, wildcards: Wildcards) -> str:
        """Where the hub has the score model of a task."""
        score_model = self.given_score_models[wildcards.task]
        assert score_model.repo is not None
        assert score_model.revision is not None
        return to_json(FetchScoreModelJob(repo=score_model.repo, revision=score_model.revision))

    def score_model_files(self, wildcards: Wildcards) -> list[str]:
        """The files of a task's score model, in one folder: trained, fetched, or the user's own.

        What was fetched is stood for by the file that lists it.
        """
        folder = f"{self.results}/{wildcards.task}/score-model"
        score_model = self.given_score_models.get(wildcards.task)
        if score_model is None:
            return [f"{folder}/features.parquet"]
        if score_model.path is None:
            return [f"{folder}/source/fetched.json"]
        found = sorted(path for pattern in SCORE_MODEL_FILES for path in Path(score_model.path).glob(pattern))
        return list(map(str, found))

    def score_model_texts(self, wildcards: Wildcards) -> list[str]:
        """The labelled texts that a score model from elsewhere is tried on, if the task keeps some for that."""
        if self.study.tasks[wildcards.task].splits.score_model == 0:
            return []
        return [f"{self.results}/{wildcards.task}/splits/score-model.parquet"]

    @staticmethod
    def folded(name: str) -> Callable[[Wildcards, Any], list[str]]:
        """The input files of this name as patterns: the command line has no room for thousands of paths."""

        def patterns(wildcards: Wildcards, input: Any) -> list[str]:
            return path_patterns.fold(getattr(input, name))

        return patterns

    # Models

    @property
    def pretrained(self) -> dict[str, Pretrained]:
        """The models that are pre-trained in the workflow."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, Pretrained)}

    @property
    def imported(self) -> dict[str, ImportedModel]:
        """The models that come from a folder, the hub, or a GGUF file."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, ImportedModel)}

    @property
    def from_hub(self) -> dict[str, HubModel]:
        """The models that are fetched first."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, HubModel)}

    def _tokenizer(self, model: Pretrained) -> str:
        return f"{self.results}/{model.task}/tokenizers/{model.vocabulary}"

    def tokenizer_job(self, wildcards: Wildcards) -> str:
        """Of a vocabulary."""
        return to_json(TokenizerJob(vocabulary=int(wildcards.vocabulary)))

    def model_tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the tokenizer of a model that is pre-trained."""
        return self._tokenizer(self.pretrained[wildcards.model])

    def model_tokenizer_made(self, wildcards: Wildcards) -> str:
        """The file that says that this tokenizer is there."""
        return f"{self.model_tokenizer(wildcards)}/tokenizer.json"

    def pretraining_split(self, wildcards: Wildcards) -> str:
        """What a model is pre-trained on."""
        return f"{self.results}/{self.pretrained[wildcards.model].task}/splits/pretraining.parquet"

    def pretrain_job(self, wildcards: Wildcards) -> str:
        """Of a model."""
        model = self.pretrained[wildcards.model]
        return to_json(PretrainJob(model=model, checkpoints=(*model.checkpoints, model.updates)))

    def fetch_model_job(self, wildcards: Wildcards) -> str:
        """Of a model on the hub."""
        return to_json(FetchModelJob(model=self.from_hub[wildcards.model]))

    def import_job(self, wildcards: Wildcards) -> str:
        """Of a model from elsewhere."""
        return to_json(ImportJob(model=self.imported[wildcards.model]))

    def import_files(self, wildcards: Wildcards) -> list[str]:
        """The files that a model is imported from; those of a package stay what they are."""
        model = self.imported[wildcards.model]
        if isinstance(model, HubModel):
            return [self.fetched(wildcards)]
        if isinstance(model, GgufModel):
            return [] if model.package else [model.path]
        return sorted(
            str(file) for kind in ("json", "jinja", "safetensors") for file in Path(model.path).glob(f"*.{kind}")
        )

    def fetched(self, wildcards: Wildcards) -> str:
        """The folder that a model of the hub is put into."""
        return self.fetched_folder(wildcards.model)

    def fetched_folder(self, model: str) -> str:
        """What a model of this name is put into, if it is of the hub."""
        return f"{self.results}/models/{model}/source"

    def import_memory_mb(self, wildcards: Wildcards) -> int:
        """Six bytes a parameter, the fp32 weights and the bf16 ones that they are read from, and the programs."""
        return 2000 + round(6e-6 * shape_of(self.imported[wildcards.model]).parameters)

    def import_runtime_min(self, wildcards: Wildcards) -> int:
        """Half an hour, and a minute for each billion of parameters, which are 4 GB to write."""
        return 30 + round(1e-9 * shape_of(self.imported[wildcards.model]).parameters)

    @property
    def tuned(self) -> dict[str, TunedModel]:
        """The models that are other models after fine-tuning."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, TunedModel)}

    def tuned_start(self, wildcards: Wildcards) -> str:
        """The checkpoints that a tuned model starts from."""
        return self._base_checkpoints(self.tuned[wildcards.model].base)

    def tuned_start_made(self, wildcards: Wildcards) -> str:
        """The file that says that these checkpoints are there."""
        return self._base_made(self.tuned[wildcards.model].base)

    def tuned_split(self, wildcards: Wildcards) -> str:
        """What a tuned model is trained on."""
        model = self.tuned[wildcards.model]
        return f"{self.results}/{model.task}/splits/{model.side}.parquet"

    def tuned_job(self, wildcards: Wildcards) -> str:
        """Of a tuned model."""
        model = self.tuned[wildcards.model]
        job = FineTuneJob(
            start=str(self.study.bases[model.base][1]),
            settings=model.tuning,
            sizes=(model.examples,),
            seed=model.seed,
            template=self.study.tasks[model.task].template,
        )
        return to_json(job)

    def weak_checkpoint(self, sampling: Sampling) -> int | None:
        """The checkpoint of the model that contrastive decoding sets responses off against."""
        return self.study.bases[sampling.contrast.weak][1] if sampling.contrast else None

    def _base_checkpoints(self, base: str) -> str:
        return f"{self.results}/models/{self.study.bases[base][0]}/checkpoints"

    def _base_folder(self, base: str) -> str:
        return f"{self._base_checkpoints(base)}/{self.study.bases[base][1]}"

    def _base_made(self, base: str) -> str:
        return f"{self.results}/models/{self.study.bases[base][0]}/metrics.json"

    def base_checkpoints(self, wildcards: Wildcards) -> str:
        """The folder of the checkpoints that a base is one of."""
        return self._base_checkpoints(wildcards.base)

    def base_made(self, wildcards: Wildcards) -> str:
        """The file that says that these checkpoints are there."""
        return self._base_made(wildcards.base)


def table_and_figure(results: str, name: str) -> list[str]:
    """The main files of a table and of the figure that is drawn from it."""
    return [f"{results}/tables/{name}.csv", f"{results}/figures/{name}.svg"]


def to_json(job: Section) -> str:
    """The text that a job gets on its command line."""
    return canonical_json(job.model_dump(mode="json"))


def check_given_files(plan: MaterialsPlan) -> None:
    """Raise ``UserError`` if a file that the study names is not there.

    Snakemake would not: if the input of a rule is missing but its output is there, it takes the old output.
    """
    for name, task in plan.study.tasks.items():
        for place, path in local_files(task.source).items():
            if not Path(path).is_file():
                raise UserError(f"tasks.{name}.source.{place}: {path} does not exist (seen from {Path.cwd()})")
    for name, score_model in plan.given_score_models.items():
        if score_model.path is not None and not Path(score_model.path, "config.json").is_file():
            raise UserError(
                f"tasks.{name}.score_model.path: {score_model.path} is not a model folder: it holds no config.json"
            )
    for name, model in plan.imported.items():
        source = source_of(model, Path(plan.fetched_folder(name)))
        if isinstance(model, GgufModel) and not source.is_file():
            raise UserError(f"models.{name}.path: {source} does not exist (seen from {Path.cwd()})")
        for needed in ("config.json", "tokenizer.json"):
            if isinstance(model, ModelFolder) and not (source / needed).is_file():
                raise UserError(f"models.{name}.path: {source} is not a model folder: it holds no {needed}")
