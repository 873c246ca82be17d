"""A real S3 server that tests start: moto's, a process of its own with packages of its own.

Its packages hold back others that stand (python-dateutil below 3), so they lie in a virtual
environment beside; ``make`` makes it.  A :class:`Relay` before it counts, and fails when told.
"""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

_BIN = "Scripts" if sys.platform == "win32" else "bin"
PYTHON = Path(__file__).parents[1] / ".venv" / "s3-server" / _BIN / "python"
SECRET = "hush+hush/hush"


def environment(endpoint: str) -> dict[str, str]:
    """Return what a program is told of a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
    }


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server, yield its endpoint, and stop it in the end."""
    if not PYTHON.exists():
        pytest.skip("there is no S3 server to test with; make .venv/.s3-server installs it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        assert process.poll() is None, "the S3 server ended at once"
        time.sleep(0.05)
    raise AssertionError("the S3 server does not answer")


def make_bucket(endpoint: str, name: str) -> str:
    """Make a bucket, and return its address."""
    asked = urllib.request.Request(f"{endpoint}/{name}", method="PUT")
    urllib.request.urlopen(asked).close()
    return f"s3://{name}"


class BusyServer(ThreadingHTTPServer):
    """Lets many clients wait for their turn, instead of making them call again."""

    request_queue_size = 256


@dataclass
class Request:
    """What was asked of the server."""

    method: str
    path: str
    sent: int = 0


@dataclass
class Relay:
    """Hands requests on to a server, and counts them; some it answers itself."""

    endpoint: str
    asked: list[Request] = field(default_factory=list)
    fails: Callable[[Request, int], int | None] | None = None
    """Takes a request and its number; returns a status, 0 to break the connection off, or None."""
    url: str = ""

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        relay = self
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path)
                with lock:
                    relay.asked.append(request)
                    number = len(relay.asked)
                status = relay.fails(request, number) if relay.fails is not None else None
                if status is None:
                    self._hand_on(body, request)
                elif status:
                    self._answer(status, {}, b"<Error><Code>Injected</Code></Error>")
                else:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)

            def _hand_on(self, body: bytes, request: Request) -> None:
                to = http.client.HTTPConnection(urlsplit(relay.endpoint).netloc, timeout=60)
                to.request(self.command, self.path, body, dict(self.headers))
                got = to.getresponse()
                content = got.read()
                request.sent = len(content)
                self._answer(got.status, dict(got.getheaders()), content)
                to.close()

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                skipped = {"transfer-encoding", "connection", "date", "server", "content-length"}
                for name, value in headers.items():
                    if name.lower() not in skipped:
                        self.send_header(name, value)
                length = headers.get("Content-Length", str(len(content)))
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _reply  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = BusyServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
