"""The report at the end of runs of Snakemake whose jobs fail in different ways."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elasticity.pipeline.running.failures import UNKNOWN
from tests.conftest import ROOT

SNAKEFILE = """
import sys
sys.path[:0] = [{scripts!r}, {patches!r}]
from elasticity.pipeline.running import failures
from patches import slurm, words
slurm.apply()
attempts = words.apply()
onerror:
    sys.stderr.write("REPORT" + failures.report(workflow.scheduler.failed, workflow.dag_settings.targets, attempts))
rule broken:
    output: "out/broken.txt"
    log: "logs/broken.log"
    params: config["end"]
    group: "grouped"
    shell: "{{params[0]}}"
"""


REFUSING = """#!/bin/sh
echo 'sbatch: error: Batch job submission failed: Invalid partition name specified' >&2
exit 1
"""

AWAY = """#!/bin/sh
echo 'error: Unable to contact slurm controller (connect failure)' >&2
exit 1
"""


def report(folder: Path, end: str, *arguments: str, path: str = "") -> str:
    """Return the report on a run whose only job is this shell command."""
    sources = {"scripts": str(ROOT / "workflow/scripts"), "patches": str(ROOT / "workflow")}
    (folder / "Snakefile").write_text(SNAKEFILE.format(**sources))
    (folder / "config.json").write_text("{}")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, "--config", f"end={end}"]
    environment = os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}" if path else os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1, done.stderr
    _, found, text = done.stderr.partition("REPORT")
    assert found, done.stderr
    return text.partition("  run only this again")[0]


def test_the_log_of_an_earlier_run_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/broken.log").write_text("all went well\n")
    assert report(tmp_path, "exit 3") == f"\nbroken failed: out/broken.txt\n  {UNKNOWN}\n"
    assert "  | new words\n" in report(tmp_path, "echo new words > logs/broken.log; exit 3")


def test_the_signal_that_killed_a_job_is_named(tmp_path: Path) -> None:
    assert "\n  killed by SIGKILL; by whom is unknown\n" in report(tmp_path, "kill -9 $$")


def test_a_job_that_makes_nothing_is_reported_in_the_words_of_snakemake(tmp_path: Path) -> None:
    text = report(tmp_path, "true", "--latency-wait", "0")
    assert "MissingOutputException" in text
    assert "out/broken.txt" in text
    assert UNKNOWN not in text


def submitted(folder: Path, **programs: str) -> str:
    """Return the report on a group of one job under SLURM, whose programs are these scripts, or do nothing."""
    place = folder / "programs"
    place.mkdir()
    for name in ("sbatch", "sinfo", "squeue", "scontrol", "scancel", "sacct", "sacctmgr", "sshare"):
        (place / name).write_text(programs.get(name, "#!/bin/sh\n"))
        (place / name).chmod(0o755)
    resources = ("slurm_account=mine", "slurm_partition=p", "mem_mb=100", "runtime=1")
    options = ("--executor", "slurm", "--jobs", "1", "--slurm-init-seconds-before-status-checks", "1")
    return report(folder, "true", *options, "--default-resources", *resources, path=str(place))


def test_the_words_of_sbatch_are_passed_on_for_a_group(tmp_path: Path) -> None:
    text = submitted(tmp_path, sbatch=REFUSING, sshare="#!/bin/sh\necho mine\n", sacctmgr="#!/bin/sh\necho mine\n")
    assert "\n  SLURM sbatch failed. The error message was 'sbatch: error: Batch job submission failed: Invalid" in text
    assert "#!/bin/sh" not in text


def test_a_group_that_cannot_be_submitted_does_not_keep_the_run_waiting(tmp_path: Path) -> None:
    text = submitted(tmp_path, sshare=AWAY, sacctmgr=AWAY)
    assert "\n  The job could not be submitted: " in text
    assert "Unable to contact slurm controller" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_full_is_named_where_the_job_could_not_say_so(tmp_path: Path) -> None:
    mounted = tmp_path / "out"
    mounted.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], check=False).returncode:
        pytest.skip("this machine lets root mount nothing")
    (mounted / "kept").touch()  # Snakemake removes empty folders
    try:
        text = report(tmp_path, "head -c 2000000 /dev/zero > out/broken.txt")
    finally:
        subprocess.run(["umount", "-l", mounted], check=True)
    assert f"  the disk is full: out is on {mounted}, which has " in text
    assert " of 1.05 MB left. Make room there" in text
