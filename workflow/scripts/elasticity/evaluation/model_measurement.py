"""Measurements of the models of a rebound experiment: responses, divergence, compression, lean, text statistics."""

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from transformers import PreTrainedModel

from elasticity.config.sampling import WEAK_FOLDER
from elasticity.core.tables import read_rows
from elasticity.data.examples import Example, response_examples
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.compression import check_window, rates, read_texts, targets
from elasticity.evaluation.contrastive_decoding import chosen_contrast
from elasticity.evaluation.corpora import held_out_texts
from elasticity.evaluation.generation import Engine, TransformersEngine, generate, load_engine
from elasticity.evaluation.jobs import CompressionReading, Measurements, Responding
from elasticity.evaluation.lean import Beginning, beginnings, lean_rows
from elasticity.evaluation.likelihood import code_lengths, divergences
from elasticity.evaluation.measurement import Rows, Tables
from elasticity.evaluation.schemas import COMPRESSION, DIVERGENCES, LEAN, RESPONSES, TEXT_STATISTICS
from elasticity.evaluation.text_statistics import repetition, responses_at_once
from elasticity.models.loading import PROBE, load_for_measuring
from elasticity.models.tokenizer import check_same_vocabulary, load_tokenizer
from elasticity.runtime.command import Command, Job
from elasticity.runtime.sharding import collect, share

INPUTS = ("base", "weak", "response-prompts", "texts", "lean-texts")
"""The inputs of a measurement on a command line; those that it does not need may be left out."""


