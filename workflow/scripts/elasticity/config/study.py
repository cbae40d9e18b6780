"""The types of a study, one YAML file. The JSON schema and docs/configuration.md are generated from them."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from elasticity.config.base import Name, Section, Seeds
from elasticity.config.calibration import Calibration
from elasticity.config.claims import Claim
from elasticity.config.compression import Compression, Theory
from elasticity.config.data import Prompts, Source, Splits
from elasticity.config.decide import Decide
from elasticity.config.experiments import OTHER_ORDER, InverseData, Rebound, Resistance, inverse_data
from elasticity.config.hardware import Hardware
from elasticity.config.models import Model, Pretrained, TunedModel
from elasticity.config.sampling import EngineName, ResponseSampling
from elasticity.config.score_models import ScoreModelSettings
from elasticity.config.templates import Answers, Template
from elasticity.config.token_tree import TokenTrees
from elasticity.config.training import FineTuning


class Task(Section):
    """A task that models are aligned to: labelled examples of two sides, prompts, and a score model.

    A task without a score model can serve for instruction tuning, for questions, for resistance experiments, or as a
    corpus.
    """

    source: Source = Field(description="The data")
    splits: Splits = Field(description="The number of examples in each split")
    prompts: Prompts | None = Field(None, description="How prompts are made. null: the task has no prompts")
    template: Template = Field(
        "plain",
        description="The text that a model continues. plain: the prompt; conversation: the format of the authors' "
        "code; chat: the model's own chat template, with options where they are given as `{kind: chat, ...}`",
    )
    answers: Answers = Field(
        "last",
        description="The answers of a conversation that supervised fine-tuning has a loss on: the last one, or all. "
        "Measurements and preference algorithms take the last one",
    )
    score_model: ScoreModelSettings | None = Field(
        None, description="The score model of responses. null: responses are not scored"
    )
    held_out_tokens: int = Field(
        128,
        ge=2,
        description="Number of tokens of each held-out text on which the loss of base models and the lean are measured",
    )
    lean_texts: PositiveInt = Field(
        100,
        description="Number of texts of each side in the split `lean` on which the lean of the models of a seed is "
        "measured. Each seed has its own, so that differences between seeds include those between texts",
    )

    @model_validator(mode="after")
    def _answers_have_ends(self) -> "Task":
        if self.answers == "all" and self.template == "plain":
            raise ValueError(
                "answers: all needs the template conversation or chat: in a plain transcript nothing ends an answer"
            )
        return self

    def lean_block(self, seed: int) -> int:
        """The position, in units of ``lean_texts``, of the texts of a seed in the split ``lean``."""
        return seed % OTHER_ORDER % (self.splits.lean // self.lean_texts)

    @property
    def prompt_tokens(self) -> int:
        """Upper bound on the length of a prompt in tokens."""
        return self.prompts.max_tokens if self.prompts else 0


RESERVED = ("benchmarks", "cards", "figures", "logs", "models", "provenance", "state", "tables")
"""Folders of the results that are not named after a task, so that no task may have their names."""


class Study(Section):
    """A study. Names consist of letters, digits, dots and hyphens and begin with a letter or digit."""

    name: Name = Field(description="Name of the study. Its results go to results/NAME")
    seeds: Seeds = Field(description="Training seeds, ascending. Every run is repeated with each of them")
    tasks: Annotated[dict[Name, Task], Field(min_length=1)] = Field(description="Tasks by name")
    models: Annotated[dict[Name, Model], Field(min_length=1)] = Field(description="Models by name")
    alignment: FineTuning = Field(description="The default recipe of alignment and realignment stages")
    inverse: FineTuning = Field(description="The default recipe of inverse stages")
    recipes: dict[Name, FineTuning] = Field(default_factory=dict, description="Further recipes by name")
    sampling: ResponseSampling = Field(description="How the responses that are scored are sampled")
    keep_checkpoints: bool = Field(
        False,
        description="Keep the weights of inverse and realignment stages, and of resistance experiments. Otherwise they "
        "are measured in the job that trains them, and not saved",
    )
    engine: EngineName = Field(
        "transformers", description="The library that samples responses. vllm needs another environment: docs/models.md"
    )
    rebound: dict[Name, Rebound] = Field(default_factory=dict, description="Rebound experiments by name")
    resistance: dict[Name, Resistance] = Field(default_factory=dict, description="Resistance experiments by name")
    compression: Compression | None = Field(
        None, description="How compression rates are measured. null: no experiment may have `compression: true`"
    )
    claims: dict[Name, Claim] = Field(
        default_factory=dict, description="Claims by name, declared before anything is trained"
    )
    noise: Name | None = Field(
        None,
        description="A finished study, from whose table results/NAME/tables/noise.csv the noise between seeds is taken "
        "for `plan` and `calibration`. null: workflow/noise.csv, which is that of the default study",
    )
    decide: Decide | None = Field(
        None, description="How `make decide` adds seeds. null: the study has its `seeds` only"
    )
    theory: Theory | None = Field(
        None, description="Numerical evaluation of the elasticity theorem. null: it is not evaluated"
    )
    token_tree: TokenTrees | None = Field(
        None, description="Token trees of the study's own texts. null: they are not made"
    )
    calibration: Calibration | None = Field(
        None, description="Error rates of the tests on simulated experiments. null: they are not computed"
    )
    hardware: Hardware = Field(Hardware(), description="The machines on which jobs run")

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds after which claims are planned to be tested; none for a single test of all seeds."""
        return self.decide.looks if self.decide else ()

    @property
    def bases(self) -> dict[str, tuple[str, int]]:
        """The model and the checkpoint of every base model, by name.

        The checkpoint is a number of updates for pre-trained models, a number of examples for fine-tuned models, and 0
        for imported ones.
        """
        found: dict[str, tuple[str, int]] = {}
        for name, model in self.models.items():
            if isinstance(model, Pretrained):
                found.update(checkpoints(name, model))
                found[name] = (name, model.updates)
            else:
                found[name] = (name, model.examples if isinstance(model, TunedModel) else 0)
        return found

    @property
    def base_draws(self) -> int:
        """The number of responses of a base model to each prompt: at least one for each training seed."""
        return max(self.sampling.base_draws, len(self.seeds))

    def recipe(self, name: str) -> FineTuning:
        """Return the recipe with this name: ``alignment``, ``inverse`` or one of ``recipes``."""
        return {"alignment": self.alignment, "inverse": self.inverse, **self.recipes}[name]

    def inverse_data(self, rebound: Rebound) -> InverseData:
        """Return the data of the inverse stage of an experiment."""
        return inverse_data(self.recipe(rebound.inverse_recipe), rebound.task, rebound.alignment_side)

    def origin(self, base: str) -> str:
        """Return the pre-trained or imported model from which a base model has its tokenizer and its shape."""
        name = self.bases[base][0]
        model = self.models[name]
        return self.origin(model.base) if isinstance(model, TunedModel) else name

    def pretrained_on(self, base: str) -> str | None:
        """Return the task that a base model was pre-trained on, or None if that was not done in this study."""
        name, updates = self.bases[base]
        model = self.models[name]
        if isinstance(model, TunedModel):
            return self.pretrained_on(model.base)
        return model.task if isinstance(model, Pretrained) and updates else None


def checkpoints(name: str, model: Pretrained) -> dict[str, tuple[str, int]]:
    """Return the names of the checkpoints of a pre-trained model, with the model and the updates of each."""
    return {f"{name}-step{updates}": (name, updates) for updates in model.checkpoints}
