"""Preference losses compared with TRL's on one batch of a tiny Llama with the same tokens and weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import Optimization
from elasticity.data.examples import Example, batched
from elasticity.models.loading import prepare_for_training
from elasticity.runtime.launch import Launch
from elasticity.training.algorithms.dpo import Dpo
from elasticity.training.algorithms.kto import Kto
from elasticity.training.algorithms.simpo import SimPo
from elasticity.training.backends import OneProcess
from elasticity.training.kto import KtoObjective
from elasticity.training.objectives import Objective
from elasticity.training.preference import PreferenceObjective

trl = pytest.importorskip("trl", reason="TRL is needed for this comparison only")
datasets = pytest.importorskip("datasets", reason="TRL takes its data sets")

TEXTS = [
    {"prompt": "The film", "chosen": " opens on a quiet harbour.", "rejected": " never leaves it."},
    {"prompt": "I wanted to like", "chosen": " the music.", "rejected": " the second half, but the story stops."},
    {"prompt": "The cast is", "chosen": " a delight", "rejected": " dull"},
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL and datasets write caches: keep them in the test's folder."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    datasets.disable_caching()


@pytest.fixture
def moved(fresh_model: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """A model that differs from the reference model."""
    model = fresh_model()
    model.lm_head.weight.data += 0.3 * torch.randn(320, 16, generator=torch.Generator().manual_seed(1))
    return model


def options(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": 6,
        "use_cpu": True,
        "report_to": [],
        "bf16": False,
        "gradient_checkpointing": False,
        "disable_tqdm": True,
    }


def ours(objective: Objective, examples: list[Example], model: PreTrainedModel, start: PreTrainedModel) -> float:
    """Return our objective of the batch for a model, with ``start`` as the reference model."""
    settings = Optimization(learning_rate=1, batch_size=3, precision="fp32")
    backend = OneProcess(prepare_for_training(start, Launch()), settings)
    (batch,) = batched(examples, 6, 2)
    if objective.compares:
        objective.measure_start(backend, 0, batch, 6)
    backend.model.load_state_dict(model.state_dict())
    (part,) = objective.parts(backend, 0, batch, 6)
    return objective.loss(backend, part, batch).item()


def test_dpo(
    moved: PreTrainedModel,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    trainer = trl.DPOTrainer(
        model=moved,
        ref_model=fresh_model(),
        args=trl.DPOConfig(beta=0.3, **options(tmp_path)),
        train_dataset=datasets.Dataset.from_list(TEXTS),
        processing_class=tokenizer,
    )
    rows = list(trainer.train_dataset)
    expected = trainer.compute_loss(trainer.model, trainer.data_collator(rows)).item()
    examples = [
        Example([*row["prompt_ids"], *row[f"{side}_ids"]], len(row["prompt_ids"]), f"{i} {side}")
        for i, row in enumerate(rows)
        for side in ("chosen", "rejected")
    ]
    loss = ours(PreferenceObjective(Dpo(kind="dpo", beta=0.3)), examples, moved, fresh_model())
    assert loss == pytest.approx(expected, abs=1e-5)


def test_kto(
    moved: PreTrainedModel,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    labelled = [
        {"prompt": text["prompt"], "completion": text[side], "label": side == "chosen"}
        for text in TEXTS
        for side in ("chosen", "rejected")
    ]
    trainer = trl.KTOTrainer(
        model=fresh_model(),
        ref_model=moved,
        args=trl.KTOConfig(beta=0.3, desirable_weight=1.2, undesirable_weight=0.8, **options(tmp_path)),
        train_dataset=datasets.Dataset.from_list(labelled),
        processing_class=tokenizer,
    )
    rows = list(trainer.train_dataset)
    expected = trainer.compute_loss(trainer.model, trainer.data_collator(rows)).item()

    def examples(responses: str) -> list[Example]:
        return [
            Example([*row["prompt_ids"], *row[responses]], len(row["prompt_ids"]), f"{i} {responses}")
            for i, row in enumerate(rows)
        ]

    settings = Kto(kind="kto", beta=0.3, desirable=1.2, undesirable=0.8)
    objective = KtoObjective(settings, batched(examples("KL_completion_ids"), 6, 2))
    loss = ours(objective, examples("completion_ids"), fresh_model(), moved)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert objective.divergence > 0


def test_simpo(
    moved: PreTrainedModel,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    cpo = pytest.importorskip("trl.experimental.cpo", reason="this TRL has no SimPO")
    trainer = cpo.CPOTrainer(
        model=moved,
        args=cpo.CPOConfig(beta=2.0, simpo_gamma=0.7, loss_type="simpo", cpo_alpha=0.0, **options(tmp_path)),
        train_dataset=datasets.Dataset.from_list(TEXTS),
        processing_class=tokenizer,
    )
    rows = list(trainer.train_dataset)
    expected = trainer.get_batch_loss_metrics(trainer.model, trainer.data_collator(rows))[0].item()
    examples = [
        Example(row[f"{side}_input_ids"], sum(label == -100 for label in row[f"{side}_labels"]))
        for row in rows
        for side in ("chosen", "rejected")
    ]
    loss = ours(PreferenceObjective(SimPo(kind="simpo", beta=2.0, margin=0.7)), examples, moved, fresh_model())
    assert loss == pytest.approx(expected, abs=1e-5)
