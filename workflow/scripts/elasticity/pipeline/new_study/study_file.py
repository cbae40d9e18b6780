"""The text of a new study file: complete, with a comment for what a reader may want to change."""

from dataclasses import dataclass

import yaml

from elasticity.config.data import Questions
from elasticity.config.models import ImportedModel
from elasticity.config.templates import Template
from elasticity.pipeline.new_study.named import Data
from elasticity.pipeline.new_study.sizes import BATCH, Sizes

CLAIMS = {
    "rebound-crosses": (
        "existence",
        "The model that saw the most positive examples leans further to them at first, and less in the end",
    ),
    "planted-crossing": ("planted-crossing", "A crossing that was planted is found"),
    "planted-nothing": ("planted-nothing", "Two equal treatments cross"),
}
"""Experiment and hypothesis of each claim, by its name."""


@dataclass(frozen=True)
class Design:
    """What a new study is made of, apart from its sizes.

    ``remarks`` are the lines about the data at the beginning of the file. ``max_length`` and ``held_out_tokens`` are in
    tokens.
    """

    name: str
    models: dict[str, ImportedModel]
    source: Data
    prompts: Questions | None
    template: Template
    max_length: int
    held_out_tokens: int
    learning_rate: float
    remarks: tuple[str, ...]


def study_text(design: Design, sizes: Sizes) -> str:
    """The study as YAML."""
    recipe = f"{{learning_rate: {design.learning_rate:.1e}, batch_size: {BATCH}, max_length: {design.max_length}}}"
    bases, seeds = f"[{', '.join(design.models)}]", sizes.seeds
    return f"""\
# Written by `elasticity new`. What it understood of the data; correct `source` where it is wrong:
{_comments(design.remarks)}
#
#   make run STUDY=studies/{design.name}.yaml     docs/configuration.md describes every key

name: {design.name}
seeds: {list(range(1, seeds + 1))}      # every run is repeated with each; more seeds give smaller intervals

tasks:
  data:
    source: {_flow(design.source)}
    splits:                  # numbers of examples; no prompt or text is in two splits
      held_out: {sizes.splits.held_out}           # of each side and of both, to measure base models on
      lean: {sizes.splits.lean}              # of each side for the lean: {sizes.lean_texts} for each seed
      positive: {sizes.splits.positive}
      negative: {sizes.splits.negative}
{_prompts(design)}\
    held_out_tokens: {design.held_out_tokens}      # of each held-out text
    lean_texts: {sizes.lean_texts}

# A model of the hub is pinned to a commit, a GGUF file to its checksum. Its shape is read from its own configuration.
models:
{_models(design.models)}

# The rate is a guess from the size of the model. With a constant rate and one epoch, sizes in whole batches are
# checkpoints of one run.
alignment: {recipe}
inverse: {recipe}

sampling: {{new_tokens: 32, top_k: 30, top_p: 0.9}}    # nothing is sampled while `scores` is false

rebound:
  existence: &in-bits        # alignment on P positive examples, then inverse fine-tuning on N negative ones
    task: data
    bases: {bases}
    alignment_sizes: {list(sizes.alignment)}
    inverse_sizes: {list(sizes.inverse)}
    lean: true               # the rebound in bits, which needs no score model
    scores: false            # true: score responses, too; needs `score_model` in the task
  # Controls with a known answer: a crossing that is there by construction, and one that cannot be there
  planted-crossing: &planted
    <<: *in-bits
    inverse_sizes: {list(sizes.inverse[:2])}
    planted: {sizes.planted}
  planted-nothing: {{<<: *planted, planted: nothing}}

# Declared before anything is trained. `margin` is the smallest effect that matters, in bits per byte.
claims:
{_claims(seeds)}

# calibration: {{}}            # also the error rates of the tests, on simulated experiments of this design
"""


def _comments(lines: tuple[str, ...]) -> str:
    return "\n".join(f"#   {' '.join(line.split())}" for line in lines)


def _flow(section: Data | ImportedModel | Questions) -> str:
    """A section on one line, without the values that are left at their defaults."""
    values = {"kind": section.kind, **section.model_dump(mode="json", exclude_defaults=True)}
    text: str = yaml.safe_dump(values, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.strip()


def _prompts(design: Design) -> str:
    if design.prompts is None:
        return ""
    return (
        f"    prompts: {_flow(design.prompts)}    # examples with longer prompts are left out\n"
        f"    template: {design.template}           # plain, conversation, or chat: the model's own\n"
    )


def _models(models: dict[str, ImportedModel]) -> str:
    return "\n".join(f"  {name}: {_flow(model)}" for name, model in models.items())


def _claims(seeds: int) -> str:
    return "\n".join(
        f"""\
  {name}:
    hypothesis: {hypothesis}
    experiment: {experiment}
    measure: lean-crossing
    direction: greater
    margin: 0.004
    role: confirmatory
    seeds: {seeds}"""
        for name, (experiment, hypothesis) in CLAIMS.items()
    )
