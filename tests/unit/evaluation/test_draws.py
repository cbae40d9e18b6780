"""Base models answer each prompt several times; the draws differ in their random numbers only."""

from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import ResponseSampling, Sampling
from elasticity.evaluation.generation import TransformersEngine, generate
from elasticity.evaluation.jobs import Measurements, Responding
from elasticity.evaluation.measurement import Tables
from elasticity.evaluation.model_measurement import ModelMeasurement
from tests.unit.evaluation.test_generation import PROMPTS

SAMPLING = Sampling(new_tokens=8, seed=5)


def measured(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path, draws: int) -> Tables:
    tokenizer.save_pretrained(folder)
    responses = Responding(sampling=SAMPLING, engine="transformers", template="plain", draws=draws)
    job = Measurements(base="nano", base_checkpoint=8, responses=responses, text_statistics=True)
    return ModelMeasurement(job, folder, prompts=PROMPTS).measure(model, 8)


@pytest.fixture
def tables(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> dict[int, Tables]:
    return {draws: measured(model, tokenizer, tmp_path, draws) for draws in (1, 3)}


def of_draw(rows: list[dict[str, Any]], draw: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["draw"] == draw]


def test_the_first_draw_is_that_of_a_single_one(tables: dict[int, Tables]) -> None:
    assert len(tables[3]["responses"]) == 3 * len(tables[1]["responses"]) == 3 * len(PROMPTS)
    assert of_draw(tables[3]["responses"], 0) == tables[1]["responses"]


def test_each_draw_has_a_seed_of_its_own(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tables: dict[int, Tables]
) -> None:
    engine = TransformersEngine(model, tokenizer)
    for draw in range(3):
        sampling = SAMPLING.model_copy(update={"seed": 5 + draw})
        expected = generate(engine, tokenizer, PROMPTS, sampling, "plain")
        found = of_draw(tables[3]["responses"], draw)
        assert [row["response_tokens"] for row in found] == [row["response_tokens"] for row in expected]


def test_texts_are_measured_on_the_first_draw(tables: dict[int, Tables]) -> None:
    assert tables[3]["text_statistics"] == tables[1]["text_statistics"]


def test_cells_do_not_depend_on_the_number_of_draws() -> None:
    sampling = ResponseSampling(new_tokens=8, seed=5, base_draws=3)
    assert sampling.of_cells() == SAMPLING
    assert SAMPLING.of_draw(0) == SAMPLING
