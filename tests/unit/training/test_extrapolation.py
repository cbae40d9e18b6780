import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.loading import read_study, read_study_file
from elasticity.config.sampling import Contrast
from elasticity.config.training import FineTuning
from elasticity.core.errors import UserError
from elasticity.data.examples import Example, training_examples
from elasticity.models.loading import load_for_measuring, load_model, probe_nats, save
from elasticity.training import extrapolation
from elasticity.training.extrapolation import checkpoints_of_run, extrapolate, extrapolate_checkpoints
from elasticity.training.validation import Validation
from tests.conftest import ROOT
from tests.unit.conftest import plain
from tests.unit.training.test_lora import ADAPTERS, Job, KilledError, equal, finetune, killed

__all__ = ["finetune"]

WEIGHTS = st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3)


def settings(batch_size: int, epochs: int, extrapolation: float = 0.5) -> FineTuning:
    return FineTuning(
        learning_rate=1e-3, batch_size=batch_size, epochs=epochs, max_length=8, extrapolation=extrapolation
    )


@given(WEIGHTS, WEIGHTS, st.floats(0, 4))
def test_extrapolation_is_linear(early: list[float], tuned: list[float], mu: float) -> None:
    expected = [after + mu * (after - before) for before, after in zip(early, tuned, strict=True)]
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        actual = extrapolate(torch.tensor(early, dtype=dtype), torch.tensor(tuned, dtype=dtype), mu)
        assert actual.dtype == dtype
        assert actual.tolist() == pytest.approx(expected, rel=tolerance, abs=tolerance)
    assert extrapolate(torch.tensor(early), torch.tensor(tuned), 0.0).tolist() == torch.tensor(tuned).tolist()


@given(st.integers(1, 40), st.integers(1, 9), st.integers(2, 4))
def test_the_first_epoch_ends_when_every_example_was_seen(size: int, batch_size: int, epochs: int) -> None:
    one = settings(batch_size, epochs)
    update = one.first_epoch_updates(size)
    assert update * batch_size >= size > (update - 1) * batch_size
    seen = [place % size for place in range(size * epochs)]
    batches = [seen[i : i + batch_size] for i in range(0, len(seen), batch_size)]
    assert {place for batch in batches[:update] for place in batch} == set(range(size))
    assert one.can_extrapolate(size) == (len(batches) > update)
    if one.can_extrapolate(size):
        assert checkpoints_of_run(one, [size]) == {f".early-{size}": update, f".tuned-{size}": len(batches)}


def test_without_extrapolation_a_checkpoint_is_the_trained_model() -> None:
    assert checkpoints_of_run(settings(4, 1, 0.0), [0, 4, 8]) == {"0": 0, "4": 1, "8": 2}
    assert checkpoints_of_run(settings(4, 2), [0]) == {"0": 0}


@pytest.mark.parametrize("lora", [{}, ADAPTERS], ids=["all weights", "adapters"])
def test_a_checkpoint_is_extrapolated_from_the_first_epoch_of_the_same_run(
    finetune: Job, tmp_path: Path, lora: dict[str, dict[str, float]]
) -> None:
    early, tuned = (finetune(f"{epochs}", (8,), epochs=epochs, **lora)["8"] for epochs in (1, 2))
    pushed = finetune("pushed", (8,), epochs=2, extrapolation=0.5, **lora)
    assert list(pushed) == ["8"]
    assert equal(pushed["8"], {name: extrapolate(early[name], tuned[name], 0.5) for name in tuned})
    assert not equal(pushed["8"], tuned)
    load_for_measuring(tmp_path / "pushed/checkpoints/8")  # the probe is that of the new weights
    assert {path.name for path in (tmp_path / "pushed/checkpoints/8").iterdir()} == {
        path.name for path in (tmp_path / "2/checkpoints/8").iterdir()
    }
    assert not list(tmp_path.glob("state/*"))


