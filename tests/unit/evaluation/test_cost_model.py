"""Cost models in the layout of their repositories, against the closed form."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaModel, PreTrainedTokenizerFast

from elasticity.config.score_models import CostModel
from elasticity.core.errors import UserError
from elasticity.evaluation.cost_model import CostScoreModel
from elasticity.evaluation.scoring import load_score_model, score_model_quality
from elasticity.models.tokenizer import encode
from elasticity.runtime.sharding import share
from tests.unit.score_models import cost_model

PROMPTS = ["How do I get there?", "", "What {is} it?", "Who </s> you?"]
RESPONSES = ["By train, and then on foot.", "A warm, funny picture", "", "<pad> Nobody {0} knows. </s>"]


def settings(folder: Path, **changes: Any) -> CostModel:
    return CostModel.model_validate({"kind": "cost-model", "path": str(folder), "max_length": 256} | changes)


def costs(llama: LlamaModel, head: torch.Tensor, tokenizer: PreTrainedTokenizerFast) -> list[float]:
    """Return the head applied to the hidden state of the EOS token, one conversation at a time."""
    found = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        text = "BEGINNING OF CONVERSATION: USER: " + prompt + " ASSISTANT:" + response
        tokens = [tokenizer.bos_token_id, *encode(tokenizer, [text])[0], tokenizer.eos_token_id]
        with torch.no_grad():
            found.append((llama(torch.tensor([tokens])).last_hidden_state[0, -1] @ head[0]).item())
    return found


def test_a_score_is_minus_the_head_on_the_end_token(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    expected = [-cost for cost in costs(*cost_model(tmp_path, tokenizer), tokenizer)]
    assert len({round(value, 3) for value in expected}) == 4
    score_model = CostScoreModel(tmp_path, settings(tmp_path))
    assert score_model.score(PROMPTS, RESPONSES) == pytest.approx(expected, abs=1e-5)
    assert score_model.score([], []) == []


def test_the_head_may_have_a_bias(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    expected = [-cost - 0.5 for cost in costs(*cost_model(tmp_path, tokenizer, bias=0.5), tokenizer)]
    assert CostScoreModel(tmp_path, settings(tmp_path)).score(PROMPTS, RESPONSES) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [1, 3])
def test_scores_do_not_depend_on_the_batch(tmp_path: Path, tokenizer: PreTrainedTokenizerFast, size: int) -> None:
    cost_model(tmp_path, tokenizer)
    prompts, responses = PROMPTS * 3, [response * 3 for response in RESPONSES] + RESPONSES + RESPONSES[::-1]
    whole = CostScoreModel(tmp_path, settings(tmp_path)).score(prompts, responses)
    parts = CostScoreModel(tmp_path, settings(tmp_path, batch_size=size)).score(prompts, responses)
    assert parts == pytest.approx(whole, abs=1e-5)


def test_two_processes_give_the_scores_of_one(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost_model(tmp_path, tokenizer)
    score_model = CostScoreModel(tmp_path, settings(tmp_path))
    rows = list(zip(PROMPTS * 2, RESPONSES + RESPONSES[::-1], strict=True))[:7]
    parts = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", "2")
        mine = share(rows)
        parts.append(score_model.score([prompt for prompt, _ in mine], [response for _, response in mine]))
    together = [parts[i % 2][i // 2] for i in range(7)]
    whole = score_model.score([prompt for prompt, _ in rows], [response for _, response in rows])
    assert together == pytest.approx(whole, abs=1e-5)


def test_the_last_token_is_found_whichever_side_is_padded(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    cost_model(tmp_path, tokenizer)
    model = CostScoreModel(tmp_path, settings(tmp_path)).model
    tokens, pad, mask = torch.tensor([[5, 6, 7]]), torch.tensor([[2, 2]]), torch.ones(1, 3, dtype=torch.long)
    none = torch.zeros(1, 2, dtype=torch.long)
    with torch.inference_mode():
        alone = model(tokens, mask)
        right = model(torch.cat([tokens, pad], 1), torch.cat([mask, none], 1))
        left = model(torch.cat([pad, tokens], 1), torch.cat([none, mask], 1))
    torch.testing.assert_close(right, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(left, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("stored", [True, False])
def test_normalised_costs_are_scaled_but_not_shifted(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, stored: bool
) -> None:
    plain = costs(*cost_model(tmp_path, tokenizer, do_normalize=True, mean=[1.0], var=[4.0]), tokenizer)
    if not stored:  # the variance is in the configuration only
        weights = load_file(tmp_path / "model.safetensors")
        kept = {name: tensor for name, tensor in weights.items() if not name.startswith("normalizer")}
        save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    expected = [-cost / 2 for cost in plain]
    assert CostScoreModel(tmp_path, settings(tmp_path)).score(PROMPTS, RESPONSES) == pytest.approx(expected, abs=1e-5)


def test_a_long_conversation_loses_its_beginning(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    llama, head = cost_model(tmp_path, tokenizer)
    score_model = CostScoreModel(tmp_path, settings(tmp_path, max_length=8))
    kept = encode(tokenizer, ["BEGINNING OF CONVERSATION: USER: where? ASSISTANT:here, I think"])[0][-6:]
    with torch.no_grad():
        state = llama(torch.tensor([[tokenizer.bos_token_id, *kept, tokenizer.eos_token_id]])).last_hidden_state
    assert score_model.score(["where?"], ["here, I think"]) == pytest.approx(
        [-(state[0, -1] @ head[0]).item()], abs=1e-5
    )


def test_a_model_that_scores_the_bad_response_higher_is_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    cost_model(tmp_path, tokenizer)
    first, second = CostScoreModel(tmp_path, settings(tmp_path)).score(["where?"] * 2, ["here", "there"])
    good, bad = ("here", "there") if first > second else ("there", "here")
    right = settings(tmp_path, prompt="where?", good=good, bad=bad)
    model = load_score_model(right, [tmp_path / "config.json"])
    texts = [{"side": "positive", "prompt": prompt, "response": "here"} for prompt in PROMPTS]
    quality = score_model_quality(model, right, texts)
    assert quality["accuracy"] == sum(score > 0 for score in model.score(PROMPTS, ["here"] * 4)) / 4
    with pytest.raises(UserError, match="up must be good"):
        load_score_model(settings(tmp_path, prompt="where?", good=bad, bad=good), [tmp_path / "config.json"])


# What is refused


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, r"holds a LlamaForCausalLM; a cost-model is one of LlamaForScore"),
        ({"architectures": None}, "no architecture"),
        ({"score_type": "reward"}, "holds a reward model"),
        ({"score_dim": 2}, "with 2 outputs"),
    ],
)
def test_other_models_are_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, config: dict[str, Any], words: str
) -> None:
    cost_model(tmp_path, tokenizer, **config)
    with pytest.raises(UserError, match=words):
        CostScoreModel(tmp_path, settings(tmp_path))


def test_incomplete_weights_are_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    cost_model(tmp_path, tokenizer)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be loaded"):
        CostScoreModel(tmp_path, settings(tmp_path))


def test_a_model_without_the_head_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    cost_model(tmp_path, tokenizer)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["score_head.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"not those of one whole model .* missing: score_head\.weight\."):
        CostScoreModel(tmp_path, settings(tmp_path))


def test_a_length_beyond_the_context_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    cost_model(tmp_path, tokenizer)
    with pytest.raises(UserError, match="takes 256 tokens"):
        CostScoreModel(tmp_path, settings(tmp_path, max_length=257))
