"""The output of ``--logger rich`` with and without a terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from patches.terminal import _duration
from tests.conftest import ROOT

SNAKEFILE = """
import sys
sys.path.insert(0, {patches!r})
from patches import terminal
terminal.apply(workflow)
onerror:
    sys.stderr.write("what failed\\n")
rule all:
    input: expand("out/{{size}}.txt", size=[1, 2, 3]), config.get("more", [])
rule some_rule:
    output: "out/{{size,[0-9]+}}.txt"
    log: "logs/{{size}}.log"
    shell: "echo text > {{log}}; touch {{output}}; sleep 0.2"
rule broken:
    output: "out/broken.txt"
    log: "logs/broken.log"
    shell: "echo a long log > {{log}}; exit 3"
"""


def command(folder: Path, *more: str) -> list[str]:
    (folder / "Snakefile").write_text(SNAKEFILE.format(patches=str(ROOT / "workflow")))
    return [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "rich", *more]


def without_terminal(folder: Path, *more: str) -> str:
    done = subprocess.run(
        command(folder, *more), cwd=folder, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert (done.returncode == 0) == ("what failed" not in done.stderr)
    return done.stderr


def test_each_job_prints_one_line_without_a_terminal(tmp_path: Path) -> None:
    lines = without_terminal(tmp_path).splitlines()
    done = [re.sub(r"\d+ s$", "0 s", line) for line in lines if " done: " in line]
    assert sorted(line.split(": ")[1] for line in done) == [
        "all, 0 s",
        *(f"some_rule size={n}, 0 s" for n in (1, 2, 3)),
    ]
    assert [line.split(" done")[0] for line in done] == ["1 of 4", "2 of 4", "3 of 4", "4 of 4"]
    (log,) = [line for line in lines if line.startswith("Complete Log: ")]
    assert Path(log.removeprefix("Complete Log: ")).exists()


def test_a_failed_rule_is_printed_and_reported_by_the_snakefile(tmp_path: Path) -> None:
    printed = without_terminal(tmp_path, "--config", "more=out/broken.txt")
    assert "failed: broken\n" in printed
    assert "returned non-zero exit status 3" in printed
    assert "what failed" in printed
    assert "\na long log" not in printed


def test_a_terminal_shows_running_rules_and_the_remaining_time(tmp_path: Path) -> None:
    words, shown = command(tmp_path), b""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.execve(words[0], words, os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "24"})
    try:
        while data := os.read(terminal, 65536):
            shown += data
    except OSError:  # raised at the end of the output of a terminal
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"1 Total Progress .* 50% .* s left", text)
    assert re.search(r"1 some rule ", text)
    assert " done: " not in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (61, "1 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert _duration(seconds) == text
