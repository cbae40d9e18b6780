"""How large each job is: what its demands follow from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace

from elasticity.config.compression import Compression
from elasticity.config.experiments import Resistance
from elasticity.config.models import Pretrained, TunedModel
from elasticity.config.sampling import Sampling
from elasticity.config.score_models import judge_parameters
from elasticity.config.study import Study
from elasticity.config.training import FineTuning, Optimization
from elasticity.evaluation.text_statistics import answers_at_once
from elasticity.models.shapes import Shape, shape_of
from elasticity.pipeline import runs
from elasticity.pipeline.materials import Wildcards

_shape_of = cache(shape_of)


CHARACTERS_PER_TOKEN = 2
"""Or more, of most texts."""


PASS_TOKENS = 512
"""Of windows that are read at once, or more: see ``compression``."""


@dataclass(frozen=True)
class Training:
    """A training job: what model, on how many examples, all epochs together, of what length in tokens.

    ``judge`` counts the parameters of the score model that rewards it, if one does.
    """

    model: str
    settings: Optimization
    length: int
    examples: int
    judge: int = 0


@dataclass(frozen=True)
class Answering:
    """A job that draws from models: how many prompts with how many rungs each, and how."""

    model: str
    prompts: int
    prompt_tokens: int
    rungs: int
    sampling: Sampling


class JobSizes:
    """Of all jobs of a study that train a model, draw from it, or score."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._origin = cache(study.origin)

    def shape(self, model: str) -> Shape:
        """Of a model; a tuned one has that of its origin."""
        return _shape_of(self.study.models[self._origin(model)])

    def pretraining(self, wildcards: Wildcards) -> Training:
        """Of a model."""
        return self._pretraining(wildcards.model)

    def _pretraining(self, name: str) -> Training:
        model = self.study.models[name]
        assert isinstance(model, Pretrained)
        return Training(name, model.optimization, model.context, model.updates * model.optimization.batch_size)

    def joint(self, wildcards: Wildcards) -> Training:
        """Of a cell: what its base model, its first side and its second side were trained on."""
        examples = int(wildcards.first) + runs.parse(wildcards.ladder)[-1]
        return self._joint(wildcards.base, wildcards.recipe, wildcards.second, examples)

    def _joint(self, base: str, first: str, second: str, examples: int) -> Training:
        """On so many examples of both sides beside those of pre-training, whose optimizer it takes for all."""
        pretraining = self._pretraining(self.study.bases[base][0])
        length = max(pretraining.length, *(self.study.recipe(name).max_length for name in (first, second)))
        return replace(pretraining, examples=pretraining.examples + examples, length=length)

    def warm_up(self, wildcards: Wildcards) -> Training:
        """Of a tuned model."""
        return self._warm_up(wildcards.model)

    def _warm_up(self, name: str) -> Training:
        model = self.study.models[name]
        assert isinstance(model, TunedModel)
        return self._fine_tuning(name, model.tuning, model.examples)

    def first_side(self, wildcards: Wildcards) -> Training:
        """Of a ladder."""
        return self._fine_tuning(wildcards.base, self.study.recipe(wildcards.recipe), _largest(wildcards))

    def second_side(self, wildcards: Wildcards) -> Training:
        """Of a ladder; a base model's answers belong to none: they run as beside the default one."""
        settings = self.study.recipe(getattr(wildcards, "second", "second"))
        return self._fine_tuning(wildcards.base, settings, _largest(wildcards), wildcards.task)

    def third_side(self, wildcards: Wildcards) -> Training:
        """Of a ladder."""
        return self._fine_tuning(wildcards.base, self.study.recipe(wildcards.third), _largest(wildcards))

    def slices(self, wildcards: Wildcards) -> Training:
        """On three parts of a pool."""
        return self._fine_tuning(wildcards.base, self._experiment(wildcards).slices, 3 * self._part(wildcards))

    def tuning(self, wildcards: Wildcards) -> Training:
        """On one part, or on what is chosen of it."""
        experiment = self._experiment(wildcards)
        return self._fine_tuning(wildcards.base, experiment.tuning, experiment.tuned_on(self._part(wildcards)))

    def _fine_tuning(self, base: str, settings: FineTuning, examples: int, task: str = "") -> Training:
        judge = judge_parameters(self.study.tasks[task].score_model) if settings.draws else 0
        return Training(self._origin(base), settings, settings.max_length, examples * settings.epochs, judge)

    def of_base(self, base: str) -> Iterator[Training]:
        """A job of each kind that makes a base model or trains it; of how many examples does not matter."""
        name, _ = self.study.bases[base]
        if isinstance(self.study.models[name], Pretrained):
            yield self._pretraining(name)
        elif isinstance(self.study.models[name], TunedModel):
            yield self._warm_up(name)
        for rebound in self.study.rebound.values():
            if base in rebound.bases:
                yield self._fine_tuning(base, self.study.recipe(rebound.first_recipe), 1)
                yield self._fine_tuning(base, self.study.recipe(rebound.second_recipe), 1, rebound.task)
                if rebound.third_sizes:
                    yield self._fine_tuning(base, self.study.recipe(rebound.third_recipe), 1)
                if rebound.joint:
                    yield self._joint(base, rebound.first_recipe, rebound.second_recipe, 1)
        for experiment in self.study.resistance.values():
            if base in experiment.bases:
                yield from (self._fine_tuning(base, how, 1) for how in (experiment.slices, experiment.tuning))

    def kept_optimizers(self) -> Iterator[tuple[str, Training]]:
        """First sides whose optimizer a second side goes on with; of how many examples does not matter."""
        for name, rebound in self.study.rebound.items():
            if self.study.recipe(rebound.second_recipe).optimizer == "carried":
                where, first = f"rebound.{name}.first_recipe", self.study.recipe(rebound.first_recipe)
                yield from ((where, self._fine_tuning(base, first, 1)) for base in rebound.bases)

    def drawing_of_base(self, base: str) -> Iterator[tuple[Answering, int]]:
        """A job of each kind that draws from what a base becomes, with 1 model in memory, or compares both, with 2."""
        for rebound in self.study.rebound.values():
            if base in rebound.bases:
                where = SimpleNamespace(task=rebound.task, base=base)
                if self.study.tasks[rebound.task].score_model:
                    yield from ((self.answers(where), models) for models in ((1, 2) if rebound.divergence else (1,)))
                if rebound.compression:
                    yield self.compression(where), 2
        for name, experiment in self.study.resistance.items():
            if base in experiment.bases:
                slices = self.slice_answers(SimpleNamespace(experiment=name, base=base))
                yield from ((slices, models) for models in (1, 2))

    def answers(self, wildcards: Wildcards) -> Answering:
        """Of the rungs of a ladder, or of a base model."""
        task = self.study.tasks[wildcards.task]
        rungs = len(runs.parse(getattr(wildcards, "ladder", "1")))
        return Answering(
            self._origin(wildcards.base), task.pools.prompts, task.prompt_tokens, rungs, self.study.sampling
        )

    def slice_answers(self, wildcards: Wildcards) -> Answering:
        """Of three slices: twins to the prompts of D4, and questions. Measuring them takes less than drawing them."""
        experiment = self._experiment(wildcards)
        task = self.study.tasks[experiment.task]
        questions = self.study.tasks[experiment.questions or experiment.task]
        prompts = questions.pools.prompts + task.pools.resistance
        longest = max(task.prompt_tokens, questions.prompt_tokens)
        return Answering(self._origin(wildcards.base), prompts, longest, 3, experiment.twin_sampling)

    def base_measurements(self, wildcards: Wildcards) -> Answering:
        """Of held-out texts under all base models; the largest of them decides."""
        largest = max(map(self.study.origin, self.study.bases), key=lambda name: self.shape(name).parameters)
        task = self.study.tasks[wildcards.task]
        tokens = task.held_out_tokens
        return Answering(largest, 3 * task.pools.held_out, tokens, len(self.study.bases), self.study.sampling)

    def compression(self, wildcards: Wildcards) -> Answering:
        """Of held-out texts of at most four corpora under the rungs of a ladder and under their base model.

        A pass over windows takes as long as one token of as many answers as there are tokens in them.
        """
        reading = self.study.compression or Compression()
        pools = [task.pools for task in self.study.tasks.values()]
        texts = 4 * max(pool.held_out for pool in pools)
        windows = math.ceil(reading.characters / CHARACTERS_PER_TOKEN / reading.stride)
        rungs = len(runs.parse(getattr(wildcards, "ladder", "1")))
        passes = self.study.sampling.model_copy(
            update={"batch_size": max(reading.window, PASS_TOKENS), "new_tokens": 1, "contrast": None}
        )
        return Answering(self._origin(wildcards.base), 2 * texts * windows * reading.window, 1, rungs, passes)

    def usefulness(self, wildcards: Wildcards) -> Answering:
        """Of all scored answers of a base and its cells, which it reads; a pass counts as in ``compression``."""
        task, vocabulary = self.study.tasks[wildcards.task], self.shape(wildcards.base).vocabulary
        longest = task.prompt_tokens + self.study.sampling.new_tokens
        cells = [
            len(self.study.seeds) * len(rebound.first_sizes) * len(rebound.second_sizes)
            for rebound in self.study.rebound.values()
            if rebound.usefulness and rebound.task == wildcards.task and wildcards.base in rebound.bases
        ]
        at_once = answers_at_once(vocabulary, longest) * longest
        passes = self.study.sampling.model_copy(update={"batch_size": at_once, "new_tokens": 1, "contrast": None})
        tokens = task.pools.prompts * (1 + sum(cells)) * longest
        return Answering(self._origin(wildcards.base), tokens, 1, 1, passes)

    def coding(self, wildcards: Wildcards) -> Answering:
        """Of texts of at most four corpora, token by token, to pack and to restore them."""
        settings = self.study.compression or Compression()
        one_by_one = self.study.sampling.model_copy(update={"batch_size": 1, "new_tokens": settings.characters})
        return Answering(self._origin(wildcards.base), 8 * settings.coded, settings.window, 1, one_by_one)

    def scored_answers(self, wildcards: Wildcards) -> int:
        """At most: cells that experiments share are scored once."""
        rebounds = [rebound for rebound in self.study.rebound.values() if rebound.task == wildcards.task]
        trajectories = sum(len(self.study.seeds) * len(rebound.bases) for rebound in rebounds)
        rungs = [len(rebound.second_sizes) + len(rebound.third_sizes) for rebound in rebounds]
        sizes = max(
            (len(rebound.first_sizes) * count for rebound, count in zip(rebounds, rungs, strict=True)), default=0
        )
        return self.study.tasks[wildcards.task].pools.prompts * (trajectories * sizes + len(self.study.bases))

    def _experiment(self, wildcards: Wildcards) -> Resistance:
        return self.study.resistance[wildcards.experiment]

    def _part(self, wildcards: Wildcards) -> int:
        return self.study.tasks[self._experiment(wildcards).task].pools.resistance


def _largest(wildcards: Wildcards) -> int:
    """The size of the last rung of a ladder, which trains on one example at least; a base model has no ladder."""
    return max(1, runs.parse(getattr(wildcards, "ladder", "1"))[-1])
