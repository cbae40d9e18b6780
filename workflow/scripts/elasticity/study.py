"""The study: one YAML file, typed. ``workflow/schemas/study.schema.json`` is generated from these classes."""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Annotated

from pydantic import Field, model_validator

from elasticity import claims_checks, compression_checks, second_data_checks, springs_checks
from elasticity.calibration_settings import Calibration
from elasticity.carried_checks import carried_mistakes
from elasticity.claims import Claim
from elasticity.compression_settings import Compression, Theory
from elasticity.data_settings import Beginnings, Pools, Prompts, Questions, Source, Template
from elasticity.experiments import Rebound, Resistance
from elasticity.hardware import Hardware
from elasticity.model_settings import Model, Pretrained, TunedModel
from elasticity.pools import mistakes
from elasticity.score_checks import score_mistakes
from elasticity.score_settings import ScoreModelSettings, SnippetClassifier
from elasticity.second_data import SecondData, second_data
from elasticity.settings import PREFERENCES, EngineName, FineTuning, Name, Ppo, Sampling, Section, Seeds, Side


class Task(Section):
    """What the models are aligned to: two sides of labelled examples, prompts, and a score (up is good).

    A task without a score model serves for warm-up, for questions, for resistance, or as a corpus.
    """

    source: Source
    pools: Pools
    prompts: Prompts | None = Field(None, description="How prompts are made; null: the task gives texts only")
    template: Template = Field("plain", description="How a prompt is put to a model")
    score_model: ScoreModelSettings | None = None
    held_out_tokens: int = Field(128, ge=2, description="Tokens of each held-out text that base models are measured on")

    @property
    def prompt_tokens(self) -> int:
        """Of the longest prompt, at most."""
        return self.prompts.max_tokens if self.prompts else 0


RESERVED = ("benchmarks", "cards", "figures", "logs", "models", "provenance", "state", "tables")
"""Folders of the results beside those of the tasks."""


