"""Text classifiers in the Hugging Face layout, and checks that all score models share."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from elasticity.config.score_models import TextClassifier
from elasticity.core.errors import UserError
from elasticity.evaluation.scoring import check_gold_pair, load_score_model, score_model_quality
from elasticity.evaluation.text_classifier import LabelScoreModel, in_batches
from tests.unit.score_models import gpt, roberta


def settings(folder: Path, **changes: Any) -> TextClassifier:
    given = {"kind": "text-classifier", "path": str(folder), "max_length": 30, "good": "a lovely film"}
    return TextClassifier.model_validate(given | {"bad": "a dull film"} | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roberta")
    roberta(folder)
    return folder


def scores(score_model: LabelScoreModel, responses: list[str]) -> list[float]:
    return score_model.score([""] * len(responses), responses)


def test_a_score_is_one_if_the_good_label_is_the_most_likely(folder: Path) -> None:
    score_model = LabelScoreModel(folder, settings(folder))
    responses = ["a lovely film", "dull", "lovely", "a dull film", "", "dull lovely dull"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = [
            score_model.model(torch.tensor([tokenizer(response)["input_ids"]])).logits[0] for response in responses
        ]
    assert scores(score_model, responses) == [float(bad < good) for bad, good in logits]
    assert scores(score_model, responses)[:4] == [1.0, 0.0, 1.0, 0.0]
    assert scores(score_model, []) == []


def test_the_other_label_inverts_the_scores(folder: Path) -> None:
    score_model = LabelScoreModel(folder, settings(folder, label="NEGATIVE"))
    assert scores(score_model, ["lovely", "dull"]) == [0.0, 1.0]
    with pytest.raises(UserError, match="up must be good"):
        load_score_model(settings(folder, label="NEGATIVE"), [folder / "config.json"])


def test_the_gold_pair_is_checked_on_loading(folder: Path) -> None:
    model = load_score_model(settings(folder), [folder / "config.json"])
    assert check_gold_pair(model, settings(folder).gold_pair) == (1.0, 0.0)


def test_prompts_are_ignored(folder: Path) -> None:
    score_model = LabelScoreModel(folder, settings(folder))
    assert score_model.score(["dull dull", "lovely"], ["lovely", "dull"]) == [1.0, 0.0]


@pytest.mark.parametrize("pad", [None, "</s>"])
def test_an_empty_response_is_scored_without_special_tokens(tmp_path: Path, pad: str | None) -> None:
    gpt(tmp_path, pad)
    score_model = LabelScoreModel(tmp_path, settings(tmp_path))
    alone = scores(score_model, [""])
    assert alone[0] in (0.0, 1.0)
    assert scores(score_model, ["a lovely film", "", "dull"])[1:2] == alone


def test_special_tokens_in_a_response_are_text(folder: Path) -> None:
    score_model = LabelScoreModel(folder, settings(folder))
    seen: list[torch.Tensor] = []
    score_model.model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )
    scores(score_model, ["a</s>film<pad>"])
    (tokens,) = seen[0].tolist()
    assert (tokens[0], tokens[-1]) == (0, 2)
    assert not {0, 1, 2, 3, 4} & set(tokens[1:-1])


def test_a_long_response_loses_its_end(folder: Path) -> None:
    score_model = LabelScoreModel(folder, settings(folder, max_length=8))
    start, long = "lovely " * 6, "lovely " * 6 + "dull " * 200
    assert scores(score_model, [start, long]) == [1.0, 1.0]


def test_verdicts_do_not_depend_on_the_batch(folder: Path) -> None:
    chance = random.Random(3)
    responses = [" ".join(chance.choices(["a", "lovely", "dull", "film"], k=chance.randint(0, 12))) for _ in range(40)]
    score_model = LabelScoreModel(folder, settings(folder))
    tokens = score_model.tokenizer(responses)["input_ids"]

    def logits(size: int) -> torch.Tensor:
        def margin(batch: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = score_model.model(input_ids=batch, attention_mask=attention).logits
            return found[:, 1] - found[:, 0]

        return torch.tensor(in_batches(tokens, size, score_model.pad, torch.device("cpu"), margin))

    torch.testing.assert_close(logits(1), logits(16), atol=1e-5, rtol=0)
    torch.testing.assert_close(logits(1), logits(7), atol=1e-5, rtol=0)


def test_the_longest_responses_are_read_first_and_the_order_is_kept() -> None:
    widths: list[int] = []

    def total(batch: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        widths.append(batch.shape[1])
        return (batch * attention).sum(1)

    assert in_batches([[1], [2, 3, 4], [5, 6], []], 2, 9, torch.device("cpu"), total) == [1, 9, 11, 0]
    assert widths == [3, 1]


def test_quality_is_measured_on_labelled_texts(folder: Path) -> None:
    model = load_score_model(settings(folder), [folder / "config.json"])
    texts = [{"side": "positive", "prompt": "", "response": response} for response in ("lovely", "lovely film", "dull")]
    texts += [{"side": "negative", "prompt": "", "response": "dull film"}]
    quality = score_model_quality(model, settings(folder), texts)
    assert quality == {"test_texts": 4, "accuracy": 0.75, "auc": pytest.approx(5 / 6)}
    assert score_model_quality(model, settings(folder), texts[:3]) == {
        "test_texts": 3,
        "accuracy": pytest.approx(2 / 3),
    }


# What is refused


def test_an_unknown_label_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no label 'GOOD'; its labels are NEGATIVE, POSITIVE"):
        LabelScoreModel(folder, settings(folder, label="GOOD"))


def test_a_length_beyond_the_context_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"max_length is 31, but .* takes 30 tokens"):
        LabelScoreModel(folder, settings(folder, max_length=31))


def test_weights_as_pickles_are_refused(tmp_path: Path) -> None:
    model = roberta(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no safetensors.*refs/pr/1.*save_pretrained"):
        LabelScoreModel(tmp_path, settings(tmp_path))


def test_a_model_without_a_head_is_refused(folder: Path, tmp_path: Path) -> None:
    bert = BertModel(BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    bert.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"2 tensors are missing: classifier\.bias, classifier\.weight\."):
        LabelScoreModel(tmp_path, settings(tmp_path))


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors", "vocab.json"])
def test_a_broken_folder_is_refused(tmp_path: Path, broken: str) -> None:
    roberta(tmp_path)
    (tmp_path / broken).write_text("{")
    with pytest.raises(UserError, match=rf"{tmp_path} cannot be loaded"):
        LabelScoreModel(tmp_path, settings(tmp_path))


def test_code_of_a_repository_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "odd", "auto_map": {"AutoConfig": "odd.Odd"}}')
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "odd.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(UserError, match="cannot be loaded"):
        LabelScoreModel(tmp_path, settings(tmp_path))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({}, "either path"),
        ({"path": "a", "repo": "b", "revision": "c"}, "either path"),
        ({"repo": "b"}, "belong together"),
        ({"path": "a", "revision": "c"}, "belong together"),
    ],
)
def test_a_score_model_has_one_source(place: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TextClassifier.model_validate({"kind": "text-classifier"} | place)
