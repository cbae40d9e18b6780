"""A job that a fork server forks behaves as the plain command, and outlives or follows the right processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from elasticity.runtime.preloading import (
    FIGURES,
    MODELS,
    SHARED,
    SWITCH,
    THREADS,
    ForkServers,
    is_wanted,
    shared_servers,
    usage_of,
)
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="servers fork on Linux only")

MARKER = "colorsys"
"""A module that servers import in these tests, and that no job imports."""

IS_FORKED = f"import sys; print({MARKER!r} in sys.modules)\n"


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServers]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    servers = ForkServers({"other": (MARKER,)})
    yield servers
    servers.stop()
    for server in servers.servers:
        server.wait()
    assert not servers.folder.exists()


class Script:
    """A script in a folder, run by a server or plainly."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder
        (folder / "script.py").write_text(code)

    def start(self, environment: dict[str, str], *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        # In the background of a shell, where these tests may run, child processes would ignore SIGINT.
        command = ["env", "--default-signal=INT,QUIT,HUP", "python", "script.py", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=environment, **options)

    def run(self, environment: dict[str, str], *arguments: str, **options: Any) -> tuple[int, str, str]:
        process = self.start(environment, *arguments, **options)
        output, errors = process.communicate()
        return process.returncode, output, errors


def plain(servers: ForkServers) -> dict[str, str]:
    """The environment in which ``python`` is the interpreter."""
    return servers.environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; the time limit of the test run is the only one."""
    while not condition():
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


BEHAVIOURS = {
    "interpreter": "import sys; print(sys.argv, sys.orig_argv, sys.executable, sys.path, sys.flags)",
    "main module": "import __main__; print(__name__, __file__, __spec__, __package__, __main__.__file__, __doc__)",
    "function of main": "x = 1\ndef f(): return x, __name__\nprint(f())",
    "folder, umask, environment": (
        "import os; print(os.getcwd(), os.umask(0), sorted(i for i in os.environ.items() if i[0] != 'PATH'))"
    ),
    "files and threads": "import os, threading; print(sorted(os.listdir('/proc/self/fd')), threading.active_count())",
    "signals": "import signal; print([(int(n), signal.getsignal(n)) for n in signal.valid_signals()])",
    "mask": "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    "both outputs": "import sys; print('out'); print('error', file=sys.stderr)",
    "output without a newline": "print('x', end='')",
    "input": "print(input())",
    "status": "raise SystemExit(3)",
    "status above 255": "raise SystemExit(258)",
    "negative status": "raise SystemExit(-1)",
    "no status": "import sys; sys.exit()",
    "status true": "import sys; sys.exit(True)",
    "message": "raise SystemExit('a message')",
    "end without cleaning up": "import os; print('lost'); os._exit(5)",
    "exception": "def f():\n    return 1 / 0\nf()",
    "exceptions": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('x') from error",
    "syntax error": "x = = 1",
    "own excepthook": "import sys\nsys.excepthook = lambda *a: print(a[0], a[2].tb_lineno, a[2].tb_next)\n1 / 0",
    "interruption": "raise KeyboardInterrupt",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "aborted": "import os; os.abort()",
    "exit handler": "import atexit; atexit.register(print, 'bye'); print('hello')",
    "exit handler after an exception": "import atexit; atexit.register(print, 'bye'); 1 / 0",
    "file left open": "file = open('left', 'w'); file.write('text')",
    "threads": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    "pool": "from concurrent.futures import ThreadPoolExecutor as P\np = P(1); print(p.submit(int, '7').result())",
    "output that cannot be written": "import sys; sys.stdout = open('/dev/full', 'w'); print('x')",
    "child process": "import subprocess; print(subprocess.run(['sh', '-c', 'echo $0 $#; exit 4'], text=True))",
    "spawned process": (
        "import multiprocessing as m\ndef f(): print('in', __name__, flush=True)\n"
        "if __name__ == '__main__':\n    p = m.get_context('spawn').Process(target=f); p.start(); p.join()"
    ),
    "module beside the script": "import beside; print(beside.__file__)",
}


@pytest.mark.parametrize("code", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_forked_job_behaves_as_the_plain_command(code: str, servers: ForkServers, tmp_path: Path) -> None:
    (tmp_path / "beside.py").touch()
    (tmp_path / "script.py").write_text(code)
    (tmp_path / "input").write_text("given\n")
    left = tmp_path / "left"
    command = "umask 027; exec python script.py one 'two words' < input"
    ended = []
    for environment in (servers.environment, plain(servers)):
        left.unlink(missing_ok=True)
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        ended.append((done.returncode, done.stdout, done.stderr, left.exists() and left.read_text()))
    assert ended[0] == ended[1]


def test_a_job_is_forked_from_imported_packages_but_not_from_modules_of_the_project(
    servers: ForkServers, tmp_path: Path
) -> None:
    code = "print([name for name in sys.modules if name.startswith(('elasticity', 'fork'))])"
    assert Script(tmp_path, IS_FORKED + code).run(servers.environment) == (0, "True\n[]\n", "")
    assert Script(tmp_path, IS_FORKED + code).run(plain(servers)) == (0, "False\n[]\n", "")


def test_an_edited_module_is_never_stale(servers: ForkServers, tmp_path: Path) -> None:
    script = Script(tmp_path, IS_FORKED + "import helper; print(helper.VALUE)")
    for value in ("old", "new1", "new2"):  # the last two differ neither in size nor, perhaps, in their second
        (tmp_path / "helper.py").write_text(f"VALUE = {value!r}")
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        assert script.run(servers.environment) == (0, f"True\n{value}\n", "")


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NEW"])
def test_a_job_with_another_environment_is_not_forked(name: str, servers: ForkServers, tmp_path: Path) -> None:
    script = Script(tmp_path, IS_FORKED + f"import os; print(os.environ[{name!r}])")
    assert script.run(servers.environment | {name: "7"}) == (0, "False\n7\n", "")


def test_a_job_has_its_own_folder_for_temporary_files(servers: ForkServers, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    script = Script(tmp_path, IS_FORKED + "import tempfile; print(tempfile.gettempdir())")
    wanted = str(tmp_path / "other")
    assert script.run(servers.environment | {"TMPDIR": wanted, "SHLVL": "9"}) == (0, f"True\n{wanted}\n", "")


@pytest.mark.parametrize("arguments", [["-c", "print(7)"], ["-m", "this"], ["missing.py"]], ids=" ".join)
def test_other_commands_are_those_of_the_interpreter(arguments: list[str], servers: ForkServers) -> None:
    done = [
        subprocess.run([command, *arguments], env=servers.environment, capture_output=True, check=False)
        for command in (servers.folder / "python", sys.executable)
    ]
    assert (done[0].returncode, done[0].stdout, done[0].stderr) == (done[1].returncode, done[1].stdout, done[1].stderr)


HANDLES = IS_FORKED + (
    "import signal, time\n"
    "seen = []\n"
    "def handle(number, _):\n"
    "    seen.append(number)\n"
    "    print(signal.Signals(number).name, flush=True)\n"
    "for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT): signal.signal(number, handle)\n"
    "print('ready', flush=True)\n"
    "while len(seen) < 3: time.sleep(0.01)\n"
)


def test_signals_are_forwarded(servers: ForkServers, tmp_path: Path) -> None:
    client = Script(tmp_path, HANDLES).start(servers.environment)
    assert client.stdout
    assert [client.stdout.readline(), client.stdout.readline()] == ["True\n", "ready\n"]
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        client.send_signal(number)
        assert client.stdout.readline() == f"{number.name}\n"
    assert client.wait() == 0


def test_a_signal_that_the_command_ignores_is_ignored(servers: ForkServers, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(IS_FORKED + "import signal; print(signal.getsignal(signal.SIGHUP).name)")
    command = ["sh", "-c", "trap '' HUP; exec python script.py"]
    assert subprocess.check_output(command, cwd=tmp_path, env=servers.environment, text=True) == "True\nSIG_IGN\n"


SLEEPS = IS_FORKED + "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"


def sleeping(servers: ForkServers, folder: Path) -> tuple["subprocess.Popen[str]", int]:
    """Start a job that sleeps; return its client and the forked process."""
    client = Script(folder, SLEEPS).start(servers.environment)
    assert client.stdout
    assert client.stdout.readline() == "True\n"
    return client, int(client.stdout.readline())


def test_a_job_stops_and_continues_with_its_client(servers: ForkServers, tmp_path: Path) -> None:
    client, pid = sleeping(servers, tmp_path)

    def state() -> str:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

    client.send_signal(signal.SIGTSTP)
    eventually(lambda: state() == "T")
    client.send_signal(signal.SIGCONT)
    eventually(lambda: state() == "S")
    client.terminate()
    assert client.wait() == -signal.SIGTERM


def test_a_killed_job_ends_neither_the_server_nor_other_jobs(servers: ForkServers, tmp_path: Path) -> None:
    client, pid = sleeping(servers, tmp_path)
    other, _ = sleeping(servers, tmp_path)
    os.kill(pid, signal.SIGKILL)
    assert client.wait() == -signal.SIGKILL
    assert other.poll() is None
    other.terminate()
    assert other.wait() == -signal.SIGTERM
    assert Script(tmp_path, IS_FORKED).run(servers.environment) == (0, "True\n", "")


def test_a_job_ends_with_its_client(servers: ForkServers, tmp_path: Path) -> None:
    client, pid = sleeping(servers, tmp_path)
    client.kill()
    eventually(lambda: not is_alive(pid))
    assert Script(tmp_path, IS_FORKED).run(servers.environment) == (0, "True\n", "")


def test_without_a_server_a_job_is_a_plain_command(servers: ForkServers, tmp_path: Path) -> None:
    client, pid = sleeping(servers, tmp_path)
    for server in servers.servers:
        server.kill()
    eventually(lambda: not is_alive(pid))
    assert client.wait() == 1
    assert client.stderr
    assert "was killed, and the job with it: run it again" in client.stderr.read()
    assert Script(tmp_path, IS_FORKED).run(servers.environment) == (0, "False\n", "")
    shutil.rmtree(servers.folder)
    assert Script(tmp_path, IS_FORKED).run(servers.environment) == (0, "False\n", "")


RUN = f"""
import subprocess, sys
sys.path.insert(0, {str(ROOT / "workflow/scripts")!r})
from elasticity.runtime.preloading import ForkServers
servers = ForkServers({{"other": ({MARKER!r},)}})
job = subprocess.Popen(["python", "script.py"], env=servers.environment)
print(servers.servers[0].pid, servers.folder, job.pid, flush=True)
job.wait()
"""


def test_servers_end_with_a_killed_run_after_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job goes on when Snakemake is killed, as a plain command does."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    waits = (
        "import pathlib, time\nprint('ready', flush=True)\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n"
    )
    (tmp_path / "script.py").write_text(IS_FORKED + waits + "pathlib.Path('went').touch()")
    run = subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert run.stdout
    server, folder, client = run.stdout.readline().split()
    assert [run.stdout.readline(), run.stdout.readline()] == ["True\n", "ready\n"]
    run.kill()
    eventually(lambda: not Path(folder).exists())
    assert is_alive(int(server))
    assert is_alive(int(client))
    (tmp_path / "go").touch()
    eventually((tmp_path / "went").exists)
    eventually(lambda: not is_alive(int(server)) and not is_alive(int(client)))


def test_scripts_have_the_server_of_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    servers = ForkServers(
        {"one.py": ("colorsys", "no_such_module"), "two.py": ("sndhdr",), "other": ("colorsys", "no_such_module")}
    )
    found = {}
    for name in ("one.py", "two.py", "three.py"):
        (tmp_path / name).write_text("import os, sys; print(os.getppid(), *{'colorsys', 'sndhdr'} & set(sys.modules))")
        output = subprocess.check_output(["python", name], cwd=tmp_path, env=servers.environment, text=True)
        found[name] = output.split()
    servers.stop()
    first, second = (str(server.pid) for server in servers.servers)
    assert found == {"one.py": [first, "colorsys"], "two.py": [second, "sndhdr"], "three.py": [first, "colorsys"]}


def test_runs_share_servers_until_the_program_that_started_them_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run is a process that calls ``use_servers``, and its jobs have the same parent."""
    run = (
        "import os, subprocess; from elasticity.runtime.preloading import use_servers; use_servers();"
        "subprocess.run(['python', 'script.py'], check=True)"
    )
    Script(tmp_path, "import os, sys; print(os.getppid(), 'pandas' in sys.modules)")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow/scripts"))
    for name in (*THREADS, "VECLIB"):
        monkeypatch.setenv(f"{name}_NUM_THREADS" if name in THREADS else "VECLIB_MAXIMUM_THREADS", "1")
    found = []
    with shared_servers():
        folder = Path(os.environ[SHARED])
        for _ in range(2):
            # Not the environment of this process: pytest's readline has added to it what os.environ does not know.
            command, environment = [sys.executable, "-c", run], dict(os.environ)
            found.append(subprocess.check_output(command, cwd=tmp_path, env=environment, text=True).split())
    assert found[0] == found[1] == [found[0][0], "True"]
    assert SHARED not in os.environ
    eventually(lambda: not folder.exists())


def test_nothing_is_forked_beside_other_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked process has the locks of all threads but only one of the threads."""
    (tmp_path / "threaded.py").write_text(
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    servers = ForkServers({"other": ("threaded", MARKER)})
    assert Script(tmp_path, IS_FORKED).run(servers.environment) == (0, "False\n", "")
    servers.stop()


@pytest.mark.parametrize("packages", [FIGURES, MODELS], ids=["figures", "models"])
def test_the_packages_start_no_threads_and_no_gpu(packages: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import importlib, sys\n"
        "sys.path.append(sys.argv.pop(1))\n"
        "from fork_server import HARMLESS_THREADS, load, threads\n"
        "load(sys.argv[1:])\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(threads() <= HARMLESS_THREADS, 'torch' in sys.modules and sys.modules['torch'].cuda.is_initialized())"
    )
    folder = ROOT / "workflow/scripts/elasticity/runtime"
    command = [sys.executable, "-c", code, str(folder), *packages]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    assert subprocess.check_output(command, cwd=tmp_path, env=environment, text=True) == "True False\n"


def test_what_a_job_has_used_is_recorded(servers: ForkServers, tmp_path: Path) -> None:
    began = time.time()
    Script(tmp_path, "text = bytearray(150_000_000); sum(range(5_000_000))").run(servers.environment)
    usage = usage_of(servers.folder, os.getpid(), began - 1)
    assert usage
    assert 143 < usage.memory_mb < 300
    assert usage.cpu_s > 0.02
    assert usage_of(servers.folder, os.getpid(), time.time() + 1) is None  # an earlier process with the same number
    assert usage_of(servers.folder, 1, 0) is None


@pytest.mark.parametrize(("environment", "wanted"), [({}, True), ({SWITCH: "1"}, True), ({SWITCH: "0"}, False)])
def test_the_switch(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) == wanted
