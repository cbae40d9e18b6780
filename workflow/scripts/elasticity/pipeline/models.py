"""Base models in the graph: pre-trained in the workflow, imported, or tuned from another base model."""

from pathlib import Path

from elasticity.config.models import GgufModel, HubModel, ImportedModel, ModelFolder, Pretrained, TunedModel
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import BitsPerByteJob
from elasticity.models.jobs import FetchModelJob, ImportJob, TokenizerJob
from elasticity.models.shapes import shape_of
from elasticity.models.sources import source_of
from elasticity.pipeline.common import Part, Wildcards, algorithm_module, to_json
from elasticity.training.jobs import FineTuneJob, PretrainJob


class ModelJobs(Part):
    """The jobs that make base models and their tokenizers, and measure them.

    A base model is a checkpoint in ``models/NAME/checkpoints``; the file ``models/NAME/metrics.json`` shows that
    the checkpoints are complete. Snakemake compares this file by content, but a folder only by time.
    """

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
        """The models that are downloaded from the hub."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, HubModel)}

    @property
    def tuned(self) -> dict[str, TunedModel]:
        """The models that are made from other base models by fine-tuning."""
        return {name: model for name, model in self.study.models.items() if isinstance(model, TunedModel)}

    # Paths of base models

    def checkpoints_of(self, base: str) -> str:
        """The folder with the checkpoint of a base model, and others of the same model."""
        return f"{self.results}/models/{self.study.bases[base][0]}/checkpoints"

    def folder(self, base: str) -> str:
        """The folder of the checkpoint of a base model."""
        return f"{self.checkpoints_of(base)}/{self.study.bases[base][1]}"

    def metrics_of(self, base: str) -> str:
        """The file that shows that the checkpoints of a base model are complete."""
        return f"{self.results}/models/{self.study.bases[base][0]}/metrics.json"

    def base_checkpoints(self, wildcards: Wildcards) -> str:
        """The checkpoints of the base model that the wildcards name."""
        return self.checkpoints_of(wildcards.base)

    def base_metrics(self, wildcards: Wildcards) -> str:
        """The file that shows that the checkpoints that hold a base model are complete."""
        return self.metrics_of(wildcards.base)

    # Pre-training

    def tokenizer_of(self, model: Pretrained) -> str:
        """The folder of the tokenizer of a model that is pre-trained in the workflow."""
        return f"{self.results}/{model.task}/tokenizers/{model.vocabulary}"

    def tokenizer_folder(self, name: str) -> str:
        """The folder with the tokenizer of a model: its own, or that of the model itself if it is imported."""
        model = self.study.models[name]
        return self.tokenizer_of(model) if isinstance(model, Pretrained) else self.folder(name)

    def complete_tokenizer(self, name: str) -> str:
        """The file that shows that the folder with the tokenizer of a model is complete."""
        model = self.study.models[name]
        return f"{self.tokenizer_of(model)}/tokenizer.json" if isinstance(model, Pretrained) else self.metrics_of(name)

    def tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the tokenizer of the model that the wildcards name."""
        return self.tokenizer_of(self.pretrained[wildcards.model])

    def tokenizer_file(self, wildcards: Wildcards) -> str:
        """The file that shows that the tokenizer of the model that the wildcards name is complete."""
        return f"{self.tokenizer(wildcards)}/tokenizer.json"

    def tokenizer_job(self, wildcards: Wildcards) -> str:
        """Train a tokenizer with the vocabulary size that the wildcards give."""
        return to_json(TokenizerJob(vocabulary=int(wildcards.vocabulary)))

    def pretraining_split(self, wildcards: Wildcards) -> str:
        """The texts that a model is pre-trained on."""
        return f"{self.results}/{self.pretrained[wildcards.model].task}/splits/pretraining.parquet"

    def pretrain_job(self, wildcards: Wildcards) -> str:
        """Pre-train a model."""
        model = self.pretrained[wildcards.model]
        return to_json(PretrainJob(model=model, checkpoints=(*model.checkpoints, model.updates)))

    # Import

    def download_job(self, wildcards: Wildcards) -> str:
        """Download a model from the hub."""
        return to_json(FetchModelJob(model=self.from_hub[wildcards.model]))

    def downloaded(self, model: str) -> str:
        """The folder that a model of the hub is downloaded into."""
        return f"{self.results}/models/{model}/source"

    def import_job(self, wildcards: Wildcards) -> str:
        """Import a model."""
        return to_json(ImportJob(model=self.imported[wildcards.model]))

    def import_files(self, wildcards: Wildcards) -> list[str]:
        """The files that a model is imported from; those of an installed package never change and are not listed."""
        model = self.imported[wildcards.model]
        if isinstance(model, HubModel):
            return [self.downloaded(wildcards.model)]
        if isinstance(model, GgufModel):
            return [] if model.package else [model.path]
        return sorted(
            str(file) for kind in ("json", "jinja", "safetensors") for file in Path(model.path).glob(f"*.{kind}")
        )

    def import_memory_mb(self, wildcards: Wildcards) -> int:
        """Memory in MB: six bytes per parameter (fp32 weights and the bf16 weights that are read), and 2 GB."""
        return 2000 + round(6e-6 * shape_of(self.imported[wildcards.model]).parameters)

    def import_runtime_min(self, wildcards: Wildcards) -> int:
        """Time limit in minutes: half an hour, and one minute for each billion parameters, which take 4 GB on disk."""
        return 30 + round(1e-9 * shape_of(self.imported[wildcards.model]).parameters)

    # Tuned models

    def tuned_start(self, wildcards: Wildcards) -> str:
        """The checkpoints that a tuned model starts from."""
        return self.checkpoints_of(self.tuned[wildcards.model].base)

    def tuned_start_metrics(self, wildcards: Wildcards) -> str:
        """The file that shows that the checkpoints to start a tuned model from are complete."""
        return self.metrics_of(self.tuned[wildcards.model].base)

    def tuned_split(self, wildcards: Wildcards) -> str:
        """The examples that a tuned model is trained on."""
        model = self.tuned[wildcards.model]
        return f"{self.results}/{model.task}/splits/{model.side}.parquet"

    def tuned_job(self, wildcards: Wildcards) -> str:
        """Fine-tune a base model into another one."""
        model = self.tuned[wildcards.model]
        job = FineTuneJob(
            start=str(self.study.bases[model.base][1]),
            settings=model.tuning,
            sizes=(model.examples,),
            seed=model.seed,
            template=self.study.tasks[model.task].template,
            answers=self.study.tasks[model.task].answers,
        )
        return to_json(job)

    def tuned_algorithm(self, wildcards: Wildcards) -> str:
        """The module of the algorithm that a tuned model is trained by."""
        return algorithm_module(self.tuned[wildcards.model].tuning)

    def check(self) -> None:
        """Raise ``UserError`` if the files of a model that the study names do not exist, or if its shape is unknown."""
        for name, model in self.imported.items():
            source = source_of(model, Path(self.downloaded(name)))
            if isinstance(model, GgufModel) and not source.is_file():
                raise UserError(f"models.{name}.path: {source} does not exist (seen from {Path.cwd()})")
            for needed in ("config.json", "tokenizer.json"):
                if isinstance(model, ModelFolder) and not (source / needed).is_file():
                    raise UserError(f"models.{name}.path: {source} is not a model folder: it holds no {needed}")
            if not isinstance(model, ModelFolder):
                shape_of(model)

    # Bits per byte of held-out text

    def bases_of_task(self, task: str) -> list[str]:
        """The base models of the rebound experiments of a task."""
        return sorted({base for it in self.study.rebound.values() if it.task == task for base in it.bases})

    def measured_tasks(self) -> list[str]:
        """The tasks whose base models are measured on held-out text."""
        tasks = sorted({rebound.task for rebound in self.study.rebound.values()})
        return [task for task in tasks if self.study.tasks[task].splits.held_out]

    def task_checkpoints(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints that hold the base models of a task."""
        return sorted({self.checkpoints_of(base) for base in self.bases_of_task(wildcards.task)})

    def task_metrics(self, wildcards: Wildcards) -> list[str]:
        """The files that show that the checkpoints that hold the base models of a task are complete."""
        return sorted({self.metrics_of(base) for base in self.bases_of_task(wildcards.task)})

    def bits_per_byte_job(self, wildcards: Wildcards) -> str:
        """Measure the base models of a task on held-out text."""
        bases = tuple((base, self.folder(base)) for base in self.bases_of_task(wildcards.task))
        return to_json(BitsPerByteJob(bases=bases, max_length=self.study.tasks[wildcards.task].held_out_tokens))
