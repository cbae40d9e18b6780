"""Break things on purpose, many times, and print a table: what held and what did not.

    python benchmarks/drills.py [--kills 20] [--study-kills 10] [--flips 1000] [--seed 1]

- A training job is killed with SIGKILL at random moments until it has finished; its outputs must have the bytes of an
  undisturbed run.
- So is a small study: Snakemake alone, whose jobs go on, or with all of its processes, or one of these processes.
- Random bits of tables, checkpoints and saved states are flipped; a reader must refuse the file or read the same.
- A training job runs on file systems of a few sizes, mounted for the purpose (root only), and must say so.

Exits with status 1 if a drill fails. docs/reliability.md holds the last table.
"""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from elasticity.core.digests import SCRIPTS, digest, file_digest, folder_digest, is_whole, seal
from elasticity.core.errors import UserError
from elasticity.core.tables import read_rows, write_table
from elasticity.data.schemas import EXAMPLES

MODEL = {
    "kind": "pretrain",
    "task": "made-up",
    "vocabulary": 320,
    "hidden_size": 32,
    "layers": 1,
    "heads": 2,
    "context": 32,
    "updates": 150,
    "checkpoints": [50],
    "optimization": {"learning_rate": 3e-3, "batch_size": 2},
}

TUNING = {"learning_rate": 1e-3, "batch_size": 4, "max_length": 24}

STUDY = {
    "name": "drill",
    "seeds": [1],
    "tasks": {
        "made-up": {
            "source": {"kind": "file", "path": "texts.jsonl"},
            "splits": {
                "prompts": 8,
                "held_out": 4,
                "score_model": 80,
                "positive": 40,
                "negative": 40,
                "pretraining": 160,
            },
            "prompts": {"kind": "beginnings", "tokenizer": "nano"},
            "score_model": {"kind": "snippet-classifier", "snippet_words": 8},
        }
    },
    "models": {"nano": MODEL | {"updates": 75}},
    "alignment": TUNING,
    "inverse": TUNING,
    "sampling": {"new_tokens": 6, "top_k": 20},
    "rebound": {
        "existence": {"task": "made-up", "bases": ["nano"], "alignment_sizes": [8, 16], "inverse_sizes": [0, 4, 8]}
    },
}
"""A study with all kinds of jobs that a rebound has, of about half a minute."""

REPRODUCIBLE = (".csv", ".parquet", ".safetensors", ".svg", ".pdf", ".png")
"""Suffixes of results that are the same whenever they are made; other files hold times."""

WORDS = [
    "the",
    "film",
    "plot",
    "cast",
    "is",
    "was",
    "never",
    "always",
    "wonderful",
    "dull",
    "moving",
    "and",
    "but",
    "so",
]

SIZES_KB = (16, 64, 128, 256, 512)
"""Sizes of the file systems that the outputs and states of a run, of about 700 kB, do not fit on."""


@dataclass(frozen=True)
class Result:
    """What came of a drill: how often it was tried, how often the outcome was right, and what was seen."""

    name: str
    tried: int
    right: int
    seen: str


