"""Responses of the slices of a resistance experiment: twin data sets, and texts to measure cross-entropies on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from transformers import PreTrainedModel

from elasticity.evaluation.generation import Engine, TransformersEngine, generate
from elasticity.evaluation.jobs import SliceResponses
from elasticity.evaluation.measurement import Tables
from elasticity.evaluation.schemas import SLICE_RESPONSES
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.sharding import collect, share

Row = Mapping[str, Any]


class SliceMeasurement:
    """Draws the responses of a slice: its twin data set (prompts of D4), and those to measure cross-entropies on."""

    schemas: ClassVar[Mapping[str, pa.Schema]] = {"twins": SLICE_RESPONSES, "questions": SLICE_RESPONSES}

    def __init__(
        self, job: SliceResponses, folder: Path, twin_prompts: Sequence[Row], questions: Sequence[Row]
    ) -> None:
        """``folder`` is a model with the tokenizer of the slices; prompts are rows of schema ``PROMPTS``."""
        self.job, self.tokenizer = job, load_tokenizer(folder)
        self.twin_prompts, self.question_prompts = ([dict(row) for row in rows] for rows in (twin_prompts, questions))

    def measure(self, model: PreTrainedModel, checkpoint: int) -> Tables:
        """Return the responses of the slice with this checkpoint, drawn with transformers."""
        return self.respond(TransformersEngine(model, self.tokenizer), checkpoint)

    def respond(self, engine: Engine, checkpoint: int) -> Tables:
        """Return the responses of the slice with this checkpoint, drawn by an engine."""
        job, number = self.job, self.job.checkpoints.index(checkpoint) + 1
        twins = generate(engine, self.tokenizer, share(self.twin_prompts), job.twin_sampling, job.twin_template)
        questions = generate(
            engine, self.tokenizer, share(self.question_prompts), job.question_sampling, job.question_template
        )
        return {
            "twins": collect([{"slice": number} | row for row in twins]),
            "questions": collect([{"slice": number} | row for row in questions]),
        }
