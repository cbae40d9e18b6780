"""The study as a graph: which jobs there are, what each is told, and where its files lie.

The rules call these methods with Snakemake's wildcards. A path is written once, here or in a rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from elasticity.analysis.jobs import ReboundFigureJob, ReboundJudgeJob, ThirdJudgeJob
from elasticity.config import cells
from elasticity.config.base import opposite
from elasticity.config.experiments import Rebound, SecondData, second_data
from elasticity.config.study import Study
from elasticity.config.training import PREFERENCES, Ppo
from elasticity.evaluation.jobs import AnswerJob, DivergenceJob, HeldOutJob
from elasticity.pipeline import runs
from elasticity.pipeline.materials import MaterialsPlan, Wildcards, table_and_figure, to_json
from elasticity.pipeline.runs import Ladder, SecondSide, Trajectory, second_sides
from elasticity.training.jobs import FineTuneJob, Reward


class Plan(MaterialsPlan):
    """All jobs of a study but those of the resistance experiments."""

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.cells = self._cells()
        self.first_sizes = self._first_sizes()
        carrying = [second for second in self.cells if study.recipe(second.recipe).optimizer == "carried"]
        self._carried = {second.trajectory for second in carrying}

    def _cells(self) -> dict[SecondSide, Ladder]:
        """The sizes N of every second side, of all experiments together."""
        cells: dict[SecondSide, Ladder] = {}
        for rebound in self.study.rebound.values():
            for second in second_sides(rebound, self.study.seeds):
                cells[second] = tuple(sorted({*cells.get(second, ()), *rebound.second_sizes}))
        return cells

    def _first_sizes(self) -> dict[Trajectory, Ladder]:
        sizes: dict[Trajectory, set[int]] = {}
        for second in self.cells:
            sizes.setdefault(second.trajectory, set()).add(second.first_size)
        return {trajectory: tuple(sorted(found)) for trajectory, found in sizes.items()}

    def targets(self) -> list[str]:
        """The tables and figures of the rebound experiments and of the base models."""
        found = []
        for name, rebound in self.study.rebound.items():
            kinds = {"rebound": self.is_scored(rebound.task), "divergence": rebound.divergence}
            for kind in (kind for kind, wanted in kinds.items() if wanted):
                found += table_and_figure(self.results, f"{kind}-{name}")
        return found + [f"{self.results}/tables/bases-{task}.csv" for task in self._measured_tasks()]

    def is_scored(self, task: str) -> bool:
        """Whether answers to the prompts of a task are drawn and scored."""
        return self.study.tasks[task].score_model is not None

    def _measured_tasks(self) -> list[str]:
        tasks = sorted({trajectory.task for trajectory in self.first_sizes})
        return [task for task in tasks if self.study.tasks[task].pools.held_out]

    def task_bases(self, task: str) -> list[str]:
        """The base models of the rebound experiments of a task."""
        return sorted({trajectory.base for trajectory in self.first_sizes if trajectory.task == task})

    def task_base_rungs(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints that hold the base models of a task."""
        return sorted({self._base_rungs(base) for base in self.task_bases(wildcards.task)})

    def task_bases_made(self, wildcards: Wildcards) -> list[str]:
        """The files that say that these checkpoints are there."""
        return sorted({self._base_made(base) for base in self.task_bases(wildcards.task)})

    def held_out_job(self, wildcards: Wildcards) -> str:
        """Of the base models of a task."""
        bases = tuple((base, self._base_folder(base)) for base in self.task_bases(wildcards.task))
        return to_json(HeldOutJob(bases=bases, max_length=self.study.tasks[wildcards.task].held_out_tokens))

    def trajectory_of(self, wildcards: Wildcards) -> Trajectory:
        """The trajectory that the wildcards name."""
        return Trajectory(wildcards.task, wildcards.base, wildcards.side, wildcards.recipe, int(wildcards.seed))

    def second_of(self, wildcards: Wildcards) -> SecondSide:
        """The second side that the wildcards name."""
        return SecondSide(self.trajectory_of(wildcards), int(wildcards.first), wildcards.second)

    def first_ladders(self, trajectory: Trajectory) -> list[Ladder]:
        """The first-side jobs of a trajectory."""
        settings = self.study.recipe(trajectory.recipe)
        finished = runs.finished(f"{self.results}/{trajectory.folder}/P")
        return runs.ladders(settings, self.first_sizes[trajectory], finished)

    def second_ladders(self, second: SecondSide) -> list[Ladder]:
        """The second-side jobs that start from one rung of the first side."""
        settings, finished = self.study.recipe(second.recipe), runs.finished(f"{self.results}/{second.folder}")
        return runs.ladders(settings, self.cells[second], finished)

    def first_run(self, trajectory: Trajectory, ladder: Ladder) -> str:
        """The folder of a first side and its weights."""
        return f"{self.results}/{trajectory.folder}/P/{runs.name(ladder)}"

    def started_from(self, second: SecondSide) -> str:
        """The folder of the first side whose ladder holds the rung that a second side starts from."""
        first = second.trajectory
        return next(self.first_run(first, it) for it in self.first_ladders(first) if second.first_size in it)

    def second_run(self, second: SecondSide, ladder: Ladder) -> str:
        """The folder of a second side, its weights and its answers."""
        return f"{self.results}/{second.folder}/{runs.name(ladder)}"

    def first_side_job(self, wildcards: Wildcards) -> str:
        """Of a ladder from the base."""
        job = FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=self.study.recipe(wildcards.recipe),
            sizes=runs.parse(wildcards.ladder),
            keep_optimizer=self.keeps_optimizer(self.trajectory_of(wildcards)),
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
        )
        return to_json(job)

    def keeps_optimizer(self, trajectory: Trajectory) -> bool:
        """Whether a second side goes on with the optimizer of this first side."""
        return trajectory in self._carried

    def second_data(self, wildcards: Wildcards) -> SecondData:
        """What a second side is trained on."""
        return second_data(self.study.recipe(wildcards.second), wildcards.task, wildcards.side)

    def second_side_pools(self, wildcards: Wildcards) -> list[str]:
        """The examples of the second side; for preferences those of the first side, too."""
        chosen = f"{self.results}/{self.second_data(wildcards).examples}"
        compares = self.study.recipe(wildcards.second).algorithm.kind in PREFERENCES
        return [chosen, f"{self.results}/{wildcards.task}/pools/{wildcards.side}.parquet"] if compares else [chosen]

    def second_side_prompts(self, wildcards: Wildcards) -> list[str]:
        """What PPO draws answers to."""
        if self.study.recipe(wildcards.second).algorithm.kind != "ppo":
            return []
        return [f"{self.results}/{wildcards.task}/prompts/{opposite(wildcards.side)}.parquet"]

    def second_side_score_model(self, wildcards: Wildcards) -> list[str]:
        """The score model that PPO is rewarded by."""
        return self.judge_files(wildcards) if self.second_side_prompts(wildcards) else []

    def second_start(self, wildcards: Wildcards) -> str:
        """The rungs of the first side to start from."""
        return f"{self.started_from(self.second_of(wildcards))}/rungs"

    def second_start_made(self, wildcards: Wildcards) -> str:
        """The file that says that these rungs are there."""
        return f"{self.started_from(self.second_of(wildcards))}/metrics.json"

    def second_side_job(self, wildcards: Wildcards) -> str:
        """Of a ladder from a rung of the first side."""
        settings = self.study.recipe(wildcards.second)
        score_model = self.study.tasks[wildcards.task].score_model
        reward = None
        if isinstance(settings.algorithm, Ppo) and score_model:
            reward = Reward(score_model=score_model, side=opposite(wildcards.side))
        job = FineTuneJob(
            start=wildcards.first,
            settings=settings,
            sizes=runs.parse(wildcards.ladder),
            skip=self.second_data(wildcards).skip(int(wildcards.first)),
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
            reward=reward,
        )
        return to_json(job)

    def answer_job(self, wildcards: Wildcards) -> str:
        """Of a ladder of the second side."""
        return self.ladder_answer_job(wildcards, runs.parse(wildcards.ladder), self.cell(wildcards))

    def base_answer_job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        return self.ladder_answer_job(wildcards, (self.study.bases[wildcards.base][1],), None)

    def ladder_answer_job(self, wildcards: Wildcards, rungs: Ladder, cell: cells.Cell | None) -> str:
        """Of these rungs, in these cells."""
        job = AnswerJob(
            base=wildcards.base,
            cell=cell,
            rungs=rungs,
            sampling=self.study.sampling,
            engine=self.study.engine,
            template=self.study.tasks[wildcards.task].template,
            weak=self.weak_rung(self.study.sampling),
        )
        return to_json(job)

    def divergence_job(self, wildcards: Wildcards) -> str:
        """Of a ladder of the second side from its base model."""
        job = DivergenceJob(
            base=wildcards.base,
            base_rung=self.study.bases[wildcards.base][1],
            cell=self.cell(wildcards),
            rungs=runs.parse(wildcards.ladder),
        )
        return to_json(job)

    def cell(self, wildcards: Wildcards) -> cells.Cell:
        """The cells of a ladder of the second side."""
        return cells.Cell(
            first_side=wildcards.side,
            first_recipe=wildcards.recipe,
            second_recipe=wildcards.second,
            seed=int(wildcards.seed),
            first_size=int(wildcards.first),
        )

    def weak_rungs(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints of the model that contrastive decoding sets answers off against."""
        contrast = self.study.sampling.contrast
        return [self._base_rungs(contrast.weak)] if contrast else []

    def weak_rungs_made(self, wildcards: Wildcards) -> list[str]:
        """The file that says that these checkpoints are there."""
        contrast = self.study.sampling.contrast
        return [self._base_made(contrast.weak)] if contrast else []

    @property
    def answering_environment(self) -> str:
        """The conda environment of the jobs that draw answers: vLLM wants its own version of torch."""
        return "vllm" if self.study.engine == "vllm" else "elasticity"

    def answers(self, wildcards: Wildcards) -> list[str]:
        """All answers of a task, those of the base models included."""
        bases = self.task_bases(wildcards.task)
        files = [f"{self.results}/{wildcards.task}/rebound/{base}/answers.parquet" for base in bases]
        for second, ladder in self.second_side_jobs():
            if second.trajectory.task == wildcards.task:
                files.append(f"{self.second_run(second, ladder)}/answers.parquet")
        return files

    def second_side_jobs(self) -> Iterator[tuple[SecondSide, Ladder]]:
        """Every second-side job and its ladder."""
        for second in sorted(self.cells):
            for ladder in self.second_ladders(second):
                yield second, ladder

    def rebound(self, wildcards: Wildcards) -> Rebound:
        """The experiment that the wildcards name."""
        return self.study.rebound[wildcards.experiment]

    def rebound_scores(self, wildcards: Wildcards) -> str:
        """The scores that an experiment is judged by."""
        return f"{self.results}/{self.rebound(wildcards).task}/scores.parquet"

    def experiment_runs(self, rebound: Rebound) -> list[tuple[SecondSide, Ladder]]:
        """The second-side jobs of an experiment and their ladders; other cells may share them."""
        seconds = sorted(second_sides(rebound, self.study.seeds))
        return [(second, ladder) for second in seconds for ladder in self.second_ladders(second)]

    def divergences(self, wildcards: Wildcards) -> list[str]:
        """The divergences of the cells of an experiment."""
        runs = self.experiment_runs(self.rebound(wildcards))
        return [f"{self.second_run(*run)}/divergences.parquet" for run in runs]

    def rebound_figure_job(self, wildcards: Wildcards) -> str:
        """What the panels and lines of an experiment are."""
        rebound = self.rebound(wildcards)
        score_model, data = self.study.tasks[rebound.task].score_model, self.study.second_data(rebound)
        sides, score = (rebound.first_side, data.name), score_model.score_name if score_model else ""
        return to_json(ReboundFigureJob(experiment=rebound, sides=sides, score=score))

    def judged_cells(self, rebound: Rebound) -> ReboundJudgeJob:
        """The cells of an experiment, for every job that judges them."""
        settings = self.study.recipe(rebound.second_recipe)
        return ReboundJudgeJob(experiment=rebound, seeds=self.study.seeds, second_side=settings)

    def rebound_judge_job(self, wildcards: Wildcards) -> str:
        """The cells of an experiment."""
        return to_json(self.judged_cells(self.rebound(wildcards)))


class PlanPart:
    """Jobs that start from those of a plan, and lie in its folder."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.study = plan.study
        self.results = plan.results


@dataclass(frozen=True, order=True)
class ThirdStage:
    """What follows N examples of a second side: fine-tuning on the first side again, by a recipe."""

    second: SecondSide
    second_size: int
    recipe: str

    @property
    def folder(self) -> str:
        """Where its files lie, below the results of the study."""
        return f"{self.second.folder}/N{self.second_size}/{self.recipe}"


class ThirdPlan(PlanPart):
    """Of the rebound experiments that have a third stage."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.cells = self._cells()

    def _cells(self) -> dict[ThirdStage, Ladder]:
        """The sizes of every third stage, of all experiments together."""
        cells: dict[ThirdStage, Ladder] = {}
        for rebound in self.study.rebound.values():
            for stage in self.stages(rebound):
                cells[stage] = tuple(sorted({*cells.get(stage, ()), *rebound.third_sizes}))
        return cells

    def stages(self, rebound: Rebound) -> Iterator[ThirdStage]:
        """The third stages of an experiment."""
        if rebound.third_sizes:
            for second in second_sides(rebound, self.study.seeds):
                yield ThirdStage(second, rebound.second_sizes[-1], rebound.third_recipe)

    def targets(self) -> list[str]:
        """The tables and figures."""
        found = []
        for name, rebound in self.study.rebound.items():
            if rebound.third_sizes:
                found += table_and_figure(self.results, f"third-{name}")
        return found

    def third_stage_jobs(self) -> Iterator[tuple[ThirdStage, Ladder]]:
        """Every third-stage job and its ladder."""
        for stage, sizes in sorted(self.cells.items()):
            finished = runs.finished(f"{self.results}/{stage.folder}")
            for ladder in runs.ladders(self.study.recipe(stage.recipe), sizes, finished):
                yield stage, ladder

    def run(self, stage: ThirdStage, ladder: Ladder) -> str:
        """The folder of a third stage, its weights and its answers."""
        return f"{self.results}/{stage.folder}/{runs.name(ladder)}"

    def second_ladder(self, stage: ThirdStage) -> Ladder:
        """The ladder of the second side that holds the rung to start from."""
        return next(ladder for ladder in self.plan.second_ladders(stage.second) if stage.second_size in ladder)

    def _second_run(self, wildcards: Wildcards) -> str:
        second = self.plan.second_of(wildcards)
        stage = ThirdStage(second, int(wildcards.last), wildcards.third)
        return self.plan.second_run(second, self.second_ladder(stage))

    def start(self, wildcards: Wildcards) -> str:
        """The rungs of the second side to start from."""
        return f"{self._second_run(wildcards)}/rungs"

    def start_made(self, wildcards: Wildcards) -> str:
        """The file that says that these rungs are there."""
        return f"{self._second_run(wildcards)}/metrics.json"

    def job(self, wildcards: Wildcards) -> str:
        """Of a ladder. What the first side has seen is left out, and what a second side saw that went on with it."""
        first, last = int(wildcards.first), int(wildcards.last)
        continues = self.plan.second_data(wildcards).continues
        job = FineTuneJob(
            start=wildcards.last,
            settings=self.study.recipe(wildcards.third),
            sizes=runs.parse(wildcards.ladder),
            skip=first + last if continues else first,
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
        )
        return to_json(job)

    def answer_job(self, wildcards: Wildcards) -> str:
        """Of a ladder."""
        cell = cells.ThirdCell(
            **dict(self.plan.cell(wildcards)), second_size=int(wildcards.last), third_recipe=wildcards.third
        )
        return self.plan.ladder_answer_job(wildcards, runs.parse(wildcards.ladder), cell)

    def scored_answers(self, wildcards: Wildcards) -> list[str]:
        """All answers of a task, those of third stages included."""
        files = self.plan.answers(wildcards)
        for stage, ladder in self.third_stage_jobs():
            if stage.second.trajectory.task == wildcards.task:
                files.append(f"{self.run(stage, ladder)}/answers.parquet")
        return files

    def judge_job(self, wildcards: Wildcards) -> str:
        """The cells of an experiment."""
        rebound = self.plan.rebound(wildcards)
        settings = self.study.recipe(rebound.third_recipe)
        return to_json(ThirdJudgeJob(**dict(self.plan.judged_cells(rebound)), third_stage=settings))
