"""The study as a graph: which jobs there are, what each is told, and where its files lie.

The rules call these methods with Snakemake's wildcards. A path is written once, here or in a rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elasticity import jobs, ladders
from elasticity.ladders import Ladder
from elasticity.materials_plan import MaterialsPlan, Wildcards, to_json
from elasticity.settings import FineTuning, Side, opposite
from elasticity.study import Rebound, Study


@dataclass(frozen=True, order=True)
class Trajectory:
    """One first side: a base model, fine-tuned on a side of a task with a seed."""

    task: str
    base: str
    first_side: Side
    seed: int

    @property
    def folder(self) -> str:
        """Where its files lie, below the results of the study."""
        return f"{self.task}/rebound/{self.base}/{self.first_side}/seed{self.seed}"


class Plan(MaterialsPlan):
    """All jobs of a study but those of the resistance experiments."""

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.cells = self._cells()

    def _cells(self) -> dict[Trajectory, dict[int, Ladder]]:
        """For each trajectory and first size P, the second sizes N that any experiment asks for."""
        cells: dict[Trajectory, dict[int, Ladder]] = {}
        for rebound in self.study.rebound.values():
            for base in rebound.bases:
                for seed in self.study.seeds:
                    trajectory = Trajectory(rebound.task, base, rebound.first_side, seed)
                    sizes = cells.setdefault(trajectory, {})
                    for first_size in rebound.first_sizes:
                        before = sizes.get(first_size, ())
                        sizes[first_size] = tuple(sorted({*before, *rebound.second_sizes}))
        return cells

    def targets(self) -> list[str]:
        """The tables and figures of the rebound experiments and of the base models."""
        tables = [f"{self.results}/tables/rebound-{name}.csv" for name in self.study.rebound]
        figures = [f"{self.results}/figures/rebound-{name}.svg" for name in self.study.rebound]
        tasks = sorted({trajectory.task for trajectory in self.cells})
        return tables + figures + [f"{self.results}/tables/bases-{task}.csv" for task in tasks]

    def task_bases(self, task: str) -> list[str]:
        """The base models of the rebound experiments of a task."""
        return sorted({trajectory.base for trajectory in self.cells if trajectory.task == task})

    def task_base_rungs(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints that hold the base models of a task."""
        return sorted({self._base_rungs(base) for base in self.task_bases(wildcards.task)})

    def task_bases_made(self, wildcards: Wildcards) -> list[str]:
        """The files that say that these checkpoints are there."""
        return sorted({self._base_made(base) for base in self.task_bases(wildcards.task)})

    def held_out_job(self, wildcards: Wildcards) -> str:
        """Of the base models of a task."""
        bases = tuple((base, self._base_folder(base)) for base in self.task_bases(wildcards.task))
        return to_json(jobs.HeldOutJob(bases=bases, max_length=self.study.tasks[wildcards.task].held_out_tokens))

    def trajectory_of(self, wildcards: Wildcards) -> Trajectory:
        """The trajectory that the wildcards name."""
        return Trajectory(wildcards.task, wildcards.base, wildcards.side, int(wildcards.seed))

    def first_ladders(self, trajectory: Trajectory) -> list[Ladder]:
        """The first-side jobs of a trajectory."""
        folder = f"{self.results}/{trajectory.folder}/first"
        return ladders.ladders(self.study.first_side, tuple(sorted(self.cells[trajectory])), _finished(folder))

    def second_ladders(self, trajectory: Trajectory, first_size: int) -> list[Ladder]:
        """The second-side jobs that start from one rung of the first side."""
        folder = self._second_folder(trajectory, first_size)
        return ladders.ladders(self.study.second_side, self.cells[trajectory][first_size], _finished(folder))

    def _second_folder(self, trajectory: Trajectory, first_size: int) -> str:
        return f"{self.results}/{trajectory.folder}/P{first_size}"

    def second_run(self, trajectory: Trajectory, first_size: int, ladder: Ladder) -> str:
        """The folder of a second side, its weights and its answers."""
        return f"{self._second_folder(trajectory, first_size)}/{ladders.name(ladder)}"

    def first_side_job(self, wildcards: Wildcards) -> str:
        """Of a ladder from the base."""
        start = self.study.bases[wildcards.base][1]
        return fine_tune_job(start, self.study.first_side, ladders.parse(wildcards.ladder), int(wildcards.seed))

    def second_side_pool(self, wildcards: Wildcards) -> str:
        """The texts of the side opposite to the first."""
        return f"{self.results}/{wildcards.task}/pools/{opposite(wildcards.side)}.parquet"

    def _first_run(self, wildcards: Wildcards) -> str:
        """The folder of the first side's ladder that holds the rung to start from."""
        trajectory, size = self.trajectory_of(wildcards), int(wildcards.first)
        ladder = next(ladder for ladder in self.first_ladders(trajectory) if size in ladder)
        return f"{self.results}/{trajectory.folder}/first/{ladders.name(ladder)}"

    def second_start(self, wildcards: Wildcards) -> str:
        """The rungs of the first side to start from."""
        return f"{self._first_run(wildcards)}/rungs"

    def second_start_made(self, wildcards: Wildcards) -> str:
        """The file that says that these rungs are there."""
        return f"{self._first_run(wildcards)}/metrics.json"

    def second_side_job(self, wildcards: Wildcards) -> str:
        """Of a ladder from a rung of the first side."""
        sizes = ladders.parse(wildcards.ladder)
        return fine_tune_job(wildcards.first, self.study.second_side, sizes, int(wildcards.seed))

    def answer_job(self, wildcards: Wildcards) -> str:
        """Of a ladder of the second side."""
        trajectory = self.trajectory_of(wildcards)
        job = jobs.AnswerJob(
            base=trajectory.base,
            first_side=trajectory.first_side,
            seed=trajectory.seed,
            first_size=int(wildcards.first),
            rungs=ladders.parse(wildcards.ladder),
            sampling=self.study.sampling,
            engine=self.study.engine,
        )
        return to_json(job)

    def base_answer_job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        rung = self.study.bases[wildcards.base][1]
        sampling, engine = self.study.sampling, self.study.engine
        return to_json(jobs.AnswerJob(base=wildcards.base, rungs=(rung,), sampling=sampling, engine=engine))

    @property
    def answering_environment(self) -> str:
        """The conda environment of the jobs that draw answers: vLLM wants its own version of torch."""
        return "vllm" if self.study.engine == "vllm" else "elasticity"

    def answers(self, wildcards: Wildcards) -> list[str]:
        """All answers of a task, those of the base models included."""
        mine = [trajectory for trajectory in self.cells if trajectory.task == wildcards.task]
        bases = self.task_bases(wildcards.task)
        files = [f"{self.results}/{wildcards.task}/rebound/{base}/answers.parquet" for base in bases]
        for trajectory, first_size, ladder in self.second_side_jobs():
            if trajectory in mine:
                files.append(f"{self.second_run(trajectory, first_size, ladder)}/answers.parquet")
        return files

    def second_side_jobs(self) -> Iterator[tuple[Trajectory, int, Ladder]]:
        """Every second-side job: its trajectory, the rung it starts from, and its ladder."""
        for trajectory, sizes in sorted(self.cells.items()):
            for first_size in sizes:
                for ladder in self.second_ladders(trajectory, first_size):
                    yield trajectory, first_size, ladder

    def rebound(self, wildcards: Wildcards) -> Rebound:
        """The experiment that the wildcards name."""
        return self.study.rebound[wildcards.experiment]

    def rebound_scores(self, wildcards: Wildcards) -> str:
        """The scores that an experiment is judged by."""
        return f"{self.results}/{self.rebound(wildcards).task}/scores.parquet"

    def rebound_figure_job(self, wildcards: Wildcards) -> str:
        """What the panels and lines of an experiment are."""
        rebound = self.rebound(wildcards)
        score = self.study.tasks[rebound.task].score_model.score_name
        return to_json(jobs.ReboundFigureJob(experiment=rebound, score=score))

    def rebound_judge_job(self, wildcards: Wildcards) -> str:
        """The cells of an experiment."""
        job = jobs.ReboundJudgeJob(
            experiment=self.rebound(wildcards),
            seeds=self.study.seeds,
            second_side=self.study.second_side,
        )
        return to_json(job)


def _finished(folder: str) -> list[Ladder]:
    """The ladders that were trained, or are being trained: a folder of theirs is there.

    Not their outputs: Snakemake removes those when a job starts, and a process that reads the study then (each SLURM
    job does) must see the same ladders.
    """
    return [ladders.parse(path.name) for path in Path(folder).glob("[0-9]*") if path.is_dir()]


def fine_tune_job(start: int | str, settings: FineTuning, sizes: Ladder, seed: int) -> str:
    """Fine-tuning on texts, from a rung."""
    return to_json(jobs.FineTuneJob(start=str(start), settings=settings, sizes=sizes, seed=seed))