def test_a_run_killed_during_extrapolation_ends_at_the_same_weights(
    finetune: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushing = {"epochs": 2, "extrapolation": 0.5}
    killed(finetune, monkeypatch, "run", (8,), after=6, **pushing)  # between the first epoch and the end

    def dying(*_: Path) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(extrapolation, "rename_whole", dying)
        with pytest.raises(KilledError):
            finetune("run", (8,), **pushing)
    assert not (tmp_path / "run/checkpoints").exists()
    assert equal(finetune("run", (8,), **pushing)["8"], finetune("whole", (8,), **pushing)["8"])


def test_weights_in_several_files_and_a_second_call(
    tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel, tmp_path: Path
) -> None:
    model.config.tie_word_embeddings = False
    weights = {}
    for name, factor in ((".early-8", 1.0), (".tuned-8", 0.5)):
        with torch.no_grad():
            model.model.layers[0].mlp.up_proj.weight *= factor
        model.save_pretrained(tmp_path / name, max_shard_size="20KB")
        tokenizer.save_pretrained(tmp_path / name)
        weights[name] = load_model(tmp_path / name).state_dict()
    assert len(list((tmp_path / ".tuned-8").glob("*.safetensors"))) == 3
    extrapolate_checkpoints(tmp_path, settings(4, 2, 0.25))
    pushed = load_for_measuring(tmp_path / "8").state_dict()
    first, second = weights.values()
    assert equal(pushed, {name: extrapolate(first[name], second[name], 0.25) for name in second})
    assert not equal(pushed, second)
    shutil.rmtree(tmp_path / ".tuned-8")  # a second call finds the checkpoint and needs no more
    extrapolate_checkpoints(tmp_path, settings(4, 2, 0.25))
    assert equal(load_for_measuring(tmp_path / "8").state_dict(), pushed)


# Choosing among candidates by validation examples


def nats(model: PreTrainedModel, examples: list[Example]) -> list[torch.Tensor]:
    """Return the logits before each target of each example, in double precision, with the target."""
    found = []
    for example in examples:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([example.tokens])).logits[0, :-1].double()
        for place in range(example.response_start, len(example.tokens)):
            found.append((logits[place - 1], example.tokens[place]))
    return found


@pytest.fixture
def trained(tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel, tmp_path: Path) -> Path:
    """A folder with the early and the final model of a run, which differ by far more than rounding."""
    for number, name in enumerate((".early-8", ".tuned-8")):
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        save(model, tokenizer, tmp_path / name, probe_nats(model, model.config.vocab_size, torch.device("cpu")))
    return tmp_path


def test_factors_are_those_with_the_shortest_code(
    trained: Path, tokenizer: PreTrainedTokenizerFast, sentences: list[str]
) -> None:
    """Brute force, one token at a time: first mu, then the strength of contrast on the tokens that are likely."""
    examples = training_examples(plain(sentences), tokenizer, "plain", 30)
    mus, strengths, threshold = (0.1, 0.5, 1.5, 4.0), (0.0, 0.2, 1.0), 0.02
    contrast = Contrast(strength=strengths, threshold=threshold)
    validation = Validation(examples, tokenizer.pad_token_id, contrast)
    pushing = settings(4, 2).model_copy(update={"extrapolation": mus})
    choice = extrapolate_checkpoints(trained, pushing, validation)["8"]

    early, tuned = (load_model(trained / name) for name in (".early-8", ".tuned-8"))

    def pushed(mu: float) -> PreTrainedModel:
        one, before = load_model(trained / ".tuned-8"), early.state_dict()
        one.load_state_dict({name: extrapolate(before[name], it, mu) for name, it in one.state_dict().items()})
        return one

    for mu in (0.0, *mus):
        lengths = [-logits.log_softmax(0)[token].item() for logits, token in nats(pushed(mu), examples)]
        assert choice["extrapolation_nats"][str(mu)] == pytest.approx(sum(lengths) / len(lengths), rel=1e-5)
    best = min(mus, key=lambda mu: choice["extrapolation_nats"][str(mu)])
    assert choice["extrapolation"] == best
    expected: dict[float, list[float]] = {strength: [] for strength in strengths}
    for (strong, token), (weak, _) in zip(nats(pushed(best), examples), nats(tuned, examples), strict=True):
        likely = strong.softmax(0) >= threshold * strong.softmax(0).max()
        if likely[token]:
            for strength in strengths:
                logits = strong + strength * (strong - weak)
                expected[strength].append((logits[likely].logsumexp(0) - logits[token]).item())
    assert 0 < len(expected[0.0]) < len(nats(tuned, examples))
    means = {strength: sum(found) / len(found) for strength, found in expected.items()}
    for strength, mean in means.items():
        assert choice["strength_nats"][str(strength)] == pytest.approx(mean, rel=1e-5)
    assert choice["strength"] == min(means, key=lambda strength: means[strength])
    load_for_measuring(trained / "8/weak")
    assert equal(load_for_measuring(trained / "8/weak").state_dict(), tuned.state_dict())
    assert equal(load_for_measuring(trained / "8").state_dict(), pushed(best).state_dict())
    assert extrapolate_checkpoints(trained, pushing, validation)["8"] == choice  # a second call reads it