class Study(Section):
    """A whole study. Every name in it is made of letters, digits, dots and hyphens."""

    name: Name
    seeds: Seeds = Field(description="Training seeds: the unit of replication")
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    first_side: FineTuning = Field(description="The recipe named `first`")
    second_side: FineTuning = Field(description="The recipe named `second`")
    recipes: dict[Name, FineTuning] = Field(default_factory=dict, description="Other ways of fine-tuning, by name")
    sampling: Sampling = Field(description="Of the answers that are scored")
    engine: EngineName = Field("transformers", description="What draws answers. vllm: on GPUs, with envs/vllm.yaml")
    rebound: dict[Name, Rebound] = Field(default_factory=dict, description="Experiments by name")
    resistance: dict[Name, Resistance] = Field(default_factory=dict, description="Experiments by name")
    compression: Compression | None = Field(None, description="How compression rates are measured")
    claims: dict[Name, Claim] = Field(default_factory=dict, description="What is expected, before anything is trained")
    theory: Theory | None = Field(None, description="Over what the elasticity theorem is evaluated; null: not at all")
    calibration: Calibration | None = Field(
        None, description="Simulated experiments that the tests of verdicts are tried on; null: they are not"
    )
    hardware: Hardware = Hardware()

    @property
    def bases(self) -> dict[str, tuple[str, int]]:
        """Every base model by name: the model it is a checkpoint of, and after how many updates.

        A model that is tuned is a checkpoint after so many examples, one that is imported its own checkpoint 0.
        """
        found: dict[str, tuple[str, int]] = {}
        for name, model in self.models.items():
            if isinstance(model, Pretrained):
                found.update(checkpoints(name, model))
                found[name] = (name, model.updates)
            else:
                found[name] = (name, model.examples if isinstance(model, TunedModel) else 0)
        return found

    def recipe(self, name: str) -> FineTuning:
        """A way of fine-tuning by its name."""
        return {"first": self.first_side, "second": self.second_side, **self.recipes}[name]

    def second_data(self, rebound: Rebound) -> SecondData:
        """What the second side of an experiment is trained on."""
        return second_data(self.recipe(rebound.second_recipe), rebound.task, rebound.first_side)

    def origin(self, base: str) -> str:
        """The model that a base has its tokenizer and its shape from: pre-trained here, or imported."""
        name = self.bases[base][0]
        model = self.models[name]
        return self.origin(model.base) if isinstance(model, TunedModel) else name

    def pretrained_on(self, base: str) -> str | None:
        """The task whose texts a base was pre-trained on; None if it was not, or not here."""
        name, updates = self.bases[base]
        model = self.models[name]
        if isinstance(model, TunedModel):
            return self.pretrained_on(model.base)
        return model.task if isinstance(model, Pretrained) and updates else None

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        # Lazily, because one check rests on another.
        for mistake in chain(self._task_mistakes(), self._model_mistakes(), self._experiment_mistakes()):
            raise ValueError(mistake)
        return self

    def _task_mistakes(self) -> Iterator[str]:
        for name, task in self.tasks.items():
            if name in RESERVED:
                yield f"tasks.{name}: is a folder of the results; choose another name than {', '.join(RESERVED)}"
            yield from (f"tasks.{name}.{mistake}" for mistake in mistakes(task.source, task.pools, task.prompts))
            if isinstance(task.prompts, Beginnings):
                yield from _unknown(f"tasks.{name}.prompts.tokenizer", task.prompts.tokenizer, self.models)
            if isinstance(task.score_model, SnippetClassifier) and task.pools.score_model == 0:
                yield f"tasks.{name}.score_model is trained on texts in tasks.{name}.pools.score_model, which is 0"

    def _model_mistakes(self) -> Iterator[str]:
        for name, model in self.models.items():
            if isinstance(model, Pretrained):
                if taken := [other for other in self.models if other in checkpoints(name, model)]:
                    yield f"models.{taken[0]}: is the name of a checkpoint of {name}; choose another"
                yield from _unknown(f"models.{name}.task", model.task, self.tasks)
                if self.tasks[model.task].pools.pretraining == 0:
                    yield f"models.{name} needs texts in tasks.{model.task}.pools.pretraining, which is 0"
            if isinstance(model, TunedModel):
                yield from _unknown(f"models.{name}.base", model.base, self.bases)
                yield from _unknown(f"models.{name}.task", model.task, self.tasks)
                yield from self._missing_examples(f"models.{name}", model.task, model.side, model.examples)
                yield from _not_sft(f"models.{name}.tuning", model.tuning)
                yield from _not_enough_updates(f"models.{name}.examples", model.tuning, [model.examples])
                yield from self._no_room(f"models.{name}.tuning", model.task, model.tuning)
                if name in self._ancestors(name):
                    yield f"models.{name}.base: {name} would be tuned from itself"

    def _ancestors(self, name: str) -> list[str]:
        """The models that a tuned model is made from, one after another; ends where it would go round."""
        found: list[str] = []
        while isinstance(model := self.models[name], TunedModel) and name not in found[:-1]:
            name = self.bases[model.base][0]
            found.append(name)
        return found

    def _experiment_mistakes(self) -> Iterator[str]:
        for name in ("first", "second"):
            if name in self.recipes:
                yield f"recipes.{name}: is the name of {name}_side; choose another"
        yield from self._sampling_mistakes("sampling", self.sampling)
        for name, rebound in self.rebound.items():
            yield from self._rebound_mistakes(f"rebound.{name}", rebound)
        for name, resistance in self.resistance.items():
            yield from self._resistance_mistakes(f"resistance.{name}", resistance)
        held_out = {name: task.pools.held_out for name, task in self.tasks.items()}
        origins = {base: self.origin(base) for base in self.bases}
        texts = {name: self.second_data(rebound).task for name, rebound in self.rebound.items()}
        yield from compression_checks.mistakes(self.compression, self.rebound, held_out, self.models, origins, texts)
        if self.calibration and not (self.rebound or self.resistance):
            yield "calibration: tries the tests of rebound and resistance experiments, but there are none: leave it out"
        finished = [name for name, model in self.models.items() if isinstance(model, Pretrained)]
        yield from springs_checks.mistakes(self.rebound, finished, self.recipe)
        scored = [name for name, task in self.tasks.items() if task.score_model]
        yield from claims_checks.mistakes(self.claims, self.rebound, self.resistance, self.seeds, scored)

    def _rebound_mistakes(self, where: str, rebound: Rebound) -> Iterator[str]:
        yield from self._unknown_parts(where, rebound)
        known = {"first", "second", *self.recipes}
        stages: tuple[str, ...] = ("first", "second", "third")
        for stage in stages:
            yield from _unknown(f"{where}.{stage}_recipe", getattr(rebound, f"{stage}_recipe"), known)
        stages = stages if rebound.third_sizes else stages[:2]
        for stage in stages[::2]:
            yield from _not_sft(f"{where}.{stage}_recipe", self.recipe(getattr(rebound, f"{stage}_recipe")))
        yield from carried_mistakes(where, *(self.recipe(getattr(rebound, f"{stage}_recipe")) for stage in stages[:2]))
        if rebound.third_sizes and rebound.second_sizes[-1] == 0:
            yield f"{where}.third_sizes: the way back begins at the largest of second_sizes, which must not be 0"
        if rebound.printed and not (rebound.divergence and rebound.second_sizes[0] == 0):
            yield f"{where}.printed compares divergences: it needs divergence: true, and 0 among second_sizes"
        if rebound.divergence and self.sampling.contrast:
            yield (
                f"{where}.divergence is measured on answers that a model draws alone, but sampling.contrast sets them "
                "off against another model's: leave one of them out"
            )
        yield from score_mistakes(where, rebound, self.tasks[rebound.task], self.recipe(rebound.second_recipe))
        yield from second_data_checks.mistakes(where, rebound, self.recipe(rebound.second_recipe), self.tasks)
        data = self.second_data(rebound)
        for stage, task in zip(stages, (rebound.task, data.task, rebound.task), strict=False):
            settings, sizes = self.recipe(getattr(rebound, f"{stage}_recipe")), getattr(rebound, f"{stage}_sizes")
            yield from _not_enough_updates(f"{where}.{stage}_sizes", settings, sizes)
            yield from self._no_room(f"{where}.{stage}_recipe", task, settings)
        first, second = rebound.first_sizes[-1] + max(rebound.third_sizes, default=0), rebound.second_sizes[-1]
        if (kind := self.recipe(rebound.second_recipe).algorithm.kind) in PREFERENCES:
            first = max(first, second)
            if rebound.third_sizes:
                yield (
                    f"{where}.third_sizes: the way back is over examples that no stage has seen, but {kind} shows "
                    "those of the first side as the worse ones: use sft as the second side, or leave them out"
                )
        yield from self._missing_examples(where, rebound.task, rebound.first_side, first)
        if data.continues:
            where, second = f"{where}, first and second side together,", first + second
        yield from self._missing_examples(where, data.task, data.side, second)

    def _resistance_mistakes(self, where: str, resistance: Resistance) -> Iterator[str]:
        yield from self._unknown_parts(where, resistance)
        for key in ("twin_sampling", "question_sampling"):
            yield from self._sampling_mistakes(f"{where}.{key}", getattr(resistance, key))
            if getattr(resistance, key).contrast:
                yield f"{where}.{key}.contrast: the answers of a slice are drawn from it alone, or they are not its own"
        questions = resistance.questions or resistance.task
        yield from _unknown(f"{where}.questions", questions, self.tasks)
        if self.tasks[questions].pools.prompts == 0:
            yield f"{where} needs texts in tasks.{questions}.pools.prompts, which is 0"
        part = self.tasks[resistance.task].pools.resistance
        if part == 0:
            yield f"{where} needs tasks.{resistance.task}.pools.resistance, which is 0"
        slices = resistance.slices
        yield from self._no_room(f"{where}.slices", resistance.task, slices)
        for task in dict.fromkeys((resistance.task, questions)):  # the answers are cut to this length, too
            yield from self._no_room(f"{where}.tuning", task, resistance.tuning, to_prompts=True)
        if slices.schedule != "constant" or slices.epochs != 1 or part % slices.batch_size:
            yield (
                f"{where}.slices: slices are checkpoints of one run: they need a constant schedule, "
                f"one epoch, and a batch_size ({slices.batch_size}) that divides pools.resistance ({part})"
            )
        yield from _not_enough_updates(f"{where}.tuning", resistance.tuning, [resistance.tuned_on(part)])
        for key in ("slices", "tuning"):
            yield from _not_sft(f"{where}.{key}", getattr(resistance, key))

    def _no_room(self, where: str, task: str, settings: FineTuning, to_prompts: bool = False) -> Iterator[str]:
        """Behind a prompt for an answer. Examples have prompts if those are questions; the others only give some."""
        prompts, algorithm = self.tasks[task].prompts, settings.algorithm
        longest, answer = 1 + self.tasks[task].prompt_tokens, algorithm.new_tokens if isinstance(algorithm, Ppo) else 1
        prompted = to_prompts or isinstance(prompts, Questions) or isinstance(algorithm, Ppo)
        if prompted and settings.max_length < longest + answer:
            yield (
                f"{where}.max_length is {settings.max_length}, but a prompt of tasks.{task} takes up to {longest} "
                f"tokens (prompts.max_tokens) and an answer {answer} or more: raise the first, or lower the others"
            )

    def _missing_examples(self, where: str, task: str, side: Side, wanted: int) -> Iterator[str]:
        available = getattr(self.tasks[task].pools, side)
        if wanted > available:
            yield (
                f"{where} asks for {wanted} {side} texts, "
                f"but tasks.{task}.pools.{side} holds {available}: lower the size or enlarge the pool"
            )

    def _sampling_mistakes(self, where: str, sampling: Sampling) -> Iterator[str]:
        """VLLM raises lower temperatures to 0.01 without an error, and takes no higher ones."""
        if sampling.contrast:
            yield from _unknown(f"{where}.contrast.weak", sampling.contrast.weak, self.bases)
        if self.engine == "vllm" and not 0.01 <= sampling.temperature <= 2:
            yield (
                f"{where}.temperature is {sampling.temperature}, but vLLM draws at 0.01 to 2 only: "
                "change it, or use engine: transformers"
            )
        if self.engine == "vllm" and sampling.contrast:
            yield f"{where}.contrast needs the logits of two models: use engine: transformers"

    def _unknown_parts(self, where: str, experiment: Rebound | Resistance) -> Iterator[str]:
        yield from _unknown(f"{where}.task", experiment.task, self.tasks)
        for base in experiment.bases:
            yield from _unknown(f"{where}.bases", base, self.bases)
        if len(set(experiment.bases)) < len(experiment.bases):
            yield f"{where}.bases names a model twice"


def checkpoints(name: str, model: Pretrained) -> dict[str, tuple[str, int]]:
    """The bases that are earlier checkpoints of a model."""
    return {f"{name}-step{updates}": (name, updates) for updates in model.checkpoints}


def _unknown(where: str, name: str, known: Collection[str]) -> Iterator[str]:
    if name not in known:
        yield f"{where}: {name!r} is not declared; declared: {', '.join(sorted(known))}"


def _not_enough_updates(where: str, settings: FineTuning, sizes: Iterable[int]) -> Iterator[str]:
    for size in sizes:
        if not settings.can_extrapolate(size):
            yield (
                f"{where}: {size} examples in {settings.epochs} epochs make one update with batch_size "
                f"{settings.batch_size}, so extrapolation has no earlier weights to go on from: raise the size, or "
                "lower batch_size"
            )


def _not_sft(where: str, settings: FineTuning) -> Iterator[str]:
    if settings.algorithm.kind != "sft":
        yield f"{where}: {settings.algorithm.kind} is an algorithm for second sides only: use sft here"
    yield from second_data_checks.misplaced(where, settings)
    if settings.optimizer == "carried":
        yield f"{where}: optimizer: carried goes on from a first side, so it is for second sides only: use fresh here"
