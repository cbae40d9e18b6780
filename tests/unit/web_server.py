"""A local web server in place of the hub or of another site."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.unit.hub_cache import COMMIT

Answer = Callable[[str], tuple[int, dict[str, str], bytes]]
"""The status, headers and body that a server sends for a path."""


@dataclass(frozen=True)
class Server:
    """The address of a running server, and the authorizations of the requests that it has received."""

    address: str
    authorizations: list[str | None] = field(default_factory=list)


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    """Run a server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.authorizations.append(self.headers["Authorization"])
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running = Server(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        server.shutdown()


def repository(files: Mapping[str, bytes]) -> Answer:
    """A hub with the data set org/data at ``COMMIT``, whose files these are."""
    digests = {name: hashlib.sha1(body).hexdigest() for name, body in files.items()}

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        path = path.partition("?")[0]
        name = path.removeprefix(f"/datasets/org/data/resolve/{COMMIT}/")
        if path == f"/api/datasets/org/data/tree/{COMMIT}":
            rows = [{"type": "file", "path": it, "size": len(files[it]), "oid": digests[it]} for it in files]
            return 200, {"Content-Type": "application/json"}, json.dumps(rows).encode()
        if name in files:
            return 200, {"ETag": f'"{digests[name]}"', "X-Repo-Commit": COMMIT}, files[name]
        return 404, {"Content-Type": "application/json"}, b""

    return answer
