"""The study as a graph: which jobs there are, what each is told, and where its files lie.

The rules call these methods with Snakemake's wildcards. A path is written once, here or in a rule.
"""

from collections.abc import Iterator

from elasticity import jobs, judging_jobs, ladders
from elasticity.experiments import Rebound
from elasticity.ladders import Ladder
from elasticity.materials_plan import MaterialsPlan, Wildcards, table_and_figure, to_json
from elasticity.second_data import SecondData, second_data
from elasticity.settings import PREFERENCES, Ppo, opposite
from elasticity.study import Study
from elasticity.trajectories import SecondSide, Trajectory, second_sides


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
        return to_json(jobs.HeldOutJob(bases=bases, max_length=self.study.tasks[wildcards.task].held_out_tokens))

    def trajectory_of(self, wildcards: Wildcards) -> Trajectory:
        """The trajectory that the wildcards name."""
        return Trajectory(wildcards.task, wildcards.base, wildcards.side, wildcards.recipe, int(wildcards.seed))

    def second_of(self, wildcards: Wildcards) -> SecondSide:
        """The second side that the wildcards name."""
        return SecondSide(self.trajectory_of(wildcards), int(wildcards.first), wildcards.second)

    def first_ladders(self, trajectory: Trajectory) -> list[Ladder]:
        """The first-side jobs of a trajectory."""
        settings = self.study.recipe(trajectory.recipe)
        finished = ladders.finished(f"{self.results}/{trajectory.folder}/P")
        return ladders.ladders(settings, self.first_sizes[trajectory], finished)

    def second_ladders(self, second: SecondSide) -> list[Ladder]:
        """The second-side jobs that start from one rung of the first side."""
        settings, finished = self.study.recipe(second.recipe), ladders.finished(f"{self.results}/{second.folder}")
        return ladders.ladders(settings, self.cells[second], finished)

    def first_run(self, trajectory: Trajectory, ladder: Ladder) -> str:
        """The folder of a first side and its weights."""
        return f"{self.results}/{trajectory.folder}/P/{ladders.name(ladder)}"

    def started_from(self, second: SecondSide) -> str:
        """The folder of the first side whose ladder holds the rung that a second side starts from."""
        first = second.trajectory
        return next(self.first_run(first, it) for it in self.first_ladders(first) if second.first_size in it)

    def second_run(self, second: SecondSide, ladder: Ladder) -> str:
        """The folder of a second side, its weights and its answers."""
        return f"{self.results}/{second.folder}/{ladders.name(ladder)}"

    def first_side_job(self, wildcards: Wildcards) -> str:
        """Of a ladder from the base."""
        job = jobs.FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=self.study.recipe(wildcards.recipe),
            sizes=ladders.parse(wildcards.ladder),
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
            reward = jobs.Reward(score_model=score_model, side=opposite(wildcards.side))
        job = jobs.FineTuneJob(
            start=wildcards.first,
            settings=settings,
            sizes=ladders.parse(wildcards.ladder),
            skip=self.second_data(wildcards).skip(int(wildcards.first)),
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
            reward=reward,
        )
        return to_json(job)

    def answer_job(self, wildcards: Wildcards) -> str:
        """Of a ladder of the second side."""
        return self.ladder_answer_job(wildcards, ladders.parse(wildcards.ladder), self.cell(wildcards))

    def base_answer_job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        return self.ladder_answer_job(wildcards, (self.study.bases[wildcards.base][1],), None)

    def ladder_answer_job(self, wildcards: Wildcards, rungs: Ladder, cell: jobs.Cell | None) -> str:
        """Of these rungs, in these cells."""
        job = jobs.AnswerJob(
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
        job = jobs.DivergenceJob(
            base=wildcards.base,
            base_rung=self.study.bases[wildcards.base][1],
            cell=self.cell(wildcards),
            rungs=ladders.parse(wildcards.ladder),
        )
        return to_json(job)

    def cell(self, wildcards: Wildcards) -> jobs.Cell:
        """The cells of a ladder of the second side."""
        return jobs.Cell(
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
        return to_json(judging_jobs.ReboundFigureJob(experiment=rebound, sides=sides, score=score))

    def judged_cells(self, rebound: Rebound) -> judging_jobs.ReboundJudgeJob:
        """The cells of an experiment, for every job that judges them."""
        settings = self.study.recipe(rebound.second_recipe)
        return judging_jobs.ReboundJudgeJob(experiment=rebound, seeds=self.study.seeds, second_side=settings)

    def rebound_judge_job(self, wildcards: Wildcards) -> str:
        """The cells of an experiment."""
        return to_json(self.judged_cells(self.rebound(wildcards)))
