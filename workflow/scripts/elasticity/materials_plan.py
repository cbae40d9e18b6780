"""The materials of a study as a graph: texts, pools, prompts, score model, base models.

The rules call these methods with Snakemake's wildcards. A path is written once, here or in a rule.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from elasticity import jobs, pools
from elasticity.digests import canonical_json
from elasticity.errors import UserError
from elasticity.hardware import Hardware
from elasticity.settings import Section
from elasticity.study import LabelledFile, ModelFolder, Pretrained, Study

Wildcards = Any
"""Snakemake's wildcards: an object with a text attribute for each wildcard of the rule."""


class MaterialsPlan:
    """The jobs that make what the experiments start from."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"

    def provenance_job(self) -> str:
        """The whole study but for its hardware, which changes no result: what ran is in the metrics of the jobs."""
        return to_json(jobs.ProvenanceJob(study=self.study.model_copy(update={"hardware": Hardware()})))

    @staticmethod
    def either(names: Iterable[str]) -> str:
        """A regular expression that matches these names only; none at all if there are none."""
        return "|".join(map(re.escape, names)) or "(?!)"

    def check_files(self) -> None:
        """Raise ``UserError`` if a file that the study names is not there.

        Snakemake would not: if the input of a rule is missing but its output is there, it takes the old output.
        """
        for name, task in self.study.tasks.items():
            if isinstance(task.source, LabelledFile) and not Path(task.source.path).is_file():
                raise UserError(f"tasks.{name}.source.path: {task.source.path} does not exist (seen from {Path.cwd()})")
        for name, model in self.imported.items():
            for needed in ("config.json", "tokenizer.json"):
                if not Path(model.path, needed).is_file():
                    raise UserError(f"models.{name}.path: {model.path} is not a model folder: it holds no {needed}")

    # Data

    def fetch_job(self, wildcards: Wildcards) -> str:
        """Of a task."""
        return to_json(jobs.FetchJob(source=self.study.tasks[wildcards.task].source))

    def source_files(self, wildcards: Wildcards) -> list[str]:
        """The user's own data file, if the task has one."""
        source = self.study.tasks[wildcards.task].source
        return [source.path] if isinstance(source, LabelledFile) else []

    def pool_job(self, wildcards: Wildcards) -> str:
        """Of a pool of a task."""
        stretches = pools.layout(self.study.tasks[wildcards.task].pools)[wildcards.pool]
        return to_json(jobs.PoolJob(stretches=stretches))

    def prompt_job(self, wildcards: Wildcards) -> str:
        """Of a pool whose texts give prompts."""
        return to_json(jobs.PromptJob(prompts=self.study.tasks[wildcards.task].prompts))

    def prompt_tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the tokenizer that counts the tokens of a task's prompts."""
        name = self.study.tasks[wildcards.task].prompts.tokenizer
        model = self.study.models[name]
        return self._tokenizer(model) if isinstance(model, Pretrained) else self._base_folder(name)

    def prompt_tokenizer_made(self, wildcards: Wildcards) -> str:
        """The file that says that this tokenizer is there."""
        name = self.study.tasks[wildcards.task].prompts.tokenizer
        model = self.study.models[name]
        return f"{self._tokenizer(model)}/tokenizer.json" if isinstance(model, Pretrained) else self._base_made(name)

    def score_model_job(self, wildcards: Wildcards) -> str:
        """The score model of a task."""
        return to_json(self.study.tasks[wildcards.task].score_model)

    def score_job(self, wildcards: Wildcards) -> str:
        """What a score model must get right before it judges."""
        score_model = self.study.tasks[wildcards.task].score_model
        return to_json(jobs.ScoreJob(good=score_model.good, bad=score_model.bad))

    # Models

    @property
    def pretrained(self) -> dict[str, Pretrained]:
        """The models that are pre-trained in the workflow."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, Pretrained)}

    @property
    def imported(self) -> dict[str, ModelFolder]:
        """The models that come from a folder."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, ModelFolder)}

    def _tokenizer(self, model: Pretrained) -> str:
        return f"{self.results}/{model.task}/tokenizers/{model.vocabulary}"

    def tokenizer_job(self, wildcards: Wildcards) -> str:
        """Of a vocabulary."""
        return to_json(jobs.TokenizerJob(vocabulary=int(wildcards.vocabulary)))

    def model_tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the tokenizer of a model that is pre-trained."""
        return self._tokenizer(self.pretrained[wildcards.model])

    def model_tokenizer_made(self, wildcards: Wildcards) -> str:
        """The file that says that this tokenizer is there."""
        return f"{self.model_tokenizer(wildcards)}/tokenizer.json"

    def pretraining_pool(self, wildcards: Wildcards) -> str:
        """What a model is pre-trained on."""
        return f"{self.results}/{self.pretrained[wildcards.model].task}/pools/pretraining.parquet"

    def pretrain_job(self, wildcards: Wildcards) -> str:
        """Of a model."""
        model = self.pretrained[wildcards.model]
        return to_json(jobs.PretrainJob(model=model, rungs=(*model.checkpoints, model.updates)))

    def folder_job(self, wildcards: Wildcards) -> str:
        """Of a model that comes from a folder."""
        return to_json(jobs.FolderJob(path=self.imported[wildcards.model].path))

    def folder_files(self, wildcards: Wildcards) -> list[str]:
        """The files of a model that comes from a folder."""
        folder = Path(self.imported[wildcards.model].path)
        return [f"{folder}/config.json", f"{folder}/tokenizer.json", *map(str, sorted(folder.glob("*.safetensors")))]

    def _base_rungs(self, base: str) -> str:
        return f"{self.results}/models/{self.study.bases[base][0]}/rungs"

    def _base_folder(self, base: str) -> str:
        return f"{self._base_rungs(base)}/{self.study.bases[base][1]}"

    def _base_made(self, base: str) -> str:
        return f"{self.results}/models/{self.study.bases[base][0]}/metrics.json"

    def base_rungs(self, wildcards: Wildcards) -> str:
        """The folder of the checkpoints that a base is one of."""
        return self._base_rungs(wildcards.base)

    def base_made(self, wildcards: Wildcards) -> str:
        """The file that says that these checkpoints are there."""
        return self._base_made(wildcards.base)


def to_json(job: Section) -> str:
    """The text that a job gets on its command line."""
    return canonical_json(job.model_dump(mode="json"))
