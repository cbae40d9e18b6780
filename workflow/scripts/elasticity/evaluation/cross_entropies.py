"""Cross-entropies of tuned slices (paper A): how far a tuned slice is from its target, on the target's responses."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from transformers import PreTrainedModel

from elasticity.data.examples import response_examples
from elasticity.evaluation.jobs import CrossEntropies
from elasticity.evaluation.likelihood import compared
from elasticity.evaluation.measurement import Tables
from elasticity.evaluation.schemas import CROSS_ENTROPIES, chosen_prompts
from elasticity.models.loading import load_for_measuring
from elasticity.models.tokenizer import check_same_vocabulary, load_tokenizer
from elasticity.runtime.sharding import collect, share

Row = Mapping[str, Any]


class CrossEntropyMeasurement:
    """Measures a slice, before or after tuning, beside its target on the target's responses.

    It takes code lengths and KL(target || slice).
    """

    schemas: ClassVar[Mapping[str, pa.Schema]] = {"cross_entropies": CROSS_ENTROPIES}

    def __init__(self, job: CrossEntropies, slices: Path, questions: Sequence[Row], chosen: Sequence[Row]) -> None:
        """``slices`` is the folder of the slices' checkpoints, ``questions`` are rows of schema ``SLICE_RESPONSES``.

        ``chosen`` are rows of schema ``CHOSEN``; without the equal-entropy control there are none.
        """
        self.job = job
        self.start_folder, self.target_folder = (slices / str(job.slices[number - 1]) for number in job.path)
        check_same_vocabulary(self.start_folder, self.target_folder)
        self.tokenizer = load_tokenizer(self.start_folder)
        responses = [dict(row) for row in questions if row["slice"] == job.path[1]]
        self.chosen = chosen_prompts(chosen)["questions", job.path] if job.chosen else None
        self.responses = share(responses)

    @cached_property
    def _target(self) -> PreTrainedModel:
        return load_for_measuring(self.target_folder)

    def measure(self, model: PreTrainedModel, checkpoint: int) -> Tables:
        """Return a row for each response of the target slice; ``checkpoint`` is the number of examples so far."""
        examples = response_examples(self.responses, self.tokenizer, self.job.max_length)
        pad = self.tokenizer.pad_token_id
        pairs = compared(self._target, model, examples, pad)
        rows = [
            {
                "start": self.job.path[0],
                "target": self.job.path[1],
                "examples": checkpoint,
                "prompt_id": response["prompt_id"],
                "tokens": len(example.tokens) - example.response_start,
                "tuned_nats": pair.other_nats,
                "target_nats": pair.nats,
                "kl_nats": pair.kl_nats,
            }
            for response, example, pair in zip(self.responses, examples, pairs, strict=True)
        ]
        return {
            "cross_entropies": [row for row in collect(rows) if self.chosen is None or row["prompt_id"] in self.chosen]
        }
