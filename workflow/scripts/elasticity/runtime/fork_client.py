"""Run a Python script in a process that a fork server has forked, in place of ``python SCRIPT ARGUMENT ...``.

Called as ``python -I -S fork_client.py FOLDER SCRIPT ARGUMENT ...`` by the command ``python`` of
``elasticity.runtime.preloading``, where FOLDER holds the sockets of the servers. This process passes its arguments,
environment and open files to the server, forwards signals to the forked process, and ends as that process ends. If the
server does not accept the job, or there is none, this process becomes the plain command.

This file imports only modules of Python that load fast, because it runs once a job.
"""

import os
import resource
import signal
import socket
import sys

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that are forwarded to the forked process. Those that this process was started to ignore are ignored there."""

OTHER = "other.socket"
"""Name of the socket for scripts that have no socket of their own name."""


def main() -> None:
    """Run the script in a forked process; return if no server accepts it."""
    folder, script = sys.argv[1], sys.argv[2]
    connection = socket.socket(socket.AF_UNIX)
    try:
        connect(connection, folder, f"{os.path.basename(script)}.socket")
        ignored = [number for number in FORWARDED if signal.getsignal(number) is signal.SIG_IGN]
        sent = forward(connection, [number for number in FORWARDED if number not in ignored])
        send(connection, sys.argv[2:], ignored)
        accepted = connection.recv(1)
    except OSError:  # there is no server (any more), or this process has no working folder or output
        return
    if accepted:
        end(received(connection, 4))
    for number in sent:  # they came before this process could become the plain command
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def connect(connection: socket.socket, folder: str, name: str) -> None:
    """Connect to the socket ``name`` in ``folder``, or to ``OTHER``.

    The path of a socket must be shorter than 108 bytes, so it leads over a descriptor of the folder.
    """
    descriptor = os.open(folder, os.O_PATH)
    try:
        connection.connect(f"/proc/self/fd/{descriptor}/{name}")
    except FileNotFoundError:
        connection.connect(f"/proc/self/fd/{descriptor}/{OTHER}")
    os.close(descriptor)


def forward(connection: socket.socket, numbers: list[signal.Signals]) -> list[int]:
    """Send the numbers of signals that come to the server, one byte each; return the list to which they are added."""
    sent: list[int] = []

    def handle(number: int, _: object) -> None:
        sent.append(number)
        connection.send(bytes([number]))

    def stop(*_: object) -> None:
        connection.send(bytes([signal.SIGSTOP]))
        os.kill(os.getpid(), signal.SIGSTOP)
        connection.send(bytes([signal.SIGCONT]))

    for number in numbers:
        signal.signal(number, handle)
    signal.signal(signal.SIGTSTP, stop)
    return sent


def send(connection: socket.socket, command: list[str], ignored: list[signal.Signals]) -> None:
    """Send the job: its length in bytes, then texts that end with NUL bytes, with the standard streams attached.

    The texts are the parent of this process, the working folder, the umask, the ignored signals, the number of
    arguments, the arguments, and the environment.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    numbers = " ".join(str(int(number)) for number in ignored)
    head = [str(os.getppid()), os.getcwd(), str(umask), numbers, str(len(command)), *command]
    environment = [b"%s=%s" % pair for pair in os.environb.items()]
    text = b"\0".join([*map(os.fsencode, head), *environment])
    length = socket.send_fds(connection, [len(text).to_bytes(4, "little")], [0, 1, 2])
    if length != 4:
        raise OSError("the server took only a part of the length")
    connection.sendall(text)


def received(connection: socket.socket, size: int) -> bytes:
    """Receive this many bytes; fewer if the server ends."""
    text = b""
    while len(text) < size and (part := connection.recv(size - len(text))):
        text += part
    return text


def end(status: bytes) -> None:
    """End this process with a status as ``waitpid`` returns it: the exit code, or death by the same signal."""
    if len(status) < 4:
        os.write(2, b"error: the process that this job was forked from was killed, and the job with it: run it again\n")
        os._exit(1)
    found = int.from_bytes(status, "little")
    if os.WIFSIGNALED(found):
        number = os.WTERMSIG(found)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the forked process has dumped its memory already
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(found))


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[2].endswith(".py") and os.path.isfile(sys.argv[2]):
        main()
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
