"""Springs in the graph: joint training of all corpora at once, beside the sequential stages (paper C)."""

from types import SimpleNamespace

from elasticity.analysis.jobs import SpringBase, SpringRun, SpringsJob
from elasticity.config.experiments import Rebound
from elasticity.config.models import Pretrained
from elasticity.core.run_names import sizes_in
from elasticity.pipeline.common import Part, Wildcards, to_json
from elasticity.pipeline.models import ModelJobs
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.runs import InverseStage, RunSizes, inverse_stages
from elasticity.training.jobs import FineTuneJob, JointJob


class SpringsJobs(Part):
    """The jobs of rebound experiments that measure compression rates of models with known pre-training data."""

    def __init__(self, models: ModelJobs, rebound: ReboundJobs) -> None:
        super().__init__(rebound.study)
        self.models, self.rebound = models, rebound

    def bases(self, rebound: Rebound) -> list[str]:
        """The base models of an experiment for which the theorem can be tested.

        They are checkpoints of pre-training in the workflow, so |D1| is known, and not 0. Both stages maximize the
        likelihood of their examples, as the theorem assumes, and N includes 0 and a larger size. Nothing is planted.
        """
        if rebound.planted is not None:
            return []
        recipes = [self.study.recipe(name) for name in (rebound.alignment_recipe, rebound.inverse_recipe)]
        fitted = all(recipe.algorithm.kind == "sft" for recipe in recipes)
        if not (rebound.compression and fitted and rebound.inverse_sizes[0] == 0 and len(rebound.inverse_sizes) > 1):
            return []
        found = {base: self.study.bases[base] for base in rebound.bases}
        return [base for base, (model, updates) in found.items() if updates and model in self.models.pretrained]

    def model_of(self, base: str) -> tuple[str, Pretrained]:
        """The name and settings of the pre-trained model that a base model is a checkpoint of."""
        name = self.study.bases[base][0]
        return name, self.models.pretrained[name]

    # Joint training

    def texts(self, wildcards: Wildcards) -> str:
        """The texts that the base model was pre-trained on."""
        return self.models.pretraining_split(self._pretraining(wildcards))

    def tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the base model's tokenizer."""
        return self.models.tokenizer(self._pretraining(wildcards))

    def tokenizer_file(self, wildcards: Wildcards) -> str:
        """The file that shows that the base model's tokenizer is complete."""
        return self.models.tokenizer_file(self._pretraining(wildcards))

    def _pretraining(self, wildcards: Wildcards) -> Wildcards:
        return SimpleNamespace(model=self.study.bases[wildcards.base][0])

    def complete(self, wildcards: Wildcards) -> list[str]:
        """The files that show that the tokenizer and the base model are complete."""
        return [self.tokenizer_file(wildcards), self.models.base_metrics(wildcards)]

    def inverse(self, wildcards: Wildcards) -> str:
        """The examples of the inverse stage; sft reads a single split."""
        (examples,) = self.rebound.inverse_splits(wildcards)
        return examples

    def joint_training(self, wildcards: Wildcards) -> JointJob:
        """Train a model on the examples of all stages of a cell, shuffled together; the run has one checkpoint."""
        (size,) = sizes_in(wildcards.run_sizes)
        skip = self.rebound.inverse_data(wildcards).skip(int(wildcards.alignment_size))
        return JointJob(
            base=wildcards.base,
            cell=self.rebound.cell(wildcards),
            checkpoint=size,
            model=self.model_of(wildcards.base)[1],
            alignment=self._side(wildcards, wildcards.alignment_recipe, int(wildcards.alignment_size)),
            inverse=self._side(wildcards, wildcards.inverse_recipe, size, skip),
        )

    def joint_stored_job(self, wildcards: Wildcards) -> str:
        """Train the joint model of a cell and save its checkpoint, for other jobs to measure."""
        job = self.joint_training(wildcards)
        return to_json(job.model_copy(update={"saved": (job.checkpoint,)}))

    def _side(self, wildcards: Wildcards, recipe: str, size: int, skip: int = 0) -> FineTuneJob:
        settings = self.study.recipe(recipe)
        return FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=settings,
            sizes=(settings.trained(size),),
            skip=skip,
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
            answers=self.study.tasks[wildcards.task].answers,
        )

    def joint_runs(self) -> list[tuple[InverseStage, int]]:
        """The cells that also have a jointly trained model; cells that experiments share count once."""
        return sorted(
            {
                (inverse, size)
                for rebound in self.study.rebound.values()
                if rebound.joint
                for inverse, _ in inverse_stages(rebound, self.study.seeds)
                for size in rebound.inverse_sizes
            }
        )

    def joint_run(self, inverse: InverseStage, size: int) -> str:
        """The folder of the jointly trained model of a cell."""
        return f"{self.results}/{inverse.folder}/joint/{size}"

    def runs_of(self, rebound: Rebound) -> list[tuple[InverseStage, RunSizes]]:
        """The inverse runs of an experiment whose base models the theorem applies to, with their sizes."""
        bases = self.bases(rebound)
        return [run for run in self.rebound.experiment_runs(rebound) if run[0].alignment.base in bases]

    def joint_files(self, rebound: Rebound, file: str) -> list[str]:
        """One file of each jointly trained model of an experiment."""
        inverses = sorted(it for it, _ in inverse_stages(rebound, self.study.seeds)) if rebound.joint else []
        return [f"{self.joint_run(inverse, size)}/{file}" for inverse in inverses for size in rebound.inverse_sizes]

    # The table

    def table_job(self, wildcards: Wildcards) -> str:
        """Compare the compression rates of an experiment with the theorem's."""
        rebound = self.rebound.experiment(wildcards)
        job = SpringsJob(
            experiment=rebound,
            seeds=self.study.seeds,
            alignment=self.study.recipe(rebound.alignment_recipe),
            inverse=self.study.recipe(rebound.inverse_recipe),
            bases=tuple(map(self._spring_base, self.bases(rebound))),
            runs=tuple(
                SpringRun(
                    base=inverse.alignment.base,
                    seed=inverse.alignment.seed,
                    alignment_size=inverse.alignment_size,
                    inverse_sizes=tuple(size for size in run_sizes if size in rebound.inverse_sizes),
                )
                for inverse, run_sizes in self.runs_of(rebound)
            ),
        )
        return to_json(job)

    def _spring_base(self, base: str) -> SpringBase:
        name, model = self.model_of(base)
        examples = self.study.bases[base][1] * model.optimization.batch_size
        return SpringBase(base=base, model=name, examples=examples)

    def measured_files(self, wildcards: Wildcards, file: str) -> list[str]:
        """One file of each inverse run that the theorem applies to."""
        runs = self.runs_of(self.rebound.experiment(wildcards))
        return [f"{self.rebound.inverse_run(*run)}/{file}" for run in runs]

    def alignment_losses(self, wildcards: Wildcards) -> list[str]:
        """The losses of the alignment run that each inverse run starts from, in the order of the inverse runs."""
        runs = self.runs_of(self.rebound.experiment(wildcards))
        return [f"{self.rebound.started_from(inverse)}/losses.parquet" for inverse, _ in runs]

    def pretraining_losses(self, wildcards: Wildcards) -> list[str]:
        """The losses of the pre-training of each base model that the theorem applies to."""
        bases = self.bases(self.rebound.experiment(wildcards))
        return [f"{self.results}/models/{self.model_of(base)[0]}/losses.parquet" for base in bases]