class Drills:
    """A folder with texts and a tokenizer, and the training job that the drills disturb."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        lines = [" ".join(self.random.choices(WORDS, k=30)) for _ in range(400)]
        rows = [
            {"id": digest(line), "side": "positive", "prompt": "", "response": line, "source": "made up"}
            for line in lines
        ]
        self.texts = folder / "texts.parquet"
        write_table(self.texts, rows, EXAMPLES)
        tokenizer = folder / "tokenizer/tokenizer.json"
        self._run(
            "train_tokenizer.py", {"vocabulary": 320}, {"texts": self.texts, "tokenizer": tokenizer}
        ).check_returncode()

    def _run(self, script: str, job: object, paths: dict[str, Path]) -> "subprocess.CompletedProcess[str]":
        command = self._command(script, job, paths)
        return subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())

    def _command(self, script: str, job: object, paths: dict[str, Path]) -> list[str]:
        options = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
        return [sys.executable, str(SCRIPTS / script), json.dumps(job), *options]

    def _training(self, output: Path) -> list[str]:
        paths = {"texts": self.texts, "tokenizer": self.folder / "tokenizer", "checkpoints": output / "checkpoints"}
        paths |= {"losses": output / "losses.parquet", "metrics": output / "metrics.json", "state": output / "state"}
        return self._command("pretrain.py", {"model": MODEL, "checkpoints": [50, 150]}, paths)

    def train(self, output: Path) -> "subprocess.CompletedProcess[str]":
        """Run the training job undisturbed."""
        output.mkdir(exist_ok=True)
        return subprocess.run(self._training(output), capture_output=True, text=True, check=False, env=_environment())

    def start_training(self, output: Path) -> "subprocess.Popen[bytes]":
        """Start the training job, or go on with it."""
        output.mkdir(exist_ok=True)
        return _started(self._training(output), output)

    def start_study(self, folder: Path) -> "subprocess.Popen[bytes]":
        """Start the study as a user does who goes on after a kill."""
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(SCRIPTS.parents[1] / "Snakefile"),
            "--cores",
            "2",
        ]
        if folder.exists():
            subprocess.run([*command, "--unlock"], cwd=folder, check=True, capture_output=True, env=_environment())
        else:
            folder.mkdir()
            (folder / "config.yaml").write_text(json.dumps(STUDY))
            rows = [json.dumps({"text": text, "label": label}) for label in (0, 1) for text in self._reviews(label)]
            (folder / "texts.jsonl").write_text("\n".join(rows))
        return _started(command, folder)

    def _reviews(self, label: int) -> list[str]:
        """Return texts that a score model can tell from those with the other label."""
        others = (("wonderful", "moving", "always"), ("dull", "never", "but"))[label]
        words = [word for word in WORDS if word not in others]
        chosen = random.Random(label)
        return [" ".join(chosen.choices(words, k=30)) for _ in range(240)]

    def kill_some(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill the process, or with all that it started, or one of those only, after which the process itself ends."""
        snakemake = psutil.Process(process.pid)
        begun = snakemake.children(recursive=True)
        chosen = [[snakemake], [snakemake, *begun], [self.random.choice(begun or [snakemake])]]
        for each in self.random.choice(chosen):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()

    def kills(
        self,
        name: str,
        start: "Callable[[Path], subprocess.Popen[bytes]]",
        kill: "Callable[[subprocess.Popen[bytes]], None]",
        times: int,
    ) -> Result:
        """Kill what is started, at random moments, and start it again until it has ended; then begin another series.

        ``start`` begins, or goes on with, what belongs to a folder. The folder must end with the bytes of one that was
        not disturbed.
        """
        whole = self.folder / f"{name} whole"
        began = time.monotonic()
        if start(whole).wait():
            raise UserError(f"the undisturbed {name} failed:\n{(whole / 'log.txt').read_text()}")
        longest = time.monotonic() - began
        killed = series = right = 0
        while killed < times:
            output = self.folder / f"{name} {series}"
            process = start(output)
            while killed < times:
                try:
                    process.wait(self.random.uniform(0, longest))
                    break
                except subprocess.TimeoutExpired:
                    kill(process)
                    process.wait()
                    killed += 1
                    process = start(output)
            series += 1
            right += process.wait() == 0 and _content(output) == _content(whole)
        return Result(f"SIGKILL of a {name}, then on to its end", series, right, f"{killed} kills, bytes compared")

    def flips(self, name: str, files: list[Path], read: Callable[[], object], times: int) -> Result:
        """Flip single bits of files; ``read`` must raise ``UserError`` or return what it returned before."""
        wanted, refused, same = read(), 0, 0
        for _ in range(times):
            file = self.random.choice(files)
            content = bytearray(file.read_bytes())
            place = self.random.randrange(len(content))
            content[place] ^= 1 << self.random.randrange(8)
            original = file.read_bytes()
            file.write_bytes(content)
            try:
                same += read() == wanted
            except UserError:
                refused += 1
            file.write_bytes(original)
        return Result(name, times, refused + same, f"{refused} refused, {same} without effect")

    def full_disks(self) -> list[Result]:
        """Run the job where its outputs and states have no room."""
        results = []
        for size in SIZES_KB:
            output = self.folder / f"full-{size}"
            output.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(output)]
            if subprocess.run(mount, check=False, capture_output=True).returncode:
                return [Result("full disk", 0, 0, "not run: this user cannot mount file systems")]
            try:
                done = self.train(output)
                said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
                right = done.returncode == 1 and "the disk is full" in said[0] and str(output) in said[0]
            finally:
                subprocess.run(["umount", "-l", str(output)], check=True)
            seen = "named with its size" if right else said[0]
            results.append(Result(f"full disk of {size} kB", 1, int(right), seen))
        return results


def _started(command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    """Start a command in a folder, whose file log.txt holds what it says."""
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=_environment())


def _content(output: Path) -> dict[str, str]:
    """Return the digests of the results in a folder whose bytes do not depend on when they were made."""
    files = [path for path in output.rglob("*") if path.suffix in REPRODUCIBLE and "state" not in path.parts]
    return {str(path.relative_to(output)): file_digest(path) for path in files}


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "ELASTICITY_SAVE_EVERY_S": "0.5"}


def _whole(folder: Path) -> str:
    if not is_whole(folder):
        raise UserError("set aside")
    return "whole"


def main() -> None:
    """Run all drills and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--study-kills", type=int, default=10)
    parser.add_argument("--flips", type=int, default=1000, help="bits flipped in each kind of file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drills-") as name:
        drills = Drills(Path(name), options.seed)
        results = [
            drills.kills("training job", drills.start_training, subprocess.Popen.kill, options.kills),
            drills.kills("study", drills.start_study, drills.kill_some, options.study_kills),
        ]
        checkpoint = drills.folder / "training job whole/checkpoints/150"
        weights = [path for path in checkpoint.iterdir() if not path.name.startswith(".")]
        texts = drills.texts
        results.append(drills.flips("bit of a table", [texts], lambda: read_rows(texts, EXAMPLES), options.flips))
        results.append(drills.flips("bit of a checkpoint", weights, lambda: folder_digest(checkpoint), options.flips))
        state = drills.folder / "state"
        state.mkdir()
        (state / "optimizer.safetensors").write_bytes(drills.random.randbytes(20_000))
        (state / "manifest.json").write_text('{"progress": {"update": 7}}')
        seal(state)
        results.append(
            drills.flips("bit of a saved state", list(state.glob("[a-z]*")), lambda: _whole(state), options.flips)
        )
        results += drills.full_disks()
    print("| drill | tried | right | seen |\n| --- | --- | --- | --- |")
    for result in results:
        print(f"| {result.name} | {result.tried:,} | {result.right:,} | {result.seen} |")
    sys.exit(any(result.right < result.tried for result in results))


if __name__ == "__main__":
    main()
