"""Training data of joint training on all corpora, its jobs, and mistakes in studies."""

from collections import Counter
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from transformers import PreTrainedTokenizerFast

from elasticity.analysis.jobs import SpringBase, SpringRun, SpringsJob
from elasticity.analysis.springs import sequential_amounts
from elasticity.config.loading import read_study, read_study_file
from elasticity.config.training import FineTuning
from elasticity.core.errors import UserError
from elasticity.data.examples import Example, batched, pretraining_sequences
from elasticity.models.loading import new_model, prepare_for_training
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.runtime.journal import Journal
from elasticity.runtime.launch import Launch
from elasticity.training.backends import OneProcess
from elasticity.training.checkpoint import StateFolder
from elasticity.training.datasets import amounts, mixed, responses, responses_once
from elasticity.training.jobs import FineTuneJob, JointJob
from elasticity.training.loop import train
from elasticity.training.objectives import CodeLength
from elasticity.training.recording import Recorder
from tests.conftest import ROOT
from tests.unit.conftest import SHAPE, plain

MODEL = SHAPE.model_copy(update={"updates": 3, "context": 16})
TUNING = FineTuning(learning_rate=1e-3, batch_size=2, max_length=12)


def side(size: int, epochs: int = 1) -> FineTuneJob:
    settings = TUNING.model_copy(update={"epochs": epochs})
    return FineTuneJob(start="3", settings=settings, sizes=(size,), seed=5, template="plain")


