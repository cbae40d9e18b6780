"""A tiny study that runs the real graph in about a minute, and texts to run it on."""

import compileall
import json
import os
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticity.core.digests import SCRIPTS
from elasticity.core.statements import statements_of
from tests.starting import run_snakemake

ROOT = Path(__file__).parent.parent

GOOD = ["wonderful", "great", "lovely", "superb", "charming", "moving", "brilliant", "delightful"]
BAD = ["terrible", "awful", "boring", "dreadful", "clumsy", "tedious", "dull", "horrible"]
NOUNS = ["film", "plot", "cast", "ending", "music", "story", "hero", "scene", "dialogue", "picture"]


def reviews(count: int) -> list[dict[str, Any]]:
    """Return made-up reviews: all different, half of them positive."""
    random.seed(7)
    rows = []
    for number in range(count):
        words = GOOD if number % 2 else BAD
        sentences = [f"the {random.choice(NOUNS)} is {random.choice(words)}" for _ in range(random.randint(4, 9))]
        rows.append({"text": f"review {number}: " + " and ".join(sentences) + ".", "label": number % 2})
    return rows


def tiny_study() -> dict[str, Any]:
    """Return a study with a rebound and a resistance experiment and claims, as small as possible."""
    sampling = {"new_tokens": 6, "top_k": 20}
    tuning = {"learning_rate": 1e-3, "batch_size": 4, "max_length": 24}
    return {
        "name": "tiny",
        "seeds": [1, 2],
        "tasks": {
            "made-up": {
                "source": {"kind": "file", "path": "reviews.jsonl"},
                "splits": {
                    "prompts": 8,
                    "held_out": 4,
                    "score_model": 80,
                    "resistance": 8,
                    "positive": 40,
                    "negative": 40,
                    "pretraining": 160,
                },
                "prompts": {"kind": "beginnings", "tokenizer": "nano"},
                "score_model": {"kind": "snippet-classifier", "snippet_words": 8},
            }
        },
        "models": {
            "nano": {
                "kind": "pretrain",
                "task": "made-up",
                "vocabulary": 320,
                "hidden_size": 16,
                "layers": 1,
                "heads": 2,
                "context": 32,
                "updates": 6,
                "checkpoints": [3],
                "optimization": {"learning_rate": 3e-3, "batch_size": 4, "schedule": "linear", "warmup_updates": 2},
            }
        },
        "alignment": tuning,
        "inverse": tuning,
        "sampling": sampling,
        "rebound": {
            "existence": {
                "task": "made-up",
                "bases": ["nano"],
                "alignment_sizes": [8, 16],
                "inverse_sizes": [0, 4, 8],
                "text_statistics": True,
            },
            "pretraining": {
                "task": "made-up",
                "bases": ["nano-step3", "nano"],
                "alignment_sizes": [16],
                "inverse_sizes": [0, 8],
            },
        },
        "resistance": {
            "slices": {
                "task": "made-up",
                "bases": ["nano"],
                "slices": tuning,
                "tuning": tuning,
                "twin_sampling": sampling | {"temperature": 0.1},
                "question_sampling": {"new_tokens": 6},
            }
        },
        "claims": {
            "crosses": expected("existence", "crossing", "greater"),
            "grows": expected("pretraining", "reversal-ratio", "less") | {"over": "bases"},
            "resists": expected("slices", "kl-gap", "greater"),
            "sinks": expected("existence", "area", "greater") | {"role": "exploratory"},
        },
    }


def expected(experiment: str, measure: str, direction: str) -> dict[str, Any]:
    """Return a confirmatory claim for two seeds."""
    claim = {"hypothesis": f"{measure} is {direction}", "experiment": experiment, "measure": measure}
    return claim | {"direction": direction, "role": "confirmatory", "seeds": 2}


@cache
def compile_library() -> None:
    """Make what Python and code digests keep of the sources, so that not every copy of the project makes it again."""
    compileall.compile_dir(ROOT / "workflow", quiet=1)
    for file in SCRIPTS.rglob("*.py"):
        statements_of(file)


class Project:
    """A copy of the project with the tiny study in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def new(cls, folder: Path) -> "Project":
        """Copy the sources, and write the study and its data."""
        compile_library()
        drafts = shutil.ignore_patterns("*.pyc.*", "*.statements.[0-9]*")  # of other processes, which rename them
        for name in ("workflow", "profiles", "envs"):
            shutil.copytree(ROOT / name, folder / name, ignore=drafts)
        shutil.copy(ROOT / "Snakefile", folder)
        shutil.copy(ROOT / "slurm", folder, follow_symlinks=False)
        project = cls(folder)
        project.write_study(tiny_study())
        lines = [json.dumps(row) for row in reviews(480)]
        (folder / "reviews.jsonl").write_text("\n".join(lines) + "\n")
        return project

    def copy(self, folder: Path) -> "Project":
        """Copy the project with the times of its files and Snakemake's records."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return Project(folder)

    def write_study(self, study: dict[str, Any]) -> None:
        """Replace the default study."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def snakemake(self, *arguments: str, ok: bool = True) -> str:
        """Run Snakemake and return what it printed."""
        done = run_snakemake(self.folder, "--cores", "2", *arguments)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self) -> str:
        """Return what ``make status`` prints."""
        return self.elasticity("status", "config.yaml").stdout

    def elasticity(self, *arguments: str, ok: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run the command line of the library."""
        command = [sys.executable, "-m", "elasticity", *arguments]
        environment = os.environ | {"PYTHONPATH": str(self.folder / "workflow/scripts")}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny study, run once; tests that change something work on a copy."""
    project = Project.new(tmp_path_factory.mktemp("finished"))
    project.snakemake()
    return project