def test_a_job_writes_what_it_chose_into_its_metrics(finetune: Job, tmp_path: Path) -> None:
    pushing = {"epochs": 2, "extrapolation": (0.5, 1.0)}
    contrast = {"strength": (0.5, 1.0), "threshold": 0.1}
    finetune("run", (8,), contrast=contrast, **pushing)
    choice = json.loads((tmp_path / "run/metrics.json").read_text())["choices"]["8"]
    assert set(choice["extrapolation_nats"]) == {"0.0", "0.5", "1.0"}
    assert choice == json.loads((tmp_path / "run/checkpoints/8/choice.json").read_text())
    assert (tmp_path / "run/checkpoints/8/weak/model.safetensors").exists()
    plain_run = finetune("plain", (8,), epochs=2, extrapolation=choice["extrapolation"])
    assert equal(plain_run["8"], load_file(tmp_path / "run/checkpoints/8/model.safetensors"))


# The study


def changed(place: str, value: object) -> dict[str, Any]:
    """The values of studies/epicode.yaml with a mistake in them."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "studies/epicode.yaml").read_text())
    *parents, last = place.split("/")
    section = values
    for parent in parents:
        section = section[parent]
    section[last] = value
    return values


@pytest.fixture
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("_at_the_root")
@pytest.mark.parametrize("name", ["epicode", "epicode-contrast"])
def test_the_studies_can_be_read(name: str) -> None:
    study = read_study_file(Path(f"studies/{name}.yaml"))
    assert study.name == name
    assert not study.resistance
    for experiment in study.rebound.values():
        assert study.recipe(experiment.alignment_recipe).epochs >= 2
        assert experiment.inverse_sizes == (0, 24, 96, 384)


SLICES = {
    "task": "reviews",
    "bases": ["small"],
    "slices": {"learning_rate": 1e-4, "batch_size": 8, "max_length": 48},
    "tuning": {"learning_rate": 1e-4, "batch_size": 8, "max_length": 48},
    "twin_sampling": {"new_tokens": 8},
    "question_sampling": {"new_tokens": 8, "contrast": {"strength": 0.5}},
}

MISTAKES: dict[str, tuple[str, object, str]] = {
    "one epoch": ("recipes/pushed-1.0/epochs", 1, "needs 2 epochs or more"),
    "one update": (
        "rebound/pushed-1.0/alignment_sizes",
        [4, 160],
        "rebound.pushed-1.0.alignment_sizes: 4 examples in 2 epochs make one update with batch_size 8",
    ),
    "nothing to choose by": (
        "tasks/reviews/splits/validation",
        0,
        "rebound.pushed.alignment_recipe: extrapolation or sampling.contrast.strength has several candidates",
    ),
    "chosen in the inverse stage": (
        "rebound/pushed/inverse_recipe",
        "pushed",
        "rebound.pushed.inverse_recipe.extrapolation: 5 candidates, of which only the runs of an alignment stage",
    ),
    "slices": (
        "resistance",
        {"slices": SLICES},
        "question_sampling.contrast: responses of a slice must be sampled",
    ),
}


@pytest.mark.usefixtures("_at_the_root")
@pytest.mark.parametrize(("place", "value", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_explained(place: str, value: object, words: str) -> None:
    with pytest.raises(UserError) as error:
        read_study(changed(place, value))
    assert words in str(error.value)
