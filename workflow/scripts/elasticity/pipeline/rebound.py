"""The study as a graph: which jobs there are, what each is told, and where its files lie.

The rules call these methods with Snakemake's wildcards. A path is written once, here or in a rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from elasticity.analysis.jobs import RealignmentTableJob, ReboundFigureJob, ReboundTableJob
from elasticity.config import cells
from elasticity.config.base import opposite
from elasticity.config.experiments import InverseData, Rebound, inverse_data
from elasticity.config.study import Study
from elasticity.evaluation.jobs import BitsPerByteJob, DivergenceJob, GenerateJob
from elasticity.pipeline import runs
from elasticity.pipeline.materials import MaterialsPlan, Wildcards, table_and_figure, to_json
from elasticity.pipeline.runs import AlignmentStage, InverseStage, RunSizes, inverse_stages
from elasticity.training.jobs import FineTuneJob, Reward


class Plan(MaterialsPlan):
    """All jobs of a study but those of the resistance experiments."""

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.cells = self._cells()
        self.alignment_sizes = self._alignment_sizes()
        carrying = [inverse for inverse in self.cells if study.recipe(inverse.recipe).optimizer == "carried"]
        self._carried = {inverse.alignment for inverse in carrying}

    def _cells(self) -> dict[InverseStage, RunSizes]:
        """The sizes N of every inverse stage, of all experiments together."""
        cells: dict[InverseStage, RunSizes] = {}
        for rebound in self.study.rebound.values():
            for inverse in inverse_stages(rebound, self.study.seeds):
                cells[inverse] = tuple(sorted({*cells.get(inverse, ()), *rebound.inverse_sizes}))
        return cells

    def _alignment_sizes(self) -> dict[AlignmentStage, RunSizes]:
        sizes: dict[AlignmentStage, set[int]] = {}
        for inverse in self.cells:
            sizes.setdefault(inverse.alignment, set()).add(inverse.alignment_size)
        return {alignment: tuple(sorted(found)) for alignment, found in sizes.items()}

    def targets(self) -> list[str]:
        """The tables and figures of the rebound experiments and of the base models."""
        found = []
        for name, rebound in self.study.rebound.items():
            kinds = {"rebound": self.is_scored(rebound.task), "divergence": rebound.divergence}
            for kind in (kind for kind, wanted in kinds.items() if wanted):
                found += table_and_figure(self.results, f"{kind}-{name}")
        return found + [f"{self.results}/tables/bits-per-byte-{task}.csv" for task in self._measured_tasks()]

    def is_scored(self, task: str) -> bool:
        """Whether responses to the prompts of a task are drawn and scored."""
        return self.study.tasks[task].score_model is not None

    def _measured_tasks(self) -> list[str]:
        tasks = sorted({alignment.task for alignment in self.alignment_sizes})
        return [task for task in tasks if self.study.tasks[task].splits.held_out]

    def task_bases(self, task: str) -> list[str]:
        """The base models of the rebound experiments of a task."""
        return sorted({alignment.base for alignment in self.alignment_sizes if alignment.task == task})

    def task_base_checkpoints(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints that hold the base models of a task."""
        return sorted({self._base_checkpoints(base) for base in self.task_bases(wildcards.task)})

    def task_bases_made(self, wildcards: Wildcards) -> list[str]:
        """The files that say that these checkpoints are there."""
        return sorted({self._base_made(base) for base in self.task_bases(wildcards.task)})

    def bits_per_byte_job(self, wildcards: Wildcards) -> str:
        """Of the base models of a task."""
        bases = tuple((base, self._base_folder(base)) for base in self.task_bases(wildcards.task))
        return to_json(BitsPerByteJob(bases=bases, max_length=self.study.tasks[wildcards.task].held_out_tokens))

    def alignment_of(self, wildcards: Wildcards) -> AlignmentStage:
        """The trajectory that the wildcards name."""
        return AlignmentStage(
            wildcards.task, wildcards.base, wildcards.side, wildcards.alignment_recipe, int(wildcards.seed)
        )

    def inverse_of(self, wildcards: Wildcards) -> InverseStage:
        """The inverse stage that the wildcards name."""
        return InverseStage(self.alignment_of(wildcards), int(wildcards.alignment_size), wildcards.inverse_recipe)

    def alignment_runs(self, alignment: AlignmentStage) -> list[RunSizes]:
        """The alignment jobs of a trajectory."""
        settings = self.study.recipe(alignment.recipe)
        finished = runs.finished(f"{self.results}/{alignment.folder}/P")
        return runs.divide(settings, self.alignment_sizes[alignment], finished)

    def inverse_runs(self, inverse: InverseStage) -> list[RunSizes]:
        """The inverse jobs that start from one checkpoint of the alignment stage."""
        settings, finished = self.study.recipe(inverse.recipe), runs.finished(f"{self.results}/{inverse.folder}")
        return runs.divide(settings, self.cells[inverse], finished)

    def alignment_run(self, alignment: AlignmentStage, run_sizes: RunSizes) -> str:
        """The folder of an alignment stage and its weights."""
        return f"{self.results}/{alignment.folder}/P/{runs.name(run_sizes)}"

    def started_from(self, inverse: InverseStage) -> str:
        """The folder of the alignment stage whose run holds the checkpoint that an inverse stage starts from."""
        first = inverse.alignment
        return next(self.alignment_run(first, it) for it in self.alignment_runs(first) if inverse.alignment_size in it)

    def inverse_run(self, inverse: InverseStage, run_sizes: RunSizes) -> str:
        """The folder of an inverse stage, its weights and its responses."""
        return f"{self.results}/{inverse.folder}/{runs.name(run_sizes)}"

    def alignment_job(self, wildcards: Wildcards) -> str:
        """Of a run from the base."""
        job = FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=self.study.recipe(wildcards.alignment_recipe),
            sizes=runs.parse(wildcards.run_sizes),
            keep_optimizer=self.keeps_optimizer(self.alignment_of(wildcards)),
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
        )
        return to_json(job)

    def keeps_optimizer(self, alignment: AlignmentStage) -> bool:
        """Whether an inverse stage goes on with the optimizer of this alignment stage."""
        return alignment in self._carried

    def inverse_data(self, wildcards: Wildcards) -> InverseData:
        """What an inverse stage is trained on."""
        return inverse_data(self.study.recipe(wildcards.inverse_recipe), wildcards.task, wildcards.side)

    def inverse_splits(self, wildcards: Wildcards) -> list[str]:
        """The examples of the inverse stage; for preferences those of the alignment stage, too."""
        chosen = f"{self.results}/{self.inverse_data(wildcards).examples}"
        compares = self.study.recipe(wildcards.inverse_recipe).algorithm.compares_sides
        return [chosen, f"{self.results}/{wildcards.task}/splits/{wildcards.side}.parquet"] if compares else [chosen]

    def inverse_prompts(self, wildcards: Wildcards) -> list[str]:
        """What PPO draws responses to."""
        if not self.study.recipe(wildcards.inverse_recipe).draws:
            return []
        return [f"{self.results}/{wildcards.task}/prompts/{opposite(wildcards.side)}.parquet"]

    def inverse_score_model(self, wildcards: Wildcards) -> list[str]:
        """The score model that PPO is rewarded by."""
        return self.score_model_files(wildcards) if self.inverse_prompts(wildcards) else []

    def inverse_start(self, wildcards: Wildcards) -> str:
        """The checkpoints of the alignment stage to start from."""
        return f"{self.started_from(self.inverse_of(wildcards))}/checkpoints"

    def inverse_start_made(self, wildcards: Wildcards) -> str:
        """The file that says that these checkpoints are there."""
        return f"{self.started_from(self.inverse_of(wildcards))}/metrics.json"

    def inverse_job(self, wildcards: Wildcards) -> str:
        """Of a run from a checkpoint of the alignment stage."""
        settings = self.study.recipe(wildcards.inverse_recipe)
        score_model = self.study.tasks[wildcards.task].score_model
        reward = None
        if settings.draws and score_model:
            reward = Reward(score_model=score_model, side=opposite(wildcards.side))
        job = FineTuneJob(
            start=wildcards.alignment_size,
            settings=settings,
            sizes=runs.parse(wildcards.run_sizes),
            skip=self.inverse_data(wildcards).skip(int(wildcards.alignment_size)),
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
            reward=reward,
        )
        return to_json(job)

    def generate_job(self, wildcards: Wildcards) -> str:
        """Of a run of the inverse stage."""
        return self.run_generate_job(wildcards, runs.parse(wildcards.run_sizes), self.cell(wildcards))

    def generate_base_job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        return self.run_generate_job(wildcards, (self.study.bases[wildcards.base][1],), None)

    def run_generate_job(self, wildcards: Wildcards, checkpoints: RunSizes, cell: cells.Cell | None) -> str:
        """Of these checkpoints, in these cells."""
        job = GenerateJob(
            base=wildcards.base,
            cell=cell,
            checkpoints=checkpoints,
            sampling=self.study.sampling,
            engine=self.study.engine,
            template=self.study.tasks[wildcards.task].template,
            weak=self.weak_checkpoint(self.study.sampling),
        )
        return to_json(job)

    def divergence_job(self, wildcards: Wildcards) -> str:
        """Of a run of the inverse stage from its base model."""
        job = DivergenceJob(
            base=wildcards.base,
            base_checkpoint=self.study.bases[wildcards.base][1],
            cell=self.cell(wildcards),
            checkpoints=runs.parse(wildcards.run_sizes),
        )
        return to_json(job)

    def cell(self, wildcards: Wildcards) -> cells.Cell:
        """The cells of a run of the inverse stage."""
        return cells.Cell(
            alignment_side=wildcards.side,
            alignment_recipe=wildcards.alignment_recipe,
            inverse_recipe=wildcards.inverse_recipe,
            seed=int(wildcards.seed),
            alignment_size=int(wildcards.alignment_size),
        )

    def weak_checkpoints(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints of the model that contrastive decoding sets responses off against."""
        contrast = self.study.sampling.contrast
        return [self._base_checkpoints(contrast.weak)] if contrast else []

    def weak_checkpoints_made(self, wildcards: Wildcards) -> list[str]:
        """The file that says that these checkpoints are there."""
        contrast = self.study.sampling.contrast
        return [self._base_made(contrast.weak)] if contrast else []

    @property
    def generation_environment(self) -> str:
        """The conda environment of the jobs that draw responses: vLLM wants its own version of torch."""
        return "vllm" if self.study.engine == "vllm" else "elasticity"

    def responses(self, wildcards: Wildcards) -> list[str]:
        """All responses of a task, those of the base models included."""
        bases = self.task_bases(wildcards.task)
        files = [f"{self.results}/{wildcards.task}/rebound/{base}/responses.parquet" for base in bases]
        for inverse, run_sizes in self.inverse_jobs():
            if inverse.alignment.task == wildcards.task:
                files.append(f"{self.inverse_run(inverse, run_sizes)}/responses.parquet")
        return files

    def inverse_jobs(self) -> Iterator[tuple[InverseStage, RunSizes]]:
        """Every inverse job and its run."""
        for inverse in sorted(self.cells):
            for run_sizes in self.inverse_runs(inverse):
                yield inverse, run_sizes

    def rebound(self, wildcards: Wildcards) -> Rebound:
        """The experiment that the wildcards name."""
        return self.study.rebound[wildcards.experiment]

    def rebound_scores(self, wildcards: Wildcards) -> str:
        """The scores that an experiment is judged by."""
        return f"{self.results}/{self.rebound(wildcards).task}/scores.parquet"

    def experiment_runs(self, rebound: Rebound) -> list[tuple[InverseStage, RunSizes]]:
        """The inverse jobs of an experiment and their runs; other cells may share them."""
        inverses = sorted(inverse_stages(rebound, self.study.seeds))
        return [(inverse, run_sizes) for inverse in inverses for run_sizes in self.inverse_runs(inverse)]

    def divergences(self, wildcards: Wildcards) -> list[str]:
        """The divergences of the cells of an experiment."""
        runs = self.experiment_runs(self.rebound(wildcards))
        return [f"{self.inverse_run(*run)}/divergences.parquet" for run in runs]

    def rebound_figure_job(self, wildcards: Wildcards) -> str:
        """What the panels and lines of an experiment are."""
        rebound = self.rebound(wildcards)
        score_model, data = self.study.tasks[rebound.task].score_model, self.study.inverse_data(rebound)
        sides, score = (rebound.alignment_side, data.name), score_model.score_name if score_model else ""
        return to_json(ReboundFigureJob(experiment=rebound, sides=sides, score=score))

    def experiment_cells(self, rebound: Rebound) -> ReboundTableJob:
        """The cells of an experiment, for every job that score models them."""
        settings = self.study.recipe(rebound.inverse_recipe)
        return ReboundTableJob(experiment=rebound, seeds=self.study.seeds, inverse=settings)

    def rebound_table_job(self, wildcards: Wildcards) -> str:
        """The cells of an experiment."""
        return to_json(self.experiment_cells(self.rebound(wildcards)))


class PlanPart:
    """Jobs that start from those of a plan, and lie in its folder."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.study = plan.study
        self.results = plan.results


@dataclass(frozen=True, order=True)
class RealignmentStage:
    """What follows N examples of an inverse stage: fine-tuning on the alignment stage again, by a recipe."""

    inverse: InverseStage
    inverse_size: int
    recipe: str

    @property
    def folder(self) -> str:
        """Where its files lie, below the results of the study."""
        return f"{self.inverse.folder}/N{self.inverse_size}/{self.recipe}"


class RealignmentPlan(PlanPart):
    """Of the rebound experiments that have a realignment stage."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.cells = self._cells()

    def _cells(self) -> dict[RealignmentStage, RunSizes]:
        """The sizes of every realignment stage, of all experiments together."""
        cells: dict[RealignmentStage, RunSizes] = {}
        for rebound in self.study.rebound.values():
            for stage in self.stages(rebound):
                cells[stage] = tuple(sorted({*cells.get(stage, ()), *rebound.realignment_sizes}))
        return cells

    def stages(self, rebound: Rebound) -> Iterator[RealignmentStage]:
        """The realignment stages of an experiment."""
        if rebound.realignment_sizes:
            for inverse in inverse_stages(rebound, self.study.seeds):
                yield RealignmentStage(inverse, rebound.inverse_sizes[-1], rebound.realignment_recipe)

    def targets(self) -> list[str]:
        """The tables and figures."""
        found = []
        for name, rebound in self.study.rebound.items():
            if rebound.realignment_sizes:
                found += table_and_figure(self.results, f"realignment-{name}")
        return found

    def realignment_jobs(self) -> Iterator[tuple[RealignmentStage, RunSizes]]:
        """Every realignment job and its run."""
        for stage, sizes in sorted(self.cells.items()):
            finished = runs.finished(f"{self.results}/{stage.folder}")
            for run_sizes in runs.divide(self.study.recipe(stage.recipe), sizes, finished):
                yield stage, run_sizes

    def run(self, stage: RealignmentStage, run_sizes: RunSizes) -> str:
        """The folder of a realignment stage, its weights and its responses."""
        return f"{self.results}/{stage.folder}/{runs.name(run_sizes)}"

    def inverse_run_sizes(self, stage: RealignmentStage) -> RunSizes:
        """The run of the inverse stage that holds the checkpoint to start from."""
        return next(run_sizes for run_sizes in self.plan.inverse_runs(stage.inverse) if stage.inverse_size in run_sizes)

    def _inverse_run(self, wildcards: Wildcards) -> str:
        inverse = self.plan.inverse_of(wildcards)
        stage = RealignmentStage(inverse, int(wildcards.inverse_size), wildcards.realignment_recipe)
        return self.plan.inverse_run(inverse, self.inverse_run_sizes(stage))

    def start(self, wildcards: Wildcards) -> str:
        """The checkpoints of the inverse stage to start from."""
        return f"{self._inverse_run(wildcards)}/checkpoints"

    def start_made(self, wildcards: Wildcards) -> str:
        """The file that says that these checkpoints are there."""
        return f"{self._inverse_run(wildcards)}/metrics.json"

    def job(self, wildcards: Wildcards) -> str:
        """Of a run. What the alignment stage has seen is left out, and what an inverse stage saw that went on with it."""
        first, last = int(wildcards.alignment_size), int(wildcards.inverse_size)
        continues = self.plan.inverse_data(wildcards).continues
        job = FineTuneJob(
            start=wildcards.inverse_size,
            settings=self.study.recipe(wildcards.realignment_recipe),
            sizes=runs.parse(wildcards.run_sizes),
            skip=first + last if continues else first,
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
        )
        return to_json(job)

    def generate_job(self, wildcards: Wildcards) -> str:
        """Of a run."""
        cell = cells.RealignmentCell(
            **dict(self.plan.cell(wildcards)),
            inverse_size=int(wildcards.inverse_size),
            realignment_recipe=wildcards.realignment_recipe,
        )
        return self.plan.run_generate_job(wildcards, runs.parse(wildcards.run_sizes), cell)

    def scored_responses(self, wildcards: Wildcards) -> list[str]:
        """All responses of a task, those of realignment stages included."""
        files = self.plan.responses(wildcards)
        for stage, run_sizes in self.realignment_jobs():
            if stage.inverse.alignment.task == wildcards.task:
                files.append(f"{self.run(stage, run_sizes)}/responses.parquet")
        return files

    def table_job(self, wildcards: Wildcards) -> str:
        """The cells of an experiment."""
        rebound = self.plan.rebound(wildcards)
        settings = self.study.recipe(rebound.realignment_recipe)
        return to_json(RealignmentTableJob(**dict(self.plan.experiment_cells(rebound)), realignment=settings))
