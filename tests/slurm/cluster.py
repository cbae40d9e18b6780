"""A SLURM cluster for the tests: munge, a controller and two nodes with fake GPUs, on the loopback of this machine.

All of its files are in one temporary folder, which is on the path of each of its processes.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from tests.slurm.configuration import NODES, USER, configuration

PACKAGES = {"sbatch": "slurm-wlm", "slurmctld": "slurm-wlm", "munged": "munge"}
ACCOUNTING_PACKAGES = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}
"""The Debian packages that contain the programs."""

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr", "sshare")
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin", "/sbin"])
PATIENCE_S = 120
"""Time limit, in seconds, of steps that take a few seconds on an idle machine."""


def missing(packages: dict[str, str]) -> list[str]:
    """Return the Debian packages that must be installed for these programs."""
    return sorted({package for program, package in packages.items() if shutil.which(program, path=PATH) is None})


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once the condition holds. Raises ``TimeoutError`` after ``PATIENCE_S``."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE_S} s until {what}")
        time.sleep(0.1)


@dataclass(frozen=True)
class Job:
    """A job as ``squeue`` reports it. Snakemake writes the rule or the group into the comment."""

    id: int
    state: str
    node: str
    folder: Path
    comment: str


class Cluster:
    """A cluster, as a context manager that starts it, and in the end removes its jobs, processes and files."""

    def __init__(self, accounting: bool = False) -> None:
        self.accounting = accounting
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        # Not pytest's folder: the path of a socket holds 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        try:
            self._write_files()
            self._start_munge()
            if self.accounting:
                self._start_accounting()
            self.start_controller()
            for node in NODES:
                self._start(f"slurmd-{node}", "slurmd", "-D", "-N", node)
            wait_until(lambda: self.nodes() == dict.fromkeys(NODES, "idle"), "both nodes are idle")
        except BaseException as error:
            error.add_note(self._logs())
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all jobs, then the daemons, nodes first, then all other processes of this cluster."""
        if "slurmctld" in self.daemons:
            with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
                self.cancel_all()
        for name in reversed(list(self.daemons)):
            self._stop(name)
        left = [process for process in psutil.process_iter() if self._is_mine(process)]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=PATIENCE_S)
        shutil.rmtree(self.folder)

    def environment(self) -> dict[str, str]:
        """Return the environment of a subprocess that uses this cluster.

        It does not contain ``SLURM_CONF``, which the jobs of Snakemake drop: the commands on the path set it.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return kept | {"PATH": f"{self.folder}/bin{os.pathsep}{PATH}"}

    def command(self, *words: str) -> str:
        """Run a command of SLURM and return what it printed."""
        run = subprocess.run(words, env=self.environment(), check=True, capture_output=True, text=True, timeout=60)
        return run.stdout

    def jobs(self, *states: str) -> list[Job]:
        """Return all submitted jobs, or those in the given states (``RUNNING``, ...), oldest first."""
        table = self.command("squeue", "--states=all", "--noheader", "--sort=i", "--format=%i|%T|%N|%Z|%k")
        rows = [line.split("|", 4) for line in table.splitlines()]
        jobs = [Job(int(number), state, node, Path(folder), comment) for number, state, node, folder, comment in rows]
        return [job for job in jobs if not states or job.state in states]

    def active(self) -> list[Job]:
        """Return the jobs that wait, run or are being ended."""
        return self.jobs("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED")

    def cancel_all(self) -> None:
        """Cancel all jobs and wait until they are gone."""
        self.command("scancel", f"--user={USER}")
        wait_until(lambda: not self.active(), "no job is left")

    def nodes(self) -> dict[str, str]:
        """Return the state of each node; nothing while the controller does not answer."""
        try:
            rows = self.command("sinfo", "--Node", "--noheader", "--format=%N %T").splitlines()
        except subprocess.CalledProcessError:
            return {}
        return dict(row.split() for row in rows)

    def set_down(self, node: str) -> None:
        """Declare a node down: SLURM kills its jobs, and requeues those that may be requeued."""
        self.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")

    def resume(self, node: str) -> None:
        """Return a node that is down to service."""
        self.command("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def stop_controller(self) -> None:
        """Stop the controller; running jobs continue."""
        self._stop("slurmctld")

    def start_controller(self) -> None:
        """Start the controller, with the jobs that it knew when it was stopped."""
        self._start("slurmctld", "slurmctld", "-D")
        wait_until(lambda: self.nodes() or self._exited("slurmctld"), "the controller answers")

    def _write_files(self) -> None:
        for name, text in configuration(self.folder, self.accounting).items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)  # slurmdbd demands it
        for name in ("state", "bin", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        for name in COMMANDS:
            wrapper = self.folder / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which(name)} "$@"\n')
            wrapper.chmod(0o755)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        options = {"key-file": key, "socket": self.folder / "munge.socket", "pid-file": self.folder / "munged.pid"}
        options |= {"log-file": self.folder / "munged.log", "seed-file": self.folder / "munged.seed"}
        self._start("munged", "munged", "--foreground", "--force", *(f"--{k}={v}" for k, v in options.items()))
        wait_until(lambda: (self.folder / "munge.socket").exists() or self._exited("munged"), "munge listens")

    def _start_accounting(self) -> None:
        data, database = f"--datadir={self.folder}/database", self.folder / "database.socket"
        user = f"--user={USER}"
        subprocess.run(["mariadb-install-db", "--no-defaults", data, user], check=True, capture_output=True)
        options = ["--skip-networking", "--skip-grant-tables", f"--socket={database}"]
        self._start("mariadbd", "mariadbd", "--no-defaults", data, user, *options)
        wait_until(lambda: database.exists() or self._exited("mariadbd"), "the database listens")
        self._start("slurmdbd", "slurmdbd", "-D")
        wait_until(self._registered, "the accounting answers")

    def _registered(self) -> bool:
        try:
            self.command("sacctmgr", "--immediate", "add", "cluster", "throwaway")
        except subprocess.CalledProcessError:  # It does not answer yet.
            return self._exited("slurmdbd")
        return True

    def _start(self, name: str, program: str, *arguments: str) -> None:
        """Start a daemon in the foreground, as a child process that ends with the tests even if they are killed."""
        path = shutil.which(program, path=PATH)
        assert path is not None
        environment = self.environment() | {"SLURM_CONF": f"{self.folder}/slurm.conf"}
        environment["MYSQL_UNIX_PORT"] = f"{self.folder}/database.socket"
        with (self.folder / f"{name}.out").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", path, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C must reach pytest only, which then stops the daemons in order.
            )

    def _stop(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(timeout=30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _exited(self, name: str) -> bool:
        """Return False while a daemon runs. Raises ``RuntimeError`` if it has ended."""
        status = self.daemons[name].poll()
        if status is not None:
            raise RuntimeError(f"{name} ended with status {status}")
        return False

    def _is_mine(self, process: psutil.Process) -> bool:
        """Return whether a process belongs to this cluster.

        Its path contains the folder. The environment of a job step is hidden, but it has a socket in the folder.
        """
        try:
            if process.name() == "slurmstepd":
                return any(str(link.laddr).startswith(str(self.folder)) for link in process.net_connections("unix"))
            return str(self.folder) in process.environ().get("PATH", "")
        except psutil.Error:
            return False

    def _logs(self) -> str:
        """Return the end of the output of each daemon."""
        logs = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
        return "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}" for path in logs)
