"""Rebound experiments in the graph (paper B): alignment stages, inverse stages, and the responses of their models."""

from collections.abc import Iterator
from functools import cached_property

from elasticity.analysis.jobs import ReboundTableJob
from elasticity.config import cells
from elasticity.config.base import opposite
from elasticity.config.experiments import InverseData, Rebound, inverse_data
from elasticity.config.training import chooses
from elasticity.core.run_names import sizes_in
from elasticity.pipeline.common import Part, Wildcards, algorithm_module, to_json
from elasticity.pipeline.models import ModelJobs
from elasticity.pipeline.runs import AlignmentStage, InverseStage, RunSizes, inverse_stages, run_folder, runs_of
from elasticity.pipeline.scores import ScoreModelJobs
from elasticity.training.jobs import FineTuneJob, Reward


class ReboundJobs(Part):
    """The jobs of all rebound experiments of a study; cells that experiments share are trained once."""

    def __init__(self, models: ModelJobs, scores: ScoreModelJobs) -> None:
        super().__init__(models.study)
        self.models, self.scores = models, scores
        self.cells = self._cells()
        self.alignment_sizes = self._alignment_sizes()
        self._runs = {inverse: self._inverse_runs(inverse) for inverse in sorted(self.cells)}
        self._alignment_runs = {alignment: self._runs_of_alignment(alignment) for alignment in self.alignment_sizes}
        carrying = [inverse for inverse in self.cells if self.study.recipe(inverse.recipe).optimizer == "carried"]
        self._carried = {inverse.alignment for inverse in carrying}

    def _cells(self) -> dict[InverseStage, RunSizes]:
        """The sizes N of every inverse stage, merged over all experiments."""
        cells: dict[InverseStage, RunSizes] = {}
        for rebound in self.study.rebound.values():
            for inverse, sizes in inverse_stages(rebound, self.study.seeds):
                cells[inverse] = tuple(sorted({*cells.get(inverse, ()), *sizes}))
        return cells

    def _alignment_sizes(self) -> dict[AlignmentStage, RunSizes]:
        sizes: dict[AlignmentStage, set[int]] = {}
        for inverse in self.cells:
            sizes.setdefault(inverse.alignment, set()).add(inverse.alignment_size)
        return {alignment: tuple(sorted(found)) for alignment, found in sizes.items()}

    def experiment(self, wildcards: Wildcards) -> Rebound:
        """The experiment that the wildcards name."""
        return self.study.rebound[wildcards.experiment]

    # Stages and runs

    def alignment_of(self, wildcards: Wildcards) -> AlignmentStage:
        """The alignment stage that the wildcards name."""
        return AlignmentStage(
            wildcards.task, wildcards.base, wildcards.side, wildcards.alignment_recipe, int(wildcards.seed)
        )

    def inverse_of(self, wildcards: Wildcards) -> InverseStage:
        """The inverse stage that the wildcards name."""
        return InverseStage(self.alignment_of(wildcards), int(wildcards.alignment_size), wildcards.inverse_recipe)

    def _runs_of_alignment(self, alignment: AlignmentStage) -> list[RunSizes]:
        settings, folder = self.study.recipe(alignment.recipe), f"{self.results}/{alignment.folder}/P"
        return runs_of(settings, self.alignment_sizes[alignment], folder)

    def _inverse_runs(self, inverse: InverseStage) -> list[RunSizes]:
        settings, folder = self.study.recipe(inverse.recipe), f"{self.results}/{inverse.folder}"
        return runs_of(settings, self.cells[inverse], folder)

    def alignment_runs(self, alignment: AlignmentStage) -> list[RunSizes]:
        """The sizes of each training job of an alignment stage."""
        return self._alignment_runs[alignment]

    def inverse_runs(self, inverse: InverseStage) -> list[RunSizes]:
        """The sizes of each training job of an inverse stage."""
        return self._runs[inverse]

    def alignment_run(self, alignment: AlignmentStage, run_sizes: RunSizes) -> str:
        """The folder of a training job of an alignment stage."""
        return run_folder(f"{self.results}/{alignment.folder}/P", run_sizes)

    def inverse_run(self, inverse: InverseStage, run_sizes: RunSizes) -> str:
        """The folder of a training job of an inverse stage, and of the measurements of its checkpoints."""
        return run_folder(f"{self.results}/{inverse.folder}", run_sizes)

    def started_from(self, inverse: InverseStage) -> str:
        """The folder of the alignment run whose checkpoint an inverse stage starts from."""
        stage = inverse.alignment
        return next(self.alignment_run(stage, it) for it in self.alignment_runs(stage) if inverse.alignment_size in it)

    def inverse_jobs(self) -> Iterator[tuple[InverseStage, RunSizes]]:
        """Yield every training job of an inverse stage, with its sizes."""
        for inverse in sorted(self.cells):
            for run_sizes in self.inverse_runs(inverse):
                yield inverse, run_sizes

    def experiment_runs(self, rebound: Rebound) -> list[tuple[InverseStage, RunSizes]]:
        """The inverse jobs of an experiment, with their sizes; other experiments may share them."""
        inverses = sorted(inverse for inverse, _ in inverse_stages(rebound, self.study.seeds))
        return [(inverse, run_sizes) for inverse in inverses for run_sizes in self.inverse_runs(inverse)]

    def alignment_metrics(self, rebound: Rebound) -> list[tuple[AlignmentStage, str]]:
        """The metrics of each alignment run of an experiment; other experiments may share them."""
        stages = sorted({inverse.alignment for inverse, _ in inverse_stages(rebound, self.study.seeds)})
        return [
            (stage, f"{self.alignment_run(stage, sizes)}/metrics.json")
            for stage in stages
            for sizes in self.alignment_runs(stage)
            if set(sizes) & set(rebound.alignment_sizes)
        ]

    def is_scored(self, rebound: Rebound) -> bool:
        """Whether responses of the models of an experiment are sampled and scored."""
        return rebound.scores and self.scores.is_scored(rebound.task)

    @cached_property
    def scored(self) -> set[InverseStage]:
        """The inverse stages of experiments whose responses are scored."""
        rebounds = (it for it in self.study.rebound.values() if self.is_scored(it))
        return {inverse for rebound in rebounds for inverse, _ in inverse_stages(rebound, self.study.seeds)}

    # Alignment stage

    def alignment_job(self, wildcards: Wildcards) -> str:
        """Fine-tune a base model on the alignment side."""
        job = FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=self.study.recipe(wildcards.alignment_recipe),
            sizes=sizes_in(wildcards.run_sizes),
            keep_optimizer=self.keeps_optimizer(self.alignment_of(wildcards)),
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
            answers=self.study.tasks[wildcards.task].answers,
            contrast=self.study.sampling.contrast if self.is_contrasted(wildcards.alignment_recipe) else None,
        )
        return to_json(job)

    def validation(self, wildcards: Wildcards) -> list[str]:
        """The examples by which an alignment stage chooses among candidates; none if it has nothing to choose."""
        settings = self.study.recipe(wildcards.alignment_recipe)
        needed = chooses(settings, self.study.sampling.contrast)
        return [f"{self.results}/{wildcards.task}/splits/validation-{wildcards.side}.parquet"] if needed else []

    def is_contrasted(self, recipe: str) -> bool:
        """Whether models after an alignment stage by this recipe are sampled by contrast with its weak model."""
        return self.study.recipe(recipe).extrapolates and self.study.sampling.contrast is not None

    def weak(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints of the alignment stage, which hold its weak model; none without contrastive decoding."""
        return [self.inverse_start(wildcards)] if self.is_contrasted(wildcards.alignment_recipe) else []

    def weak_metrics(self, wildcards: Wildcards) -> list[str]:
        """The file that shows that the checkpoints that hold the weak model are complete; none without one."""
        return [self.inverse_start_metrics(wildcards)] if self.is_contrasted(wildcards.alignment_recipe) else []

    def keeps_optimizer(self, alignment: AlignmentStage) -> bool:
        """Whether an inverse stage continues with the optimizer state of this alignment stage."""
        return alignment in self._carried

    # Inverse stage

    def inverse_data(self, wildcards: Wildcards) -> InverseData:
        """The task and side that an inverse stage is trained on."""
        return inverse_data(self.study.recipe(wildcards.inverse_recipe), wildcards.task, wildcards.side)

    def inverse_splits(self, wildcards: Wildcards) -> list[str]:
        """The examples of the inverse stage, and for preference algorithms also those of the alignment stage."""
        chosen = f"{self.results}/{self.inverse_data(wildcards).examples}"
        compares = self.study.recipe(wildcards.inverse_recipe).algorithm.compares_sides
        return [chosen, f"{self.results}/{wildcards.task}/splits/{wildcards.side}.parquet"] if compares else [chosen]

    def inverse_prompts(self, wildcards: Wildcards) -> list[str]:
        """The prompts to which the algorithm samples responses; none if it samples no responses."""
        if not self.study.recipe(wildcards.inverse_recipe).draws:
            return []
        return [f"{self.results}/{wildcards.task}/prompts/{opposite(wildcards.side)}.parquet"]

    def inverse_score_model(self, wildcards: Wildcards) -> list[str]:
        """The score model that rewards PPO; none for other algorithms."""
        return self.scores.files(wildcards) if self.inverse_prompts(wildcards) else []

    def inverse_start(self, wildcards: Wildcards) -> str:
        """The checkpoints of the alignment stage to start from."""
        return f"{self.started_from(self.inverse_of(wildcards))}/checkpoints"

    def inverse_start_metrics(self, wildcards: Wildcards) -> str:
        """The file that shows that the checkpoints of the alignment stage to start from are complete."""
        return f"{self.started_from(self.inverse_of(wildcards))}/metrics.json"

    def inverse_training(self, wildcards: Wildcards) -> FineTuneJob:
        """Fine-tune a checkpoint of the alignment stage on the opposite side, or on control data."""
        settings = self.study.recipe(wildcards.inverse_recipe)
        score_model = self.study.tasks[wildcards.task].score_model
        reward = None
        if settings.draws and score_model:
            reward = Reward(score_model=score_model, side=opposite(wildcards.side))
        return FineTuneJob(
            start=wildcards.alignment_size,
            settings=settings,
            sizes=sizes_in(wildcards.run_sizes),
            skip=self.inverse_data(wildcards).skip(int(wildcards.alignment_size)),
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
            answers=self.study.tasks[wildcards.task].answers,
            reward=reward,
        )

    def inverse_stored_job(self, wildcards: Wildcards) -> str:
        """Train an inverse stage and save all its checkpoints."""
        return to_json(self.inverse_training(wildcards))

    def alignment_algorithm(self, wildcards: Wildcards) -> str:
        """The module of the algorithm of an alignment stage."""
        return algorithm_module(self.study.recipe(wildcards.alignment_recipe))

    def inverse_algorithm(self, wildcards: Wildcards) -> str:
        """The module of the algorithm of an inverse stage."""
        return algorithm_module(self.study.recipe(wildcards.inverse_recipe))

    def cell(self, wildcards: Wildcards) -> cells.Cell:
        """The columns that the cells of an inverse run share: all but the inverse size."""
        return cells.Cell(
            alignment_side=wildcards.side,
            alignment_recipe=wildcards.alignment_recipe,
            inverse_recipe=wildcards.inverse_recipe,
            seed=int(wildcards.seed),
            alignment_size=int(wildcards.alignment_size),
        )

    def responses(self, wildcards: Wildcards) -> list[str]:
        """All responses to the prompts of a task that are scored, those of the base models first."""
        bases = sorted({it.alignment.base for it in self.scored if it.alignment.task == wildcards.task})
        files = [f"{self.results}/{wildcards.task}/rebound/{base}/responses.parquet" for base in bases]
        for inverse, run_sizes in self.inverse_jobs():
            if inverse.alignment.task == wildcards.task and inverse in self.scored:
                files.append(f"{self.inverse_run(inverse, run_sizes)}/responses.parquet")
        return files

    # Tables

    def table_job(self, rebound: Rebound) -> ReboundTableJob:
        """The job spec of all tables that are made of the cells of an experiment."""
        alignment, inverse = map(self.study.recipe, (rebound.alignment_recipe, rebound.inverse_recipe))
        return ReboundTableJob(experiment=rebound, seeds=self.study.seeds, alignment=alignment, inverse=inverse)