class ModelMeasurement:
    """Measures the checkpoints of one run beside their base model, or a base model itself.

    Every quantity is computed in fp32 by the functions that also measure saved checkpoints.
    """

    schemas: ClassVar[Mapping[str, pa.Schema]] = {
        "responses": RESPONSES,
        "divergences": DIVERGENCES,
        "compression": COMPRESSION,
        "lean": LEAN,
        "text_statistics": TEXT_STATISTICS,
    }

    def __init__(
        self,
        job: Measurements,
        folder: Path,
        base: Path | None = None,
        weak: Path | None = None,
        prompts: Sequence[Mapping[str, Any]] = (),
        texts: Sequence[Path] = (),
        lean_texts: Sequence[Path] = (),
    ) -> None:
        """``folder`` is a model with the tokenizer of the run, and ``base`` the base model.

        ``weak`` is the checkpoint of the alignment stage that holds the weak model of contrastive decoding.

        ``prompts`` are rows of schema ``PROMPTS``, ``texts`` the files of the corpora of the compression rates, and
        ``lean_texts`` those of the held-out examples of both sides.
        Raises ``UserError`` if the models have different vocabularies, or if windows exceed the context of the base.
        """
        self.job, self.folder, self.base_folder, self.aligned_folder = job, folder, base, weak
        self.tokenizer = load_tokenizer(folder)
        self.prompts = share([dict(prompt) for prompt in prompts])
        self.texts, self.lean_texts = texts, lean_texts
        if base is not None:
            check_same_vocabulary(base, folder)

    @classmethod
    def of(cls, command: Command[Job], job: Measurements, folder: Path) -> "ModelMeasurement":
        """Return the measurement of a job whose command line has the options ``INPUTS``."""
        base = [path / str(job.base_checkpoint) for path in command.paths("base")]
        weak = job.responses.weak if job.responses else None
        prompts = [row for path in command.paths("response-prompts") for row in read_rows(path, PROMPTS)]
        return cls(
            job,
            folder,
            base=base[0] if base else None,
            weak=command.path("weak") / str(weak) if weak is not None else None,
            prompts=prompts,
            texts=command.paths("texts"),
            lean_texts=command.paths("lean-texts"),
        )

    def inputs(self, command: Command[Job]) -> list[Path]:
        """Return the files of a command line that the results depend on; a probe stands for the weights of a model."""
        probes = (folder / PROBE for folder in (self.base_folder, self.aligned_folder) if folder)
        models = [probe for probe in probes if probe.is_file()]
        files = ("response-prompts", "texts", "lean-texts")
        return [*models, *(path for name in files for path in command.paths(name))]

    def measure(self, model: PreTrainedModel, checkpoint: int, drawn: Sequence[Rows] | None = None) -> Tables:
        """Return the tables of a checkpoint; ``drawn`` are its responses if an engine has drawn them already.

        All but the responses themselves are measured on those of draw 0.
        """
        row, job = self.job.row(checkpoint), self.job
        tables: Tables = {name: [] for name in self.schemas}
        if job.responses:
            draws = drawn or self._respond(TransformersEngine(model, self.tokenizer, self._weak), job.responses)
            tables["responses"] = [
                found
                for draw, those in enumerate(draws)
                for found in collect([row | {"draw": draw} | response for response in those])
            ]
            responses = draws[0]
            examples = response_examples(responses, self.tokenizer, sys.maxsize)
            if job.divergence:
                tables["divergences"] = collect([row | it for it in self._divergences(model, responses, examples)])
            if job.text_statistics:
                tables["text_statistics"] = collect([row | it for it in self._statistics(model, responses, examples)])
        if job.compression:
            tables["compression"] = collect([row | it for it in self._rates(model, job.compression)])
        if job.lean:
            texts = lean_rows(model, self._beginnings, self.tokenizer.pad_token_id)
            tables["lean"] = collect([row | it for it in texts])
        return tables

    def measure_folder(self, folder: Path, checkpoint: int) -> Tables:
        """Return the tables of a checkpoint that was saved in ``folder``; its responses are drawn by the job's engine.

        Raises ``UserError`` if the weights are not those that were saved.
        """
        asked = self.job.responses
        if asked and asked.engine != "transformers":
            with load_engine(asked.engine, folder, self.tokenizer) as engine:
                drawn = self._respond(engine, asked)
            return self.measure(load_for_measuring(folder), checkpoint, drawn)
        return self.measure(load_for_measuring(folder), checkpoint)

    def _respond(self, engine: Engine, asked: Responding) -> list[Rows]:
        """Return the responses of each draw."""
        sampling = asked.sampling
        if sampling.contrast and self.aligned_folder:
            chosen = chosen_contrast(self.aligned_folder, sampling.contrast)
            sampling = sampling.model_copy(update={"contrast": chosen})
        samplings = (sampling.of_draw(draw) for draw in range(asked.draws))
        return [generate(engine, self.tokenizer, self.prompts, it, asked.template) for it in samplings]

    @cached_property
    def _weak(self) -> PreTrainedModel | None:
        return load_for_measuring(self.aligned_folder / WEAK_FOLDER) if self.aligned_folder else None

    @cached_property
    def _loaded_base(self) -> PreTrainedModel:
        assert self.base_folder is not None, "this measurement needs the base model"
        return load_for_measuring(self.base_folder)

    @cached_property
    def _beginnings(self) -> list[Beginning]:
        assert self.job.lean is not None, "only the lean is measured on beginnings"
        return share(beginnings(self.lean_texts, self.tokenizer, self.job.lean))

    def _base(self, model: PreTrainedModel) -> PreTrainedModel:
        return self._loaded_base if self.job.cell else model

    def _divergences(self, model: PreTrainedModel, responses: Rows, examples: Sequence[Example]) -> Rows:
        nats = divergences(model, self._base(model), examples, self.tokenizer.pad_token_id)
        return [
            {"prompt_id": row["prompt_id"], "tokens": _targets(example), "nats": total}
            for row, example, total in zip(responses, examples, nats, strict=True)
        ]

    def _statistics(self, model: PreTrainedModel, responses: Rows, examples: Sequence[Example]) -> Rows:
        base = self._base(model)
        longest = max((len(example.tokens) for example in examples), default=1)
        at_once = responses_at_once(base.config.vocab_size, longest)
        lengths = code_lengths(base, examples, self.tokenizer.pad_token_id, at_once)
        return [
            {
                "prompt_id": row["prompt_id"],
                "response_tokens": row["response_tokens"],
                "finished": row["stop_token"] is not None,
                "repetition": repetition(row["response_tokens"]),
                "coded_tokens": _targets(example),
                "base_nats": nats,
            }
            for row, example, nats in zip(responses, examples, lengths, strict=True)
        ]

    def _rates(self, model: PreTrainedModel, asked: CompressionReading) -> Rows:
        base = self._base(model)
        check_window(asked.reading, base, self.base_folder or self.folder)
        texts = share(held_out_texts(zip(asked.corpora, self.texts, strict=True), asked.reading))
        windows = read_texts([text.text for text in texts], self.tokenizer, asked.reading)
        found = rates(model, base, windows, self.tokenizer.pad_token_id)
        return [
            {"corpus": text.corpus, "id": text.id, "tokens": targets(read), "utf8_bytes": text.utf8_bytes} | sums
            for text, read, sums in zip(texts, windows, found, strict=True)
        ]


def _targets(example: Example) -> int:
    return len(example.tokens) - example.response_start
