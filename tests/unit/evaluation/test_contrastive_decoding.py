import json
import runpy
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import Contrast, Sampling
from elasticity.core.tables import read_rows, write_table
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.contrastive_decoding import contrasted
from elasticity.evaluation.decoding import Decoder
from elasticity.evaluation.drawing import uniform_numbers
from elasticity.evaluation.generation import TransformersEngine
from elasticity.evaluation.generation import generate as generate_with
from elasticity.evaluation.jobs import MeasureJob, Measurements, Responding
from elasticity.evaluation.schemas import RESPONSES
from tests.conftest import ROOT
from tests.unit.evaluation.test_generation import PROMPTS as QUESTIONS
from tests.unit.evaluation.test_generation import inverse_cdf, likely

Responses = list[dict[str, Any]]
Logits = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture
def weak(model: PreTrainedModel) -> PreTrainedModel:
    """Another model with the same tokens, whose logits differ by far more than rounding."""
    weak = deepcopy(model)
    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in weak.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return weak.eval()


def contrasting(strength: float, threshold: float = 0.1, **options: Any) -> Sampling:
    contrast = Contrast(strength=strength, threshold=threshold)
    return Sampling(new_tokens=8, seed=5, contrast=contrast, **options)


def generated(
    model: PreTrainedModel, weak: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, sampling: Sampling
) -> list[list[int]]:
    rows = generate_with(TransformersEngine(model, tokenizer, weak), tokenizer, QUESTIONS, sampling, "plain")
    return [row["response_tokens"] for row in rows]


def logits_of(model: PreTrainedModel, tokens: list[int]) -> Logits:
    """Return the logits of the next token by a forward pass over all tokens."""
    with torch.inference_mode():
        logits: Logits = model(torch.tensor([tokens]), use_cache=False).logits[0, -1].double().numpy()
    return logits


def by_hand(
    model: PreTrainedModel,
    weak: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    sampling: Sampling,
    normalised: bool = False,
) -> list[list[int]]:
    """Draw for each prompt alone, candidate by candidate; from log-probabilities, not logits, if ``normalised``."""
    assert sampling.contrast is not None
    (strength,), threshold = sampling.contrast.strengths, sampling.contrast.threshold
    responses = []
    for row in QUESTIONS:
        context = [tokenizer.bos_token_id, *tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]]
        tokens: list[int] = []
        for uniform in uniform_numbers([row["prompt_id"]], sampling)[0].tolist():
            strong, other = (logits_of(one, context + tokens) for one in (model, weak))
            strong[[tokenizer.bos_token_id, tokenizer.pad_token_id]] = -np.inf
            probabilities = np.exp(strong) / np.exp(strong).sum()
            if normalised:
                strong, other = np.log(np.maximum(probabilities, 1e-300)), other - np.log(np.exp(other).sum())
            for token, probability in enumerate(probabilities):
                strong[token] += strength * (strong[token] - other[token])
                if probability < threshold * probabilities.max():
                    strong[token] = -np.inf
            token = inverse_cdf(likely(strong, sampling), uniform)
            if token == tokenizer.eos_token_id:
                break
            tokens.append(token)
        responses.append(tokens)
    return responses


@pytest.mark.parametrize("normalised", [False, True], ids=["logits", "log-probabilities"])
@pytest.mark.parametrize(
    "sampling",
    [
        contrasting(0.5),
        contrasting(2.0, 0.01),
        contrasting(1.0, 0.02, temperature=1.5, top_k=8, top_p=0.8),
        contrasting(1.0, 0.05, batch_size=2),
    ],
    ids=["mild", "strong", "warped", "small batches"],
)
def test_responses_are_those_drawn_by_hand(
    model: PreTrainedModel,
    weak: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    sampling: Sampling,
    normalised: bool,
) -> None:
    drawn = generated(model, weak, tokenizer, sampling)
    assert drawn == by_hand(model, weak, tokenizer, sampling, normalised)
    plain = sampling.model_copy(update={"contrast": None})
    assert drawn != generated(model, weak, tokenizer, plain)


def test_the_cached_weak_model_has_the_logits_of_full_passes(
    model: PreTrainedModel, weak: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Prompts of different lengths, padded on the left, then six more tokens one by one; a prompt leaves halfway."""
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(3, 320, (length,), generator=generator).tolist() for length in (9, 4, 1)]
    decoder = Decoder(weak, rows, tokenizer.pad_token_id, 6)
    for step in range(6):
        if step == 3:
            del rows[0]
            decoder.keep(torch.tensor([1, 2]))
        strong = np.stack([logits_of(model, row) for row in rows])
        expected = strong + 0.7 * (strong - np.stack([logits_of(weak, row) for row in rows]))
        with torch.inference_mode():
            actual = contrasted(torch.from_numpy(strong), decoder.logits(), 0.7, 1e-30)
        np.testing.assert_allclose(actual.numpy(), expected, atol=1e-4)
        new = torch.randint(3, 320, (len(rows),), generator=generator)
        decoder.append(new)
        rows = [[*row, token] for row, token in zip(rows, new.tolist(), strict=True)]


@pytest.mark.parametrize("threshold", [0.02, 0.3])
def test_without_strength_only_unlikely_tokens_are_left_out(
    model: PreTrainedModel, weak: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, threshold: float
) -> None:
    """The same holds if the weak model is the strong one. min-p of transformers leaves out the same tokens."""
    limit = generated(model, weak, tokenizer, contrasting(1e-9, threshold))
    assert limit == generated(model, model, tokenizer, contrasting(3.0, threshold))
    assert limit != generated(model, weak, tokenizer, contrasting(1.0, threshold))
    assert limit != generated(model, weak, tokenizer, Sampling(new_tokens=8, seed=5))


def test_threshold_one_leaves_the_most_likely_token(
    model: PreTrainedModel, weak: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    greedy = Sampling(new_tokens=8, top_k=1)
    assert generated(model, weak, tokenizer, contrasting(5.0, 1.0)) == generated(model, weak, tokenizer, greedy)


@pytest.mark.parametrize("strengths", [(1.0,), (0.5, 1.0)], ids=["given", "chosen by the run"])
def test_the_job_takes_the_weak_model_of_a_checkpoint(
    strengths: tuple[float, ...],
    model: PreTrainedModel,
    weak: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, one in (("checkpoints/8", model), ("aligned/3/weak", weak)):
        one.config.tie_word_embeddings = False
        one.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    write_table(tmp_path / "prompts.parquet", QUESTIONS, PROMPTS)
    sampling = contrasting(1.0)
    (tmp_path / "aligned/3/choice.json").write_text('{"strength": 1.0}')
    contrast = Contrast(strength=strengths if len(strengths) > 1 else strengths[0])
    asking = sampling.model_copy(update={"contrast": contrast})
    asked = Responding(sampling=asking, engine="transformers", template="plain", weak=3)
    measurements = Measurements(base="nano", base_checkpoint=8, responses=asked)
    job = MeasureJob(checkpoints=(8,), measurements=measurements)
    files = {
        "checkpoints": "checkpoints",
        "weak": "aligned",
        "response-prompts": "prompts.parquet",
        "responses": "responses.parquet",
    }
    options = [text for key, name in files.items() for text in (f"--{key}", str(tmp_path / name))]
    monkeypatch.setattr("sys.argv", ["measure.py", json.dumps(job.model_dump(mode="json")), *options])
    runpy.run_path(str(ROOT / "workflow/scripts/measure.py"), run_name="__main__")
    rows = read_rows(tmp_path / "responses.parquet", RESPONSES)
    assert [row["response_tokens"] for row in rows] == generated(model, weak, tokenizer, sampling)
