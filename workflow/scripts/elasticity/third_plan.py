"""The third stage as a graph: from the end of a second side back to the first one, over fresh examples."""

from collections.abc import Iterator
from dataclasses import dataclass

from elasticity import jobs, judging_jobs, ladders
from elasticity.experiments import Rebound
from elasticity.ladders import Ladder
from elasticity.materials_plan import Wildcards, table_and_figure, to_json
from elasticity.plan import Plan
from elasticity.plan_part import PlanPart
from elasticity.trajectories import SecondSide, second_sides


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
            finished = ladders.finished(f"{self.results}/{stage.folder}")
            for ladder in ladders.ladders(self.study.recipe(stage.recipe), sizes, finished):
                yield stage, ladder

    def run(self, stage: ThirdStage, ladder: Ladder) -> str:
        """The folder of a third stage, its weights and its answers."""
        return f"{self.results}/{stage.folder}/{ladders.name(ladder)}"

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
        job = jobs.FineTuneJob(
            start=wildcards.last,
            settings=self.study.recipe(wildcards.third),
            sizes=ladders.parse(wildcards.ladder),
            skip=first + last if continues else first,
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
        )
        return to_json(job)

    def answer_job(self, wildcards: Wildcards) -> str:
        """Of a ladder."""
        cell = jobs.ThirdCell(
            **dict(self.plan.cell(wildcards)), second_size=int(wildcards.last), third_recipe=wildcards.third
        )
        return self.plan.ladder_answer_job(wildcards, ladders.parse(wildcards.ladder), cell)

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
        return to_json(judging_jobs.ThirdJudgeJob(**dict(self.plan.judged_cells(rebound)), third_stage=settings))
