"""No job of a study whose models and data are local uses the network."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, tiny_study
from tests.slurm.conftest import small_study
from tests.workflow.watching import Watch

pytestmark = pytest.mark.slow

BLOCKED = """
import socket

def refuse(event, arguments):
    if event == "socket.getaddrinfo":
        raise PermissionError(f"a request for the address of {arguments[0]}")
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and arguments[0].family != socket.AF_UNIX:
        raise PermissionError(f"a connection to {arguments[1]}")

sys.addaudithook(refuse)
"""
"""Python calls the hook before each connection that is made in the process."""

TRIES = {
    "name": "import urllib.request; urllib.request.urlopen('http://localhost:9')",
    "address": "import socket; socket.socket().connect(('127.0.0.1', 9))",
    "address of version 6": "import socket; socket.socket(socket.AF_INET6).connect(('::1', 9))",
    "without a connection": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'?', ('127.0.0.1', 9))",
}


@pytest.mark.parametrize("code", TRIES.values(), ids=TRIES)
def test_the_block_works(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Watch(tmp_path / "watch", monkeypatch, BLOCKED)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "PermissionError: a " in done.stderr


def test_sockets_of_this_machine_still_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Watch(tmp_path / "watch", monkeypatch, BLOCKED)
    code = (
        "import socket, sys; server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); server.listen();"
        "socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "socket")], check=True)


def test_a_whole_study_runs_without_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.new(tmp_path / "project")
    study = small_study() | {"resistance": tiny_study()["resistance"]}
    wanted = ("divergence", "compression", "joint", "text_statistics")
    study["rebound"]["existence"] |= dict.fromkeys(wanted, True) | {"realignment_sizes": [4]}
    study["compression"] = {"window": 16, "stride": 8, "characters": 60, "coded": 1}
    study["resistance"]["equal-entropy"] = study["resistance"]["slices"] | {"equal_entropy": True}
    study["calibration"] = {"draws": 50}
    study["theory"] = {"tails": [3.0], "ratios": [10.0], "perturbations": [0.0], "draws": 1000}
    splits = {"pretraining": "pretraining", "alignment": "positive", "perturbation": "negative"}
    union = {role: f"made-up/{split}" for role, split in splits.items()}
    study["token_tree"] = {"unions": {"reviews": union}, "tokenizer": "nano", "depths": [5, 9], "resamples": 20}
    project.write_study(study)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    watch = Watch(tmp_path / "watch", monkeypatch, BLOCKED)
    project.snakemake()
    study["models"]["given"] = {"kind": "folder", "path": "results/tiny/models/nano/checkpoints/6"}
    study["tasks"]["talk"] = {
        "source": {"kind": "file", "path": str(ROOT / "tests/data/beavertails.jsonl"), "format": "beavertails"},
        "splits": {"prompts": 1, "sides": ["positive"]},
        "prompts": {"kind": "questions"},
    }
    project.write_study(study)
    project.snakemake("results/tiny/models/given/metrics.json", "results/tiny/talk/prompts/prompts.parquet")
    scripts = watch.scripts()
    of_hub = {"download_model.py", "download_score_model.py", "validate_score_model.py"}
    stored = {"generate_slices.py", "cross_entropy.py"}  # for models that are measured from saved checkpoints
    every = {path.name for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert {process.script for process in scripts} == every - of_hub - stored - {"launch.py"}
    online = {process.script for process in scripts if process.environment["HF_HUB_OFFLINE"] != "1"}
    assert online == {"fetch_data.py"}  # It may use the network, and did not.
