"""The study as a graph: which jobs there are, what each is told, and where its files lie.

The rules call these methods with Snakemake's wildcards. A path is written once, here or in a rule.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticity import jobs, ladders, pools
from elasticity.digests import canonical_json
from elasticity.ladders import Ladder
from elasticity.study import FineTuning, LabelledFile, ModelFolder, Pretrained, Rebound, Section, Side, Study, opposite

Wildcards = Any
"""Snakemake's wildcards: an object with a text attribute for each wildcard of the rule."""


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


class Plan:
    """All jobs of a study."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"
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

    def provenance_job(self) -> str:
        """The whole study."""
        return to_json(jobs.ProvenanceJob(study=self.study))

    @staticmethod
    def either(names: Iterable[str]) -> str:
        """A regular expression that matches these names only; none at all if there are none."""
        return "|".join(map(re.escape, names)) or "(?!)"

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

    # Rebound

    def trajectory_of(self, wildcards: Wildcards) -> Trajectory:
        """The trajectory that the wildcards name."""
        return Trajectory(wildcards.task, wildcards.base, wildcards.side, int(wildcards.seed))

    def first_ladders(self, trajectory: Trajectory) -> list[Ladder]:
        """The first-side jobs of a trajectory."""
        folder = f"{self.results}/{trajectory.folder}/first"
        return ladders.ladders(self.study.first_side, tuple(sorted(self.cells[trajectory])), _finished(folder))

    def second_ladders(self, trajectory: Trajectory, first_size: int) -> list[Ladder]:
        """The second-side jobs that start from one rung of the first side."""
        folder = f"{self.results}/{trajectory.folder}/P{first_size}"
        return ladders.ladders(self.study.second_side, self.cells[trajectory][first_size], _finished(folder))

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
        )
        return to_json(job)

    def base_answer_job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        rung = self.study.bases[wildcards.base][1]
        return to_json(jobs.AnswerJob(base=wildcards.base, rungs=(rung,), sampling=self.study.sampling))

    def answers(self, wildcards: Wildcards) -> list[str]:
        """All answers of a task, those of the base models included."""
        mine = [trajectory for trajectory in self.cells if trajectory.task == wildcards.task]
        bases = self.task_bases(wildcards.task)
        files = [f"{self.results}/{wildcards.task}/rebound/{base}/answers.parquet" for base in bases]
        for trajectory, first_size, ladder in self.second_side_jobs():
            if trajectory in mine:
                folder = f"{self.results}/{trajectory.folder}/P{first_size}"
                files.append(f"{folder}/{ladders.name(ladder)}/answers.parquet")
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


def to_json(job: Section) -> str:
    """The text that a job gets on its command line."""
    return canonical_json(job.model_dump(mode="json"))