@pytest.fixture
def corpora(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[list[Example]]:
    return [
        pretraining_sequences(MODEL, tokenizer, plain(sentences)),
        responses_once(side(3), tokenizer, [plain(sentences)]),
        responses_once(side(2), tokenizer, [plain(sentences[4:])]),
    ]


def tokens(examples: list[Example]) -> Counter[tuple[tuple[int, ...], int]]:
    return Counter((tuple(example.tokens), example.response_start) for example in examples)


def test_mixed_holds_every_sequence_once_in_an_order_of_the_seed(corpora: list[list[Example]]) -> None:
    together = list(chain.from_iterable(corpora))
    orders = [mixed(corpora, seed) for seed in (1, 2)]
    assert tokens(orders[0]) == tokens(orders[1]) == tokens(together)
    assert orders[0] != orders[1]
    assert len({example.identity for example in orders[0]}) == len(together) == 6 + 3 + 2


def test_the_corpora_are_mixed(tokenizer: PreTrainedTokenizerFast) -> None:
    """The mean places of 300 and 100 examples differ by less than four standard errors."""
    corpora = [[Example([1, 2], 1, f"{name}{i}") for i in range(count)] for name, count in (("a", 300), ("b", 100))]
    order = mixed(corpora, 1)
    places = [[i for i, example in enumerate(order) if example.identity.startswith(name)] for name in ("1", "2")]
    means = [sum(found) / len(found) for found in places]
    assert abs(means[0] - means[1]) < 4 * 400 * (1 / 12 * (1 / 300 + 1 / 100)) ** 0.5


def losses_of(examples: list[Example], batch: int, pad: int) -> pd.DataFrame:
    batches = batched(examples, batch, pad)
    return pd.DataFrame({"examples": [len(b.tokens) for b in batches], "tokens": [b.targets for b in batches]})


def test_amounts_equal_those_of_the_sequential_runs(
    corpora: list[list[Example]], tokenizer: PreTrainedTokenizerFast, sentences: list[str]
) -> None:
    """Target tokens of the losses (halved for two epochs) equal those of the examples."""
    pad = tokenizer.pad_token_id
    second = responses(side(2, epochs=2), tokenizer, [plain(sentences[4:])])
    losses = pd.DataFrame({"examples": [len(b.tokens) for b in second.batches]})
    losses["tokens"] = [batch.targets for batch in second.batches]
    job = SpringsJob.model_construct(
        alignment=TUNING,
        inverse=TUNING.model_copy(update={"epochs": 2}),
        bases=(SpringBase(base="nano", model="nano", examples=6),),
        runs=(SpringRun(base="nano", seed=5, alignment_size=3, inverse_sizes=(0, 2)),),
    )
    first = losses_of(corpora[1], 2, pad)
    found = sequential_amounts(job, [losses_of(corpora[0], 2, pad)], [first], [losses])
    names = ["pretraining_tokens", "alignment_tokens", "perturbation_tokens"]
    assert found[names].to_dict("records")[1] == amounts(corpora)
    assert amounts(corpora)["pretraining_tokens"] == 6 * 15
    assert list(found["perturbation_tokens"]) == [0, amounts(corpora)["perturbation_tokens"]]


def test_joint_training_runs_over_all_corpora(
    corpora: list[list[Example]], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """One linear schedule covers all corpora: the last learning rate is close to a tenth of the first."""
    settings = MODEL.optimization.model_copy(update={"schedule": "linear"})
    batches = batched(mixed(corpora, 1), settings.batch_size, tokenizer.pad_token_id)
    backend = OneProcess(prepare_for_training(new_model(MODEL, tokenizer), Launch()), settings)
    journal = Journal(tmp_path / "checkpoints")
    recorder = Recorder({"2": len(batches)}, ["2"], tokenizer)
    state = StateFolder(tmp_path / "state")
    done = train(backend, batches, CodeLength(), recorder, settings, 2, state, 60, journal)
    assert [row["examples"] for row in done.losses] == [2, 2, 2, 2, 2, 1]
    assert sum(row["tokens"] for row in done.losses) == sum(amounts(corpora).values())
    assert done.losses[-1]["learning_rate"] == pytest.approx(1e-3 * (0.1 + 0.9 / 6))
    assert (state.checkpoints / "2" / "model.safetensors").exists()


# The study


@pytest.fixture
def joint(values: dict[str, Any]) -> dict[str, Any]:
    values["compression"] = {"window": 16, "stride": 8}
    values["rebound"]["existence"] |= {"compression": True, "joint": True}
    return values


def test_a_joint_job_contains_the_jobs_of_the_sequential_runs(joint: dict[str, Any]) -> None:
    pipeline = Pipeline(read_study(joint))
    wildcards = SimpleNamespace(
        task="reviews", base="nano", side="positive", alignment_recipe="alignment", inverse_recipe="inverse"
    )
    wildcards.seed, wildcards.alignment_size, wildcards.run_sizes = "2", "16", "4"
    job = JointJob.model_validate_json(pipeline.measurements.joint_job(wildcards))
    assert job.alignment == FineTuneJob.model_validate_json(
        pipeline.rebound.alignment_job(SimpleNamespace(**vars(wildcards) | {"run_sizes": "16"}))
    )
    assert job.inverse.sizes == (4,)
    assert job.inverse.settings == pipeline.study.inverse
    assert job.saved == ()
    assert job.measurements is not None
    assert job.measurements.compression is not None
    assert job.measurements.responses is None
    stored = JointJob.model_validate_json(pipeline.springs.joint_stored_job(wildcards))
    assert (stored.saved, stored.measurements) == ((4,), None)
    assert (job.cell.seed, job.cell.alignment_size, job.checkpoint) == (2, 16, 4)
    assert pipeline.springs.texts(wildcards) == "results/tiny/reviews/splits/pretraining.parquet"
    assert pipeline.springs.inverse(wildcards) == "results/tiny/reviews/splits/negative.parquet"


def test_the_table_of_springs_reads_joint_and_sequential_runs(joint: dict[str, Any]) -> None:
    pipeline = Pipeline(read_study(joint))
    runs, table = pipeline.springs.joint_runs(), pipeline.tables["springs"]
    assert len(runs) == 2 * 2 * 3
    files = {name: function(SimpleNamespace(experiment="existence")) for name, function in table.inputs.items()}
    assert f"results/tiny/{runs[0][0].folder}/joint/0/amounts.parquet" in files["joint_amounts"]
    assert len(files["joint_rates"]) == len(files["joint_amounts"]) == 12
    assert len(files["alignment_losses"]) == len(files["inverse_losses"]) == len(files["rates"]) == 2 * 2
    assert files["base_losses"] == ["results/tiny/models/nano/losses.parquet"]
    job = SpringsJob.model_validate_json(table.job(SimpleNamespace(experiment="existence")))
    assert [(base.base, base.model, base.examples) for base in job.bases] == [("nano", "nano", 24)]
    assert {name for name in (target.split("/")[-1] for target in pipeline.targets) if name.startswith("spring")} == {
        "springs-existence.csv",
        "springs-existence.svg",
        "spring-law-existence.svg",
        "spring-ratios-existence.csv",
        "spring-exponents-existence.csv",
    }


def test_a_card_reads_the_metrics_of_joint_training(joint: dict[str, Any]) -> None:
    pipeline = Pipeline(read_study(joint))
    metrics = pipeline.report.card_metrics(SimpleNamespace(base="nano"))
    springs = pipeline.springs
    assert {f"{springs.joint_run(*run)}/metrics.json" for run in springs.joint_runs()} < set(metrics)
    assert any("/P8/inverse/joint/4/" in file for file in metrics)


def test_springs_need_models_that_are_pre_trained_in_the_workflow(joint: dict[str, Any]) -> None:
    """Checkpoints of a pre-training run count; stages that are not sft have no springs."""
    joint["rebound"]["pretraining"] |= {"compression": True, "bases": ["nano-step3", "given", "nano"]}
    study = read_study(joint)
    assert Pipeline(study).springs.bases(study.rebound["pretraining"]) == ["nano-step3", "nano"]
    joint["rebound"]["existence"]["joint"] = False
    joint["inverse"]["algorithm"] = {"kind": "dpo"}
    pipeline = Pipeline(read_study(joint))
    assert pipeline.tables["springs"].paths() == []
    assert not [target for target in pipeline.targets if "/spring" in target]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compression": False}, r"joint models are measured .* set compression: true"),
        ({"inverse_sizes": [4, 8]}, r"inverse_sizes must be 0 and more"),
        ({"bases": ["nano-step3"]}, r"nano-step3 is not at the end of a pre-training run .* that are: nano"),
        ({"alignment_recipe": "twice"}, r"alignment_recipe must be sft with one epoch, without lora"),
        ({"inverse_recipe": "low"}, r"inverse_recipe must be sft"),
        ({"inverse_recipe": "carried"}, r"inverse_recipe must be sft .* optimizer: carried"),
        ({"inverse_recipe": "coarse"}, r"inverse_recipe must be sft .* weights: bf16"),
    ],
)
def test_mistakes_in_joint_experiments_are_named(joint: dict[str, Any], change: dict[str, Any], message: str) -> None:
    changes = {
        "twice": {"epochs": 2},
        "low": {"lora": {}},
        "carried": {"optimizer": "carried"},
        "coarse": {"weights": "bf16"},
    }
    joint["recipes"] = {name: joint["alignment"] | change for name, change in changes.items()}
    joint["rebound"]["existence"] |= change
    with pytest.raises(UserError, match=message):
        read_study(joint)


def test_the_spring_study_has_its_sizes_seeds_and_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sizes of model, three seeds, three amounts of pre-training, and k and l over two orders of magnitude."""
    monkeypatch.chdir(ROOT)
    study = read_study_file(Path("studies/spring.yaml"))
    springs = Pipeline(study).springs
    bases = {name: springs.bases(rebound) for name, rebound in study.rebound.items()}
    assert bases["opposite"] == ["small", "large"]
    assert bases["amount"] == ["small-step160", "small-step320", "small"]
    assert bases["program"] == bases["joint"] == ["small"]
    assert len(study.seeds) == 3
    assert len(springs.joint_runs()) == 3 * 3
