"""The resistance experiments as a graph: slices, twin data sets, forward and inverse tuning (paper A)."""

from elasticity import jobs, pools
from elasticity.experiments import Resistance
from elasticity.materials_plan import Wildcards, to_json
from elasticity.study import Study

PATHS: tuple[jobs.TuningPath, ...] = ((1, 2), (2, 1), (2, 3), (3, 2), (1, 3), (3, 1))
"""Forward and inverse for the pairs (1, 2), (2, 3), (1, 3)."""


class ResistancePlan:
    """All resistance jobs of a study; the wildcards name the experiment, the base model and the seed."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"

    def targets(self) -> list[str]:
        """The tables and figures of the resistance experiments."""
        found = []
        for name, experiment in self.study.resistance.items():
            found.append(f"{self.results}/tables/resistance-{name}.csv")
            found += [f"{self.results}/figures/resistance-{name}/{base}.svg" for base in experiment.bases]
        return found

    def _experiment(self, wildcards: Wildcards) -> Resistance:
        """The experiment that the wildcards name."""
        return self.study.resistance[wildcards.experiment]

    def parts(self, wildcards: Wildcards) -> list[str]:
        """D1, D2, D3."""
        return [f"{self._task(wildcards)}/pools/{part}.parquet" for part in pools.PARTS[:3]]

    def twin_prompts(self, wildcards: Wildcards) -> str:
        """The prompts of D4."""
        return f"{self._task(wildcards)}/prompts/{pools.PARTS[3]}.parquet"

    def question_prompts(self, wildcards: Wildcards) -> str:
        """The held-out prompts on whose answers cross-entropies are measured: of this task, or of another one."""
        return f"{self.results}/{self._questions(wildcards)}/prompts/prompts.parquet"

    def _questions(self, wildcards: Wildcards) -> str:
        experiment = self._experiment(wildcards)
        return experiment.questions or experiment.task

    def _task(self, wildcards: Wildcards) -> str:
        return f"{self.results}/{self._experiment(wildcards).task}"

    def _slices(self, wildcards: Wildcards) -> tuple[int, int, int]:
        part = self.study.tasks[self._experiment(wildcards).task].pools.resistance
        return part, 2 * part, 3 * part

    def slices_job(self, wildcards: Wildcards) -> str:
        """Sequential fine-tuning on D1, D2, D3."""
        experiment = self._experiment(wildcards)
        job = jobs.FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=experiment.slices,
            sizes=self._slices(wildcards),
            seed=int(wildcards.seed),
            template=self.study.tasks[experiment.task].template,
        )
        return to_json(job)

    def slice_answer_job(self, wildcards: Wildcards) -> str:
        """Twin data sets and questions."""
        resistance = self._experiment(wildcards)
        job = jobs.SliceAnswerJob(
            rungs=self._slices(wildcards),
            twin_sampling=resistance.twin_sampling,
            question_sampling=resistance.question_sampling,
            engine=self.study.engine,
            twin_template=self.study.tasks[resistance.task].template,
            question_template=self.study.tasks[self._questions(wildcards)].template,
        )
        return to_json(job)

    def tune_job(self, wildcards: Wildcards) -> str:
        """Slice k tuned on the answers of slice l."""
        slices = self._slices(wildcards)
        job = jobs.FineTuneJob(
            start=str(slices[int(wildcards.k) - 1]),
            settings=self._experiment(wildcards).tuning,
            sizes=(slices[0],),
            seed=int(wildcards.seed),
            template=self.study.tasks[self._experiment(wildcards).task].template,
            answers_of_slice=int(wildcards.l),
        )
        return to_json(job)

    def tuned(self, wildcards: Wildcards) -> list[str]:
        """The tuned models of one seed, in the order of the paths."""
        folder = f"{self._task(wildcards)}/resistance/{wildcards.experiment}/{wildcards.base}/seed{wildcards.seed}"
        return [f"{folder}/tuned/{_name(path)}/rungs" for path in PATHS]

    def cross_entropy_job(self, wildcards: Wildcards) -> str:
        """All paths of one seed."""
        slices = self._slices(wildcards)
        job = jobs.CrossEntropyJob(
            slices=slices,
            paths=PATHS,
            tuned_rung=str(slices[0]),
            max_length=self._experiment(wildcards).tuning.max_length,
        )
        return to_json(job)

    def _runs(self, name: str) -> list[tuple[str, int]]:
        return [(base, seed) for base in self.study.resistance[name].bases for seed in self.study.seeds]

    def run_folders(self, name: str) -> list[str]:
        """The folders of an experiment, one for each base and seed."""
        folder = f"{self.results}/{self.study.resistance[name].task}/resistance/{name}"
        return [f"{folder}/{base}/seed{seed}" for base, seed in self._runs(name)]

    def cross_entropies(self, wildcards: Wildcards) -> list[str]:
        """The measurements of an experiment, one file for each base and seed."""
        return [f"{folder}/cross-entropies.parquet" for folder in self.run_folders(wildcards.experiment)]

    def tuning_losses(self, wildcards: Wildcards) -> list[str]:
        """The losses of an experiment's tuning jobs: for each base and seed, one file for each path."""
        folders = self.run_folders(wildcards.experiment)
        return [f"{folder}/tuned/{_name(path)}/losses.parquet" for folder in folders for path in PATHS]

    def judge_job(self, wildcards: Wildcards) -> str:
        """The base models and seeds of an experiment."""
        return to_json(jobs.ResistanceJudgeJob(runs=tuple(self._runs(wildcards.experiment)), paths=PATHS))

    def figure_job(self, wildcards: Wildcards) -> str:
        """The base model to draw."""
        return to_json(jobs.ResistanceFigureJob(base=wildcards.base))


def _name(path: jobs.TuningPath) -> str:
    return f"{path[0]}-{path[1]}"
