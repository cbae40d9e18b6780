"""Import third-party packages once, then fork a process for each job that a ``fork_client`` asks for.

Started as ``python fork_server.py SOCKET FOLDER MODULE ...`` by ``elasticity.runtime.preloading``: SOCKET is the
descriptor of a listening socket, and standard input a pipe whose other end the run of Snakemake holds. The modules are
imported when the first job comes. No module of the project is imported here, so that a job always runs the code that
is on disk when it starts.

A forked process runs the script as ``python SCRIPT`` would. It is not forked, and the client runs the plain command
instead, if its environment differs from that of this process: packages read variables when they are imported.

The server ends with the run, also when Snakemake is killed: it then takes no more jobs, and waits for the running ones,
which go on as plain commands would.
"""

import atexit
import builtins
import contextlib
import ctypes
import gc
import importlib
import importlib.machinery
import io
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that this process ignores. They reach jobs through their clients."""

NOT_READ = frozenset(
    (
        *(b"_", b"SHLVL", b"PWD", b"OLDPWD"),  # of shells
        *(b"TMPDIR", b"TMP", b"TEMP", b"TEMPDIR"),  # of Snakemake
        *(b"SCRIPTS", b"ELASTICITY_CACHE", b"ELASTICITY_CLAIMS", b"ELASTICITY_FORK_SERVERS", b"ELASTICITY_RUN"),
    )
)
"""Environment variables that no package reads when it is imported. They may differ between this process and a job."""

HARMLESS_THREADS = {"jemalloc_bg_thd"}
"""Names of threads that may run when a process is forked. jemalloc starts its own again in the forked process."""

PATIENCE_S = 10.0
"""Seconds after which the server closes a connection on which a job was announced but not sent."""

ACCELERATOR = "DS_ACCELERATOR"
"""The environment variable with the kind of device that DeepSpeed takes when it is imported."""

PR_SET_PDEATHSIG = 1
"""Option of ``prctl`` that sets the signal that a process gets when its parent ends."""


@dataclass(frozen=True)
class Job:
    """A script to run, as its client sent it: see ``fork_client.send``."""

    parent: int
    """The process that started the client: the shell of the job."""
    command: list[str]
    folder: str
    umask: int
    ignored: frozenset[int]
    environment: dict[bytes, bytes]
    streams: list[int]


@dataclass
class Running:
    """A forked process that has not ended yet."""

    parent: int
    """The process that started the client."""
    connection: socket.socket | None
    """The connection to the client; None if the client is gone."""


class Server:
    """Takes jobs from a listening socket, and forks a process for each."""

    def __init__(self, listener: socket.socket, folder: Path, modules: list[str]) -> None:
        self.listener, self.folder, self.modules = listener, folder, modules
        self.environment = dict(os.environb)
        self.imported = False
        self.running: dict[int, Running] = {}
        self.ended, self.wakeup = socket.socketpair()
        self.selector = selectors.DefaultSelector()

    def serve(self) -> Job | None:
        """Serve until the run has ended; return the job in a forked process, and None in the server."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for end in (self.ended, self.wakeup):
            end.setblocking(False)
        signal.set_wakeup_fd(self.wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for source in (self.listener, self.ended, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)
        is_over = False
        while not is_over or self.running:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    if job := self.accept():
                        return job
                elif key.fileobj is self.ended:
                    self.reap()
                elif key.fileobj is sys.stdin:
                    is_over = True
                    self.selector.unregister(sys.stdin)
                    self.selector.unregister(self.listener)
                    self.listener.close()
                    shutil.rmtree(self.folder, ignore_errors=True)
                    break  # the listener may be among the other events
                else:
                    self.hear(key.data)
        return None

    def accept(self) -> Job | None:
        """Take a job and fork a process for it; return the job in that process, and None in the server."""
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE_S)
        job = receive(connection)
        pid = self.fork(job) if job else None
        if job and pid == 0:
            connection.close()
            return job
        for descriptor in job.streams if job else ():
            os.close(descriptor)
        if not job or pid is None:
            connection.close()
            return None
        connection.settimeout(None)
        self.running[pid] = Running(job.parent, connection)
        self.selector.register(connection, selectors.EVENT_READ, pid)
        with contextlib.suppress(OSError):  # the client is gone: its connection will say so
            connection.send(b"+")
        return None

    def fork(self, job: Job) -> int | None:
        """Fork a process for a job: returns 0 in it, its number in the server, and None if it cannot be forked."""
        if not self.fits(job):
            return None
        if not self.imported:
            load(self.modules)
            self.imported = True
        if not threads() <= HARMLESS_THREADS:
            return None
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # until the forked process has handlers
        server, pid = os.getpid(), None
        with warnings.catch_warnings(), contextlib.suppress(OSError):
            warnings.simplefilter("ignore", DeprecationWarning)  # Python warns about any other thread
            pid = os.fork()
        if pid == 0:
            self.leave(server)
            return 0
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        if pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it may be another program by now
                os.setpgid(pid, pid)
        return pid

    def fits(self, job: Job) -> bool:
        """Return whether a job's environment is that of this process."""
        names = (self.environment.keys() | job.environment.keys()) - NOT_READ
        return all(self.environment.get(name) == job.environment.get(name) for name in names)

    def leave(self, server: int) -> None:
        """Make a process that was just forked independent of the files and signals of the server."""
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() != server:
            os._exit(1)
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        self.selector.close()
        for other in self.running.values():
            if other.connection:
                other.connection.close()
        for end in (self.listener, self.ended, self.wakeup):
            end.close()

    def hear(self, pid: int) -> None:
        """Forward the signals that a client has sent to its process; kill the process if the client is gone."""
        running = self.running.get(pid)
        if not running or not running.connection:  # the process has just ended
            return
        try:
            numbers = running.connection.recv(64)
        except OSError:
            numbers = b""
        with contextlib.suppress(ProcessLookupError):
            for number in numbers:
                os.kill(pid, number)
            if not numbers:
                os.killpg(pid, signal.SIGKILL)
        if not numbers:
            self.close(running)

    def reap(self) -> None:
        """Tell the clients of processes that have ended how they ended, and record what the processes have used.

        The record of a process is a file named by the parent of its client. It holds the memory in kB and the processor
        time in seconds of the process and its descendants, and the blocks of 512 bytes that they have read and written.
        """
        with contextlib.suppress(BlockingIOError):
            self.ended.recv(4096)
        while self.running:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            running = self.running.pop(pid)
            with contextlib.suppress(OSError):  # the folder is gone when the run is over
                numbers = (used.ru_maxrss, used.ru_utime + used.ru_stime, used.ru_inblock, used.ru_oublock)
                (self.folder / str(running.parent)).write_text(" ".join(map(str, numbers)))
            if running.connection:
                with contextlib.suppress(OSError):
                    running.connection.send(status.to_bytes(4, "little"))
                self.close(running)

    def close(self, running: Running) -> None:
        """Close a connection."""
        assert running.connection
        self.selector.unregister(running.connection)
        running.connection.close()
        running.connection = None


