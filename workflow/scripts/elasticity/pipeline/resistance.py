"""Resistance experiments in the graph (paper A): slices, twin data sets, forward and inverse tuning."""

from elasticity.config import cells, splits
from elasticity.config.experiments import Resistance
from elasticity.evaluation.jobs import ChoosingJob, CrossEntropies, CrossEntropyJob, GenerateSlicesJob, SliceResponses
from elasticity.pipeline.common import Part, Wildcards, algorithm_module, to_json
from elasticity.training.jobs import FineTuneJob, SlicesJob, TuneJob

PATHS: tuple[cells.TuningPath, ...] = ((1, 2), (2, 1), (2, 3), (3, 2), (1, 3), (3, 1))
"""Tuning paths (start slice, target slice): forward and inverse for the pairs (1, 2), (2, 3) and (1, 3)."""


PAIRS = PATHS[::2]
"""The pairs of slices, in forward direction."""


class ResistanceJobs(Part):
    """The jobs of all resistance experiments; the wildcards name the experiment, the base model and the seed."""

    def _experiment(self, wildcards: Wildcards) -> Resistance:
        """The experiment that the wildcards name."""
        return self.study.resistance[wildcards.experiment]

    def maker(self, name: str, base: str) -> str:
        """The experiment whose slices and responses an experiment takes: the first of the study that has the same."""
        makers = (other for other, experiment in self.study.resistance.items() if base in experiment.bases)
        return next(other for other in makers if self._made_by(other) == self._made_by(name))

    def _made_by(self, name: str) -> tuple[object, ...]:
        """The settings that slices and their responses depend on, beside base model and seed."""
        experiment = self.study.resistance[name]
        questions = experiment.questions or experiment.task
        return experiment.task, experiment.slices, experiment.twin_sampling, experiment.question_sampling, questions

    def _made(self, wildcards: Wildcards) -> str:
        """The folder of the slices and their responses."""
        return self._folder(self.maker(wildcards.experiment, wildcards.base), wildcards.base, int(wildcards.seed))

    def slices(self, wildcards: Wildcards) -> str:
        """The checkpoints of the slices, which experiments share."""
        return f"{self._made(wildcards)}/slices/checkpoints"

    def twins(self, wildcards: Wildcards) -> str:
        """The file of the twin data sets, which experiments share."""
        return f"{self._made(wildcards)}/twins.parquet"

    def questions(self, wildcards: Wildcards) -> str:
        """The file of the responses that cross-entropies are measured on, which experiments share."""
        return f"{self._made(wildcards)}/questions.parquet"

    def chosen(self, wildcards: Wildcards) -> list[str]:
        """The file that lists the chosen prompts; none if all prompts are used."""
        folder = self._folder(wildcards.experiment, wildcards.base, int(wildcards.seed))
        return [f"{folder}/chosen.parquet"] if self._experiment(wildcards).equal_entropy else []

    def parts(self, wildcards: Wildcards) -> list[str]:
        """The files of the parts D1, D2 and D3."""
        return [f"{self._task(wildcards)}/splits/{part}.parquet" for part in splits.PARTS[:3]]

    def twin_prompts(self, wildcards: Wildcards) -> str:
        """The file of the prompts of D4."""
        return f"{self._task(wildcards)}/prompts/{splits.PARTS[3]}.parquet"

    def question_prompts(self, wildcards: Wildcards) -> str:
        """The file of held-out prompts whose responses are measured on: of the task, or of another one."""
        return f"{self.results}/{self._questions(wildcards)}/prompts/prompts.parquet"

    def _questions(self, wildcards: Wildcards) -> str:
        experiment = self._experiment(wildcards)
        return experiment.questions or experiment.task

    def _task(self, wildcards: Wildcards) -> str:
        return f"{self.results}/{self._experiment(wildcards).task}"

    def _slices(self, wildcards: Wildcards) -> tuple[int, int, int]:
        part = self.study.tasks[self._experiment(wildcards).task].splits.resistance
        return part, 2 * part, 3 * part

    def _slices_training(self, wildcards: Wildcards) -> FineTuneJob:
        experiment = self._experiment(wildcards)
        return FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=experiment.slices,
            sizes=self._slices(wildcards),
            seed=int(wildcards.seed),
            template=self.study.tasks[experiment.task].template,
            answers=self.study.tasks[experiment.task].answers,
        )

    def _responses(self, wildcards: Wildcards) -> SliceResponses:
        experiment, seed = self._experiment(wildcards), int(wildcards.seed)
        return SliceResponses(
            checkpoints=self._slices(wildcards),
            twin_sampling=experiment.twin_sampling.of_training_seed(seed),
            question_sampling=experiment.question_sampling.of_training_seed(seed),
            twin_template=self.study.tasks[experiment.task].template,
            question_template=self.study.tasks[self._questions(wildcards)].template,
        )

    def slices_job(self, wildcards: Wildcards) -> str:
        """Fine-tune sequentially on D1, D2 and D3, and generate the responses of each slice."""
        return to_json(SlicesJob(training=self._slices_training(wildcards), responses=self._responses(wildcards)))

    def stored_slices_job(self, wildcards: Wildcards) -> str:
        """Fine-tune sequentially on D1, D2 and D3."""
        return to_json(self._slices_training(wildcards))

    def generate_slices_job(self, wildcards: Wildcards) -> str:
        """Generate twin data sets and responses to questions from the checkpoints of slices."""
        return to_json(GenerateSlicesJob(responses=self._responses(wildcards), engine=self.study.engine))

    def choosing_job(self, wildcards: Wildcards) -> str:
        """Choose prompts for all pairs of one seed; responses are read up to the length that is tuned on."""
        length = self._experiment(wildcards).tuning.max_length
        return to_json(ChoosingJob(slices=self._slices(wildcards), pairs=PAIRS, max_length=length))

    def _tuning(self, wildcards: Wildcards, sizes: tuple[int, ...] = ()) -> FineTuneJob:
        """The tuning of a slice, with checkpoints at ``sizes`` before its end."""
        experiment, path = self._experiment(wildcards), _path(wildcards)
        return FineTuneJob(
            start=str(self._slices(wildcards)[path[0] - 1]),
            settings=experiment.tuning,
            sizes=(*sizes, experiment.tuned_on(self._slices(wildcards)[0])),
            seed=int(wildcards.seed),
            template=self.study.tasks[experiment.task].template,
            responses_of_slice=path[1],
            chosen_for=path if experiment.equal_entropy else None,
        )

    def _cross_entropies(self, wildcards: Wildcards) -> CrossEntropies:
        experiment = self._experiment(wildcards)
        return CrossEntropies(
            slices=self._slices(wildcards),
            path=_path(wildcards),
            chosen=experiment.equal_entropy,
            max_length=experiment.tuning.max_length,
        )

    def tune_job(self, wildcards: Wildcards) -> str:
        """Tune slice k on the responses of slice l, and measure it on them before and after."""
        training = self._tuning(wildcards, sizes=(0,))
        saved = training.sizes[1:] if self.study.keep_checkpoints else ()
        return to_json(TuneJob(training=training, cross_entropies=self._cross_entropies(wildcards), saved=saved))

    def stored_tune_job(self, wildcards: Wildcards) -> str:
        """Tune slice k on the responses of slice l."""
        return to_json(self._tuning(wildcards))

    def cross_entropy_job(self, wildcards: Wildcards) -> str:
        """Measure a tuned slice from its checkpoint."""
        (checkpoint,) = self._tuning(wildcards).sizes
        return to_json(CrossEntropyJob(checkpoint=checkpoint, cross_entropies=self._cross_entropies(wildcards)))

    def runs_of(self, name: str) -> list[tuple[str, int]]:
        """The base models and seeds of an experiment."""
        return [(base, seed) for base in self.study.resistance[name].bases for seed in self.study.seeds]

    def _folder(self, name: str, base: str, seed: int) -> str:
        return f"{self.results}/{self.study.resistance[name].task}/resistance/{name}/{base}/seed{seed}"

    def run_folders(self, name: str) -> list[str]:
        """The folders of an experiment, one for each base model and seed."""
        return [self._folder(name, base, seed) for base, seed in self.runs_of(name)]

    def training_folders(self, name: str, base: str) -> list[str]:
        """The folders of the training jobs that an experiment needs, including those of shared slices."""
        found = []
        for seed in self.study.seeds:
            slices, tuned = (self._folder(of, base, seed) for of in (self.maker(name, base), name))
            found += [f"{slices}/slices", *(f"{tuned}/tuned/{_name(path)}" for path in PATHS)]
        return found

    def cross_entropies(self, wildcards: Wildcards) -> list[str]:
        """The cross-entropies of an experiment: one file for each path of each base model and seed."""
        return self._tuning_files(wildcards, "cross-entropies.parquet")

    def all_chosen(self, wildcards: Wildcards) -> list[str]:
        """The chosen prompts of an experiment, one file for each base model and seed."""
        return [f"{folder}/chosen.parquet" for folder in self.run_folders(wildcards.experiment)]

    def all_twins(self, wildcards: Wildcards) -> list[str]:
        """The twin data sets of an experiment: one file for each base model and seed."""
        runs = self.runs_of(wildcards.experiment)
        name = wildcards.experiment
        return [f"{self._folder(self.maker(name, base), base, seed)}/twins.parquet" for base, seed in runs]

    def tuning_losses(self, wildcards: Wildcards) -> list[str]:
        """The losses of an experiment's tuning jobs: one file for each path of each base model and seed."""
        return self._tuning_files(wildcards, "losses.parquet")

    def _tuning_files(self, wildcards: Wildcards, file: str) -> list[str]:
        folders = self.run_folders(wildcards.experiment)
        return [f"{folder}/tuned/{_name(path)}/{file}" for folder in folders for path in PATHS]

    # Code digests

    def slices_algorithm(self, wildcards: Wildcards) -> str:
        """The module of the algorithm that slices are trained by."""
        return algorithm_module(self._experiment(wildcards).slices)

    def tuning_algorithm(self, wildcards: Wildcards) -> str:
        """The module of the algorithm that slices are tuned by."""
        return algorithm_module(self._experiment(wildcards).tuning)


def _path(wildcards: Wildcards) -> cells.TuningPath:
    return int(wildcards.k), int(wildcards.l)


def _name(path: cells.TuningPath) -> str:
    return f"{path[0]}-{path[1]}"
