"""The study: one YAML file, typed. ``workflow/schemas/study.schema.json`` is generated from these classes."""

from typing import Annotated

from pydantic import Field

from elasticity.config.base import Name, Section, Seeds
from elasticity.config.calibration import Calibration
from elasticity.config.claims import Claim
from elasticity.config.compression import Compression, Theory
from elasticity.config.data import Prompts, Source, Splits, Template
from elasticity.config.experiments import InverseData, Rebound, Resistance, inverse_data
from elasticity.config.hardware import Hardware
from elasticity.config.models import Model, Pretrained, TunedModel
from elasticity.config.sampling import EngineName, Sampling
from elasticity.config.score_models import ScoreModelSettings
from elasticity.config.training import FineTuning


class Task(Section):
    """What the models are aligned to: two sides of labelled examples, prompts, and a score (up is good).

    A task without a score model serves for warm-up, for questions, for resistance, or as a corpus.
    """

    source: Source
    splits: Splits
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
    alignment: FineTuning = Field(description="The recipe `alignment`")
    inverse: FineTuning = Field(description="The recipe `inverse`")
    recipes: dict[Name, FineTuning] = Field(default_factory=dict, description="Other ways of fine-tuning, by name")
    sampling: Sampling = Field(description="Of the responses that are scored")
    engine: EngineName = Field("transformers", description="What draws responses. vllm: on GPUs, with envs/vllm.yaml")
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
        return {"alignment": self.alignment, "inverse": self.inverse, **self.recipes}[name]

    def inverse_data(self, rebound: Rebound) -> InverseData:
        """What the inverse stage of an experiment is trained on."""
        return inverse_data(self.recipe(rebound.inverse_recipe), rebound.task, rebound.alignment_side)

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


def checkpoints(name: str, model: Pretrained) -> dict[str, tuple[str, int]]:
    """The bases that are earlier checkpoints of a model."""
    return {f"{name}-step{updates}": (name, updates) for updates in model.checkpoints}
