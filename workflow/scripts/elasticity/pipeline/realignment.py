"""Realignment in the graph: from the end of an inverse stage back to the side of the alignment stage."""

from collections.abc import Iterator
from dataclasses import dataclass

from elasticity.config import cells
from elasticity.config.experiments import Rebound
from elasticity.core.run_names import sizes_in
from elasticity.pipeline.common import Part, Wildcards, algorithm_module, to_json
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.runs import InverseStage, RunSizes, inverse_stages, run_folder, runs_of
from elasticity.training.jobs import FineTuneJob


@dataclass(frozen=True, order=True)
class RealignmentStage:
    """A realignment stage: after N examples of an inverse stage, fine-tuning on the alignment side by a recipe."""

    inverse: InverseStage
    inverse_size: int
    recipe: str

    @property
    def folder(self) -> str:
        """The folder of its files, below the results of the study."""
        return f"{self.inverse.folder}/N{self.inverse_size}/{self.recipe}"


class RealignmentJobs(Part):
    """The jobs of the rebound experiments that have a realignment stage."""

    def __init__(self, rebound: ReboundJobs) -> None:
        super().__init__(rebound.study)
        self.rebound = rebound
        self.cells = self._cells()

    def _cells(self) -> dict[RealignmentStage, RunSizes]:
        """The sizes of every realignment stage, merged over all experiments."""
        cells: dict[RealignmentStage, RunSizes] = {}
        for rebound in self.study.rebound.values():
            for stage in self.stages(rebound):
                cells[stage] = tuple(sorted({*cells.get(stage, ()), *rebound.realignment_sizes}))
        return cells

    def stages(self, rebound: Rebound) -> Iterator[RealignmentStage]:
        """The realignment stages of an experiment."""
        if rebound.realignment_sizes:
            for inverse, _ in inverse_stages(rebound, self.study.seeds):
                yield RealignmentStage(inverse, rebound.inverse_sizes[-1], rebound.realignment_recipe)

    def jobs(self) -> Iterator[tuple[RealignmentStage, RunSizes]]:
        """Yield every training job of a realignment stage, with its sizes."""
        for stage, sizes in sorted(self.cells.items()):
            for run_sizes in runs_of(self.study.recipe(stage.recipe), sizes, f"{self.results}/{stage.folder}"):
                yield stage, run_sizes

    def run(self, stage: RealignmentStage, run_sizes: RunSizes) -> str:
        """The folder of a training job of a realignment stage, and of its responses."""
        return run_folder(f"{self.results}/{stage.folder}", run_sizes)

    def inverse_run_sizes(self, stage: RealignmentStage) -> RunSizes:
        """The sizes of the inverse run whose checkpoint a realignment stage starts from."""
        return next(sizes for sizes in self.rebound.inverse_runs(stage.inverse) if stage.inverse_size in sizes)

    def _inverse_run(self, wildcards: Wildcards) -> str:
        inverse = self.rebound.inverse_of(wildcards)
        stage = RealignmentStage(inverse, int(wildcards.inverse_size), wildcards.realignment_recipe)
        return self.rebound.inverse_run(inverse, self.inverse_run_sizes(stage))

    def start(self, wildcards: Wildcards) -> str:
        """The checkpoints of the inverse stage to start from."""
        return f"{self._inverse_run(wildcards)}/checkpoints"

    def start_metrics(self, wildcards: Wildcards) -> str:
        """The file that shows that the checkpoints of the inverse stage to start from are complete."""
        return f"{self._inverse_run(wildcards)}/metrics.json"

    def training(self, wildcards: Wildcards) -> FineTuneJob:
        """Fine-tune on examples of the alignment side that no earlier stage has seen."""
        aligned, perturbed = int(wildcards.alignment_size), int(wildcards.inverse_size)
        continues = self.rebound.inverse_data(wildcards).continues
        return FineTuneJob(
            start=wildcards.inverse_size,
            settings=self.study.recipe(wildcards.realignment_recipe),
            sizes=sizes_in(wildcards.run_sizes),
            skip=aligned + perturbed if continues else aligned,
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
            answers=self.study.tasks[wildcards.task].answers,
        )

    def stored_job(self, wildcards: Wildcards) -> str:
        """Train a realignment stage and save all its checkpoints."""
        return to_json(self.training(wildcards))

    def algorithm(self, wildcards: Wildcards) -> str:
        """The module of the algorithm of a realignment stage."""
        return algorithm_module(self.study.recipe(wildcards.realignment_recipe))

    def cell(self, wildcards: Wildcards) -> cells.RealignmentCell:
        """The columns that the cells of a realignment run share: all but the size of that stage."""
        return cells.RealignmentCell(
            **dict(self.rebound.cell(wildcards)),
            inverse_size=int(wildcards.inverse_size),
            realignment_recipe=wildcards.realignment_recipe,
        )

    def started_from(self, inverse: InverseStage, run_sizes: RunSizes) -> RunSizes:
        """The sizes of an inverse run from which realignment stages start, so that their weights are saved."""
        starts = {stage.inverse_size for stage in self.cells if stage.inverse == inverse}
        return tuple(size for size in run_sizes if size in starts)

    def responses(self, wildcards: Wildcards) -> list[str]:
        """All responses to the prompts of a task, those of realignment stages last."""
        files = self.rebound.responses(wildcards)
        for stage, run_sizes in self.jobs():
            if stage.inverse.alignment.task == wildcards.task:
                files.append(f"{self.run(stage, run_sizes)}/responses.parquet")
        return files
