"""A real fine-tuning job on a tiny model, launched in the same way as by a rule."""

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from elasticity.core.digests import canonical_json, digest
from elasticity.core.tables import write_table
from elasticity.data.schemas import EXAMPLES, PROMPTS
from elasticity.evaluation.schemas import FEATURES
from elasticity.models.loading import new_model
from elasticity.models.tokenizer import train_tokenizer
from elasticity.runtime.preloading import MODELS, ForkServers
from tests.conftest import ROOT, reviews
from tests.unit import conftest as unit

SHAPE = unit.SHAPE.model_copy(update={"hidden_size": 32, "layers": 2})
SETTINGS = {"learning_rate": 1e-3, "batch_size": 8, "max_length": 24, "weight_decay": 0.1, "precision": "fp32"}
SIZES = (16, 44)
"""Examples at the two checkpoints, after two and after six updates; the last batch has four examples."""


CELL = {"alignment_side": "positive", "alignment_recipe": "a", "inverse_recipe": "i", "seed": 1, "alignment_size": 8}
ASKED = {
    "base": "tiny",
    "base_checkpoint": 0,
    "cell": CELL,
    "responses": {"sampling": {"new_tokens": 4, "batch_size": 8}, "engine": "transformers", "template": "plain"},
    "divergence": True,
    "text_statistics": True,
    "compression": {"corpora": ["alignment"], "reading": {"window": 16, "stride": 8, "characters": 40}},
}
"""Measurements of a run at each checkpoint."""

TABLES = ("responses", "divergences", "compression", "text-statistics")

PAIRS = {"examples": ["texts.parquet", "others.parquet"]}
DATA = {
    "sft": {"examples": ["texts.parquet"]},
    "ppo": {"prompts": ["prompts.parquet"], "score-model": ["features.parquet"]},
}
"""Input files of an algorithm; the others take ``PAIRS``."""


@dataclass
class Run:
    """The files of one run."""

    folder: Path

    def weights(self, size: int) -> dict[str, torch.Tensor]:
        (file,) = (self.folder / f"checkpoints/{size}").glob("*.safetensors")
        return load_file(file)

    def losses(self) -> list[float]:
        return list(pq.read_table(self.folder / "losses.parquet").column("loss").to_pylist())

    def metrics(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "metrics.json").read_text()))

    def rows(self, table: str) -> list[dict[str, Any]]:
        return list(pq.read_table(self.folder / f"{table}.parquet").to_pylist())

    def states(self) -> list[Path]:
        return sorted(self.folder.glob("state/*/update-*"))


class WorkerServers(ForkServers):
    """Servers that hold what jobs import, and fork the jobs and the processes that torchrun starts."""

    program = Path(__file__).with_name("worker_server.py")

    def __init__(self) -> None:
        super().__init__({"other": MODELS})
        # torchrun starts a worker as ``$PYTHON_EXEC -u SCRIPT ...``.
        worker = self.folder / "worker"
        worker.write_text(f'#!/bin/sh\nshift\nexec {self.folder}/python "$@"\n')
        worker.chmod(0o700)
        self.environment |= {"PYTHON_EXEC": str(worker)}


@cache
def servers() -> WorkerServers:
    """The servers of this session, which end with it."""
    return WorkerServers()


class Trainer:
    """Starts fine-tuning jobs with the same data and the same start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        texts = unit.plain([row["text"] for row in reviews(600)])
        write_table(folder / "texts.parquet", texts, EXAMPLES)
        others = [row | {"id": f"other {row['id']}", "response": row["response"][::-1]} for row in texts]
        write_table(folder / "others.parquet", others, EXAMPLES)
        prompts = [{"prompt_id": row["id"], "prompt": row["response"][:8]} for row in texts]
        write_table(folder / "prompts.parquet", prompts, PROMPTS)
        words = {"": -0.1, "wonderful": 1.0, "the": 1.0, "is": 1.0, "and": 1.0, "a": 1.0, "o": 1.0}
        features = [{"unit": "word", "feature": word, "weight": weight} for word, weight in words.items()]
        write_table(folder / "features.parquet", features, FEATURES)
        tokenizer = train_tokenizer([row["response"] for row in texts], SHAPE.vocabulary)
        new_model(SHAPE, tokenizer).save_pretrained(folder / "start/0")
        tokenizer.save_pretrained(folder / "start/0")
        write_table(folder / "few-prompts.parquet", prompts[:9], PROMPTS)
        write_table(folder / "few-texts.parquet", texts[:5], EXAMPLES)

    def command(self, run: Run, *launch: str, **settings: Any) -> list[str]:
        """With ``measured`` the job also measures the model at each size, beside the model that it starts from."""
        sizes, measured = settings.pop("sizes", SIZES), settings.pop("measured", False)
        values = {"start": "0", "settings": SETTINGS | settings, "sizes": sizes, "seed": 1, "template": "plain"}
        score_model = {"kind": "snippet-classifier", "good": "wonderful", "bad": "terrible"}
        values["reward"] = {"score_model": score_model, "side": "negative"}
        script = "finetune_measured.py" if measured else "finetune.py"
        job = canonical_json({"training": values, "measurements": ASKED, "saved": sizes} if measured else values)
        run.folder.mkdir(exist_ok=True)
        kind = settings.get("algorithm", {"kind": "sft"})["kind"]
        files = {name: [self.folder / path for path in paths] for name, paths in DATA.get(kind, PAIRS).items()}
        files |= {"start": [self.folder / "start"]} | {name: [run.folder / name] for name in ("checkpoints", "state")}
        files |= {"losses": [run.folder / "losses.parquet"], "metrics": [run.folder / "metrics.json"]}
        if measured:
            files |= {"response-prompts": [self.folder / "few-prompts.parquet"], "base": [self.folder / "start"]}
            files |= {"texts": [self.folder / "few-texts.parquet"]}
            files |= {table: [run.folder / f"{table}.parquet"] for table in TABLES}
        options = [text for name, paths in files.items() for text in (f"--{name}", *map(str, paths))]
        scripts = ROOT / "workflow/scripts"
        return [sys.executable, str(scripts / "launch.py"), *launch, str(scripts / script), job, *options]

    def start(self, run: Run, *launch: str, environment: dict[str, str] | None = None, **settings: Any) -> psutil.Popen:
        """Start the job, or its launcher, whose processes are forked from servers."""
        _, *words = self.command(run, *launch, **settings)
        command = [sys.executable if launch else str(servers().folder / "python"), *words]
        log = (run.folder.parent / f"{run.folder.name}.log").open("a")
        return psutil.Popen(command, env=servers().environment | (environment or {}), stdout=log, stderr=log)

    def once(self, *launch: str, **settings: Any) -> Run:
        """Return the run with these arguments, which is trained when a test first asks for it."""
        folder = self.folder / f"run-{digest([launch, settings])[:16]}"
        return Run(folder) if (folder / "metrics.json").exists() else self.train(folder, *launch, **settings)

    def train(self, folder: Path, *launch: str, ok: bool = True, **settings: Any) -> Run:
        run = Run(folder)
        process = self.start(run, *launch, **settings)
        code = process.wait(timeout=600)
        assert (code == 0) == ok, (folder.parent / f"{folder.name}.log").read_text()
        return run


@pytest.fixture(scope="session")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("trainer"))