def receive(connection: socket.socket) -> Job | None:
    """Receive a job; None if its client ends before, or sends something else."""
    streams: list[int] = []
    try:
        header, streams, _, _ = socket.recv_fds(connection, 4, 3)
        length, text = int.from_bytes(header, "little"), bytearray()
        while len(text) < length and (part := connection.recv(length - len(text))):
            text += part
        parent, folder, umask, ignored, count, *rest = bytes(text).split(b"\0")
        command, variables = rest[: int(count)], rest[int(count) :]
        return Job(
            parent=int(parent),
            command=[os.fsdecode(word) for word in command],
            folder=os.fsdecode(folder),
            umask=int(umask),
            ignored=frozenset(map(int, ignored.split())),
            environment=dict(variable.split(b"=", 1) for variable in variables),
            streams=streams,
        )
    except (OSError, ValueError):
        for descriptor in streams:
            os.close(descriptor)
        return None


def load(modules: list[str]) -> None:
    """Import modules. One that is missing is left out: the job that needs it says so."""
    given = os.environ.get(ACCELERATOR)
    os.environ[ACCELERATOR] = "cpu"  # otherwise DeepSpeed looks for a GPU, and CUDA does not survive a fork
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    del os.environ[ACCELERATOR]
    if given is not None:
        os.environ[ACCELERATOR] = given
    if "pydantic" in sys.modules:
        sys.modules["pydantic"].create_model("Empty")  # the first model looks for plug-ins of pydantic
    with contextlib.suppress(ImportError, AttributeError):
        if "transformers" in sys.modules:  # the first model that is loaded makes a table of all architectures, in 0.1 s
            table = importlib.import_module("transformers.conversion_mapping")
            table.get_checkpoint_conversion_mapping("llama")
    gc.collect()
    gc.freeze()  # a collection in a forked process would otherwise copy the memory that it shares


def threads() -> set[str]:
    """Return the names of the threads of this process but the first."""
    tasks = Path("/proc/self/task").iterdir()
    return {(task / "comm").read_text().strip() for task in tasks if int(task.name) != os.getpid()}


def run(job: Job) -> None:
    """Run a job's script in this process, which was forked for it, as ``python SCRIPT`` would.

    If this function returns or raises, the interpreter ends this process, with the exit code and messages that it has
    for a script.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if number in job.ignored else signal.SIG_DFL)
    if signal.SIGINT not in job.ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    for stream, descriptor in enumerate(job.streams):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    os.chdir(job.folder)
    os.umask(job.umask)
    for name in NOT_READ:
        if name in job.environment:
            os.environb[name] = job.environment[name]
        else:
            os.environb.pop(name, None)
    tempfile.tempdir = None
    script = job.command[0]
    sys.argv, sys.orig_argv = job.command, ["python", *job.command]
    sys.path.insert(0, os.path.dirname(os.path.realpath(script)))
    path = os.path.abspath(script)
    module = types.ModuleType("__main__")
    module.__file__, module.__loader__ = path, importlib.machinery.SourceFileLoader("__main__", path)
    module.__dict__.update(__cached__=None, __builtins__=builtins)
    sys.modules["__main__"] = module
    try:
        exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)
        end(os.EX_OK, module)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            end(error.code or os.EX_OK, module)
        raise
    except BaseException:
        hook = sys.excepthook
        sys.excepthook = lambda kind, error, trace: hook(kind, error.with_traceback(own(trace)), own(trace))
        raise


def end(status: int, module: types.ModuleType) -> None:
    """End this process, if it is only this one thread and its output can be written; otherwise return.

    This does what the interpreter does at its end, but does not take apart the modules that this process shares with
    the server: copying their memory takes longer than many a job. Objects of the script's ``module`` are freed, so that
    its files are closed.
    """
    if threading.active_count() > 1:
        return
    atexit._run_exitfuncs()
    module.__dict__.clear()
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(status & 0xFF)


def own(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this file, with which it begins."""
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def main() -> None:
    """Serve; in a forked process, run its job."""
    del sys.path[0]  # the folder of this file, which holds modules of the project
    listener, folder, *modules = sys.argv[1:]
    job = Server(socket.socket(fileno=int(listener)), Path(folder), modules).serve()
    if job:
        run(job)
    else:
        os._exit(os.EX_OK)  # nothing is left to clean up


if __name__ == "__main__":
    main()
