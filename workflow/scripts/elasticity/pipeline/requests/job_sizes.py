"""The size of each job, from which its resource requests follow."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace

from elasticity.config.compression import Compression
from elasticity.config.experiments import Resistance
from elasticity.config.models import Pretrained, TunedModel
from elasticity.config.sampling import Sampling
from elasticity.config.score_models import score_model_parameters
from elasticity.config.study import Study
from elasticity.config.training import FineTuning, Optimization
from elasticity.core.run_names import sizes_in
from elasticity.evaluation.text_statistics import responses_at_once
from elasticity.models.shapes import Shape, shape_of
from elasticity.pipeline.common import Wildcards

_shape_of = cache(shape_of)


CHARACTERS_PER_TOKEN = 2
"""A lower bound for most texts."""


PASS_TOKENS = 512
"""Tokens of the windows that are read in one pass, at least: see ``evaluation.compression``."""


@dataclass(frozen=True)
class Training:
    """The size of a training job.

    ``length`` is the largest number of tokens of an example, ``examples`` counts the examples of all epochs, and
    ``score_model`` is the number of parameters of the score model that gives the rewards, 0 without one.
    """

    model: str
    settings: Optimization
    length: int
    examples: int
    score_model: int = 0


@dataclass(frozen=True)
class Generation:
    """The size of a job that generates responses to ``prompts`` prompts with each of ``checkpoints`` checkpoints."""

    model: str
    prompts: int
    prompt_tokens: int
    checkpoints: int
    sampling: Sampling


class JobSizes:
    """Sizes of all jobs of a study that train a model, generate with it, measure it, or score."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._origin = cache(study.origin)

    def shape(self, model: str) -> Shape:
        """The shape of a model; a tuned model has the shape of the model that it comes from."""
        return _shape_of(self.study.models[self._origin(model)])

    def pretraining(self, wildcards: Wildcards) -> Training:
        """Size of the pre-training job of a model."""
        return self._pretraining(wildcards.model)

    def _pretraining(self, name: str) -> Training:
        model = self.study.models[name]
        assert isinstance(model, Pretrained)
        return Training(name, model.optimization, model.context, model.updates * model.optimization.batch_size)

    def joint(self, wildcards: Wildcards) -> Training:
        """Size of the joint training of a cell: the examples of pre-training, alignment and inverse stage together."""
        examples = int(wildcards.alignment_size) + sizes_in(wildcards.run_sizes)[-1]
        return self._joint(wildcards.base, wildcards.alignment_recipe, wildcards.inverse_recipe, examples)

    def _joint(self, base: str, alignment: str, inverse: str, examples: int) -> Training:
        """Pre-training with so many examples of both sides added; its optimizer settings hold for all of them."""
        pretraining = self._pretraining(self.study.bases[base][0])
        length = max(pretraining.length, *(self.study.recipe(name).max_length for name in (alignment, inverse)))
        return replace(pretraining, examples=pretraining.examples + examples, length=length)

    def warm_up(self, wildcards: Wildcards) -> Training:
        """Size of the fine-tuning job of a tuned model."""
        return self._warm_up(wildcards.model)

    def _warm_up(self, name: str) -> Training:
        model = self.study.models[name]
        assert isinstance(model, TunedModel)
        return self._fine_tuning(name, model.tuning, model.examples)

    def alignment(self, wildcards: Wildcards) -> Training:
        """Size of a run of an alignment stage."""
        return self._fine_tuning(wildcards.base, self.study.recipe(wildcards.alignment_recipe), _largest(wildcards))

    def inverse(self, wildcards: Wildcards) -> Training:
        """Size of a run of an inverse stage; without a recipe in the wildcards (a base model), of the default one."""
        settings = self.study.recipe(getattr(wildcards, "inverse_recipe", "inverse"))
        return self._fine_tuning(wildcards.base, settings, _largest(wildcards), wildcards.task)

    def realignment(self, wildcards: Wildcards) -> Training:
        """Size of a run of a realignment stage."""
        return self._fine_tuning(wildcards.base, self.study.recipe(wildcards.realignment_recipe), _largest(wildcards))

    def slices(self, wildcards: Wildcards) -> Training:
        """Size of the sequential fine-tuning on D1, D2 and D3."""
        return self._fine_tuning(wildcards.base, self._experiment(wildcards).slices, 3 * self._part(wildcards))

    def tuning(self, wildcards: Wildcards) -> Training:
        """Size of the tuning of a slice on a twin data set, or on the chosen part of it."""
        experiment = self._experiment(wildcards)
        return self._fine_tuning(wildcards.base, experiment.tuning, experiment.tuned_on(self._part(wildcards)))

    def _fine_tuning(self, base: str, settings: FineTuning, examples: int, task: str = "") -> Training:
        score_model = score_model_parameters(self.study.tasks[task].score_model) if settings.draws else 0
        return Training(self._origin(base), settings, settings.max_length, examples * settings.epochs, score_model)

    def of_base(self, base: str) -> Iterator[Training]:
        """Yield a job of each kind that makes a base model or trains it; the number of examples does not matter."""
        name, _ = self.study.bases[base]
        if isinstance(self.study.models[name], Pretrained):
            yield self._pretraining(name)
        elif isinstance(self.study.models[name], TunedModel):
            yield self._warm_up(name)
        for rebound in self.study.rebound.values():
            if base in rebound.bases:
                yield self._fine_tuning(base, self.study.recipe(rebound.alignment_recipe), 1)
        yield from self.measured_of_base(base)

    def measured_of_base(self, base: str) -> Iterator[Training]:
        """Yield a job of each kind that trains models from a base model and measures them; examples do not matter."""
        for rebound in self.study.rebound.values():
            if base in rebound.bases:
                yield self._fine_tuning(base, self.study.recipe(rebound.inverse_recipe), 1, rebound.task)
                if rebound.realignment_sizes:
                    yield self._fine_tuning(base, self.study.recipe(rebound.realignment_recipe), 1)
                if rebound.joint:
                    yield self._joint(base, rebound.alignment_recipe, rebound.inverse_recipe, 1)
        for experiment in self.study.resistance.values():
            if base in experiment.bases:
                yield from (self._fine_tuning(base, how, 1) for how in (experiment.slices, experiment.tuning))

    def kept_optimizers(self) -> Iterator[tuple[str, Training]]:
        """Yield the alignment stages whose optimizer an inverse stage continues with, by their place in the study."""
        for name, rebound in self.study.rebound.items():
            if self.study.recipe(rebound.inverse_recipe).optimizer == "carried":
                where, settings = f"rebound.{name}.alignment_recipe", self.study.recipe(rebound.alignment_recipe)
                yield from ((where, self._fine_tuning(base, settings, 1)) for base in rebound.bases)

    def drawing_of_base(self, base: str) -> Iterator[tuple[Generation, int]]:
        """Yield a job of each kind that generates with models that start from a base model, or compares them with it.

        Each comes with the number of models in memory: 1 to generate, 2 to compare.
        """
        for rebound in self.study.rebound.values():
            if base in rebound.bases:
                where = SimpleNamespace(task=rebound.task, base=base)
                if self.study.tasks[rebound.task].score_model and rebound.scores:
                    yield from ((self.responses(where), models) for models in ((1, 2) if rebound.divergence else (1,)))
                if rebound.compression:
                    yield self.compression(where), 2
                if rebound.lean:
                    yield self.lean(where), 1
        for name, experiment in self.study.resistance.items():
            if base in experiment.bases:
                slices = self.slice_responses(SimpleNamespace(experiment=name, base=base))
                yield from ((slices, models) for models in (1, 2))

    def responses(self, wildcards: Wildcards) -> Generation:
        """Size of the job that generates with the checkpoints of a run, or several times with a base model."""
        task = self.study.tasks[wildcards.task]
        run_sizes = getattr(wildcards, "run_sizes", None)
        checkpoints = len(sizes_in(run_sizes)) if run_sizes else self.study.base_draws
        return Generation(
            self._origin(wildcards.base), task.splits.prompts, task.prompt_tokens, checkpoints, self.study.sampling
        )

    def slice_responses(self, wildcards: Wildcards) -> Generation:
        """Size of the job that generates twins and questions with three slices; measuring them takes less."""
        experiment = self._experiment(wildcards)
        task = self.study.tasks[experiment.task]
        questions = self.study.tasks[experiment.questions or experiment.task]
        prompts = questions.splits.prompts + task.splits.resistance
        longest = max(task.prompt_tokens, questions.prompt_tokens)
        twins, asked = experiment.twin_sampling, experiment.question_sampling
        largest = {name: max(getattr(twins, name), getattr(asked, name)) for name in ("new_tokens", "batch_size")}
        return Generation(self._origin(wildcards.base), prompts, longest, 3, twins.model_copy(update=largest))

    def bits_per_byte(self, wildcards: Wildcards) -> Generation:
        """Size of the job that measures all base models on held-out text; the largest model counts."""
        largest = max(map(self.study.origin, self.study.bases), key=lambda name: self.shape(name).parameters)
        task = self.study.tasks[wildcards.task]
        tokens = task.held_out_tokens
        return Generation(largest, 3 * task.splits.held_out, tokens, len(self.study.bases), self.study.sampling)

    def compression(self, wildcards: Wildcards) -> Generation:
        """Size of the job that measures held-out texts of up to four corpora under a run's checkpoints and their base.

        A pass over windows takes as long as one token of as many responses as there are tokens in them.
        """
        reading = self.study.compression or Compression()
        splits = [task.splits for task in self.study.tasks.values()]
        texts = 4 * max(split.held_out for split in splits)
        windows = math.ceil(reading.characters / CHARACTERS_PER_TOKEN / reading.stride)
        checkpoints = len(sizes_in(getattr(wildcards, "run_sizes", "1")))
        passes = self.study.sampling.model_copy(
            update={"batch_size": max(reading.window, PASS_TOKENS), "new_tokens": 1, "contrast": None}
        )
        return Generation(self._origin(wildcards.base), 2 * texts * windows * reading.window, 1, checkpoints, passes)

    def text_statistics(self, wildcards: Wildcards) -> Generation:
        """Size of reading the responses of each checkpoint of a run; passes count as in ``compression``."""
        task, vocabulary = self.study.tasks[wildcards.task], self.shape(wildcards.base).vocabulary
        longest = task.prompt_tokens + self.study.sampling.new_tokens
        at_once = responses_at_once(vocabulary, longest) * longest
        passes = self.study.sampling.model_copy(update={"batch_size": at_once, "new_tokens": 1, "contrast": None})
        checkpoints = len(sizes_in(getattr(wildcards, "run_sizes", "1")))
        return Generation(self._origin(wildcards.base), task.splits.prompts * longest, 1, checkpoints, passes)

    def lean(self, wildcards: Wildcards) -> Generation:
        """Size of reading the texts of a seed with each checkpoint of a run, or all texts with a base model.

        Passes count as in ``compression``.
        """
        task = self.study.tasks[wildcards.task]
        longest = task.prompt_tokens + task.held_out_tokens
        passes = self.study.sampling.model_copy(
            update={"batch_size": max(longest, PASS_TOKENS), "new_tokens": 1, "contrast": None}
        )
        checkpoints = len(sizes_in(getattr(wildcards, "run_sizes", "1")))
        texts = task.lean_texts if hasattr(wildcards, "run_sizes") else task.splits.lean
        return Generation(self._origin(wildcards.base), 2 * texts * longest, 1, checkpoints, passes)

    def measurements(self, wildcards: Wildcards) -> list[Generation]:
        """Sizes of the measurements of the checkpoints of an inverse run, or of a base model.

        Comparing next-token distributions on responses takes no longer than generating them.
        """
        task = self.study.tasks[wildcards.task]
        asking = [it for it in self.study.rebound.values() if it.task == wildcards.task and wildcards.base in it.bases]
        unscored = bool(asking) and not any(it.scores for it in asking)
        found = [self.responses(wildcards)] if task.score_model and not unscored else []
        found += [self.responses(wildcards)] if any(it.divergence for it in asking) else []
        found += [self.text_statistics(wildcards)] if any(it.text_statistics for it in asking) else []
        found += [self.lean(wildcards)] if any(it.lean for it in asking) else []
        return found + ([self.compression(wildcards)] if any(it.compression for it in asking) else [])

    def is_compared(self, wildcards: Wildcards) -> bool:
        """Whether a measurement of the models on a base model also needs the base model."""
        asking = [it for it in self.study.rebound.values() if it.task == wildcards.task and wildcards.base in it.bases]
        return any(it.divergence or it.text_statistics or it.compression for it in asking)

    def arithmetic_coding(self, wildcards: Wildcards) -> Generation:
        """Size of the job that packs and restores texts of up to four corpora, token by token."""
        settings = self.study.compression or Compression()
        one_by_one = self.study.sampling.model_copy(update={"batch_size": 1, "new_tokens": settings.characters})
        return Generation(self._origin(wildcards.base), 8 * settings.coded, settings.window, 1, one_by_one)

    def scored_responses(self, wildcards: Wildcards) -> int:
        """An upper bound of the number of scored responses of a task; cells that experiments share are scored once."""
        rebounds = [rebound for rebound in self.study.rebound.values() if rebound.task == wildcards.task]
        alignments = sum(len(rebound.seeds_of(self.study.seeds)) * len(rebound.bases) for rebound in rebounds)
        checkpoints = [len(rebound.inverse_sizes) + len(rebound.realignment_sizes) for rebound in rebounds]
        sizes = max(
            (len(rebound.alignment_sizes) * count for rebound, count in zip(rebounds, checkpoints, strict=True)),
            default=0,
        )
        return self.study.tasks[wildcards.task].splits.prompts * (
            alignments * sizes + len(self.study.bases) * self.study.base_draws
        )

    def _experiment(self, wildcards: Wildcards) -> Resistance:
        return self.study.resistance[wildcards.experiment]

    def _part(self, wildcards: Wildcards) -> int:
        return self.study.tasks[self._experiment(wildcards).task].splits.resistance


def _largest(wildcards: Wildcards) -> int:
    """The size of the last checkpoint of a run, at least 1; also 1 for a base model, which has no run."""
    return max(1, sizes_in(getattr(wildcards, "run_sizes", "1"))[-1])
