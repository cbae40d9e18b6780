"""Local jobs start from a process that has already imported third-party packages.

Importing torch, transformers and pandas takes seconds of processor time, more than most jobs compute. During a local
run of Snakemake, servers (``fork_server``) hold these packages and fork a process for each job. A command ``python``
that precedes the interpreter in PATH asks them (``fork_client``), so the commands of rules are the same with and
without servers, and the environments of conda, whose PATH precedes it, are not affected.
"""

import atexit
import functools
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SWITCH = "ELASTICITY_PRELOAD"
"""The environment variable that is 0 if jobs should start as plain commands."""

SHARED = "ELASTICITY_FORK_SERVERS"
"""The environment variable with the folder of servers that several runs share: see ``shared_servers``."""

TABLES = ("numpy", "pandas", "pyarrow.dataset", "pyarrow.pandas_compat", "pyarrow.parquet", "pydantic")

FIGURES = (
    *TABLES,
    *("scipy.stats", "statsmodels.api", "matplotlib.pyplot", "seaborn"),
    *(f"matplotlib.backends.backend_{kind}" for kind in ("agg", "pdf", "svg")),
)

MODELS = (
    *TABLES,
    *("torch", "safetensors.torch", "accelerate", "deepspeed"),
    *(f"transformers.models.auto.{name}" for name in ("modeling_auto", "tokenization_auto")),
    "transformers.models.llama.modeling_llama",
    *(f"sklearn.{name}" for name in ("feature_extraction.text", "linear_model", "metrics")),
)

PACKAGES = (
    dict.fromkeys(("figure.py", "table.py", "card.py"), FIGURES)
    | dict.fromkeys(
        ("launch.py", "import_model.py", "train_tokenizer.py", "make_prompts.py", "train_score_model.py"), MODELS
    )
    | {"other": TABLES}
)
"""The modules that are imported before a script runs. Scripts with the same modules share a server."""

THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
"""Libraries whose threads Snakemake sets for each job, by the variable ``..._NUM_THREADS``."""


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether jobs of this machine should be forked: on Linux, unless the user has set the switch to 0."""
    return sys.platform == "linux" and environment.get(SWITCH, "1") != "0"


@dataclass(frozen=True)
class Usage:
    """What a job has used: the memory of its largest process in MB, seconds of processor time, MB read and written."""

    memory_mb: float
    cpu_s: float
    read_mb: float
    written_mb: float


class ForkServers:
    """The fork servers of a run, and the command ``python`` that uses them.

    The servers are started here but import nothing until the first job comes. They end when ``stop`` is called or this
    process ends, however it ends.
    """

    program = Path(__file__).with_name("fork_server.py")
    """The script of a server."""

    def __init__(self, packages: Mapping[str, tuple[str, ...]] = PACKAGES) -> None:
        """``packages`` are the modules that each script needs; ``other`` stands for all scripts without an entry."""
        self.folder = Path(tempfile.mkdtemp(prefix="elasticity-"))
        self.environment = self._environment()
        self._write_command()
        names: dict[tuple[str, ...], list[str]] = {}
        for name, modules in packages.items():
            names.setdefault(modules, []).append(name)
        self.servers = [self._start(found, modules) for modules, found in names.items()]

    def stop(self) -> None:
        """Let the servers end as soon as the jobs that they have forked have ended."""
        for server in self.servers:
            assert server.stdin
            server.stdin.close()

    def _environment(self) -> dict[str, str]:
        """Return the environment of the servers: that of jobs with one thread, as Snakemake makes it."""
        threads = {f"{name}_NUM_THREADS": "1" for name in THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}
        return os.environ | threads | {"PATH": first_in_path(self.folder)}

    def _write_command(self) -> None:
        client = [sys.executable, "-I", "-S", str(Path(__file__).with_name("fork_client.py")), str(self.folder)]
        command = self.folder / "python"
        command.write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n')
        command.chmod(0o700)

    def _start(self, names: list[str], modules: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        """Start the server of the scripts ``names``.

        The path of a socket must be shorter than 108 bytes, so it leads over a descriptor of the folder.
        """
        first, *others = (f"{name}.socket" for name in names)
        folder = os.open(self.folder, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{folder}/{first}")
            os.close(folder)
            listener.listen(128)
            for other in others:
                (self.folder / other).symlink_to(first)
            return subprocess.Popen(
                [
                    *(sys.executable, str(self.program)),
                    *(str(listener.fileno()), str(self.folder), *modules),
                ],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C at a terminal must reach jobs through their clients only
            )


def first_in_path(folder: Path) -> str:
    """Return PATH with a folder before all others."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@contextmanager
def shared_servers() -> Iterator[None]:
    """Let the runs of Snakemake that this process starts share fork servers, so that packages are imported once.

    The environment of this process must be that of the runs (``environment.set_environment``).
    """
    if not is_wanted():
        yield
        return
    servers = ForkServers()
    os.environ[SHARED] = str(servers.folder)
    try:
        yield
    finally:
        del os.environ[SHARED]
        servers.stop()


def use_servers() -> Callable[[int, float], Usage | None]:
    """Let the jobs of this run start from fork servers, and return the function that tells what a job has used.

    They are servers that this run shares, or its own. The function (see ``usage_of``) takes a shell and the time at
    which it was started.
    """
    if shared := os.environ.get(SHARED):
        folder = Path(shared)
    else:
        servers = ForkServers()
        atexit.register(servers.stop)
        folder = servers.folder
    os.environ["PATH"] = first_in_path(folder)
    return functools.partial(usage_of, folder)


def usage_of(folder: Path, shell: int, since: float) -> Usage | None:
    """Return what the job of a shell has used, after it ended; None if none of the servers of ``folder`` forked it.

    ``shell`` is a process that was started at the time ``since``, in seconds since 1970: an earlier process may have
    had the same number.
    """
    record = folder / str(shell)
    try:
        if record.stat().st_mtime < since:
            return None
        memory_kb, cpu_s, read_blocks, written_blocks = map(float, record.read_text().split())
    except (OSError, ValueError):
        return None
    return Usage(memory_kb / 1024, cpu_s, read_blocks / 2048, written_blocks / 2048)
