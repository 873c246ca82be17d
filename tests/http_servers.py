"""HTTP servers that a test starts: of files, and of what huggingface_hub asks a hub for."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@dataclass
class Answer:
    """What a server gives for a path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    truncated: bool = False
    """Whether the connection ends before the body does."""
    unsized: bool = False
    """Whether the length is not told."""


class _BusyServer(ThreadingHTTPServer):
    request_queue_size = 256


class Server:
    """Answers by path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, Answer] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.sent = 0
        self.sends_parts = True
        self._server: ThreadingHTTPServer | None = None

    def fetched(self, path: str) -> int:
        """Return how often the content of a path was sent."""
        return self.asked.count(("GET", path))

    def put(self, path: str, body: bytes, **headers: str) -> None:
        """Serve a file as servers do, with a tag of its content."""
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        self.files[path] = Answer(body, headers={"ETag": tag, **headers})

    def answer(self, path: str) -> Answer:
        return self.files.get(path, Answer(status=404))

    def start(self) -> None:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(with_body=True)

            def do_HEAD(self) -> None:
                self._reply(with_body=False)

            def _reply(self, *, with_body: bool) -> None:
                owner.asked.append((self.command, self.path))
                owner.headers.append(dict(self.headers))
                answer = owner.answer(self.path)
                asked = self.headers.get("Range", "") if owner.sends_parts else ""
                body, place = cut(answer.body, asked if answer.status == 200 else "")
                self.send_response(206 if place else answer.status)
                if place:
                    self.send_header("Content-Range", place)
                owner.sent += len(body) if with_body else 0
                headers = {"Content-Length": str(len(body))} | answer.headers
                if answer.unsized:
                    del headers["Content-Length"]
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if with_body:
                    self.wfile.write(body[: len(body) // 2] if answer.truncated else body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _BusyServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go off the network."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def cut(body: bytes, asked: str) -> tuple[bytes, str | None]:
    """Return the part of a file that is asked for, and which it is."""
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
    if found is None:
        return body, None
    first, last = int(found[1]), min(int(found[2]), len(body) - 1)
    return body[first : last + 1], f"bytes {first}-{last}/{len(body)}"


class Hub(Server):
    """Speaks what huggingface_hub asks: repositories with revisions of files."""

    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        """Files by name, by revision, by repository."""
        self.gated: set[str] = set()

    def answer(self, path: str) -> Answer:
        path = unquote(path.partition("?")[0])
        for name, revisions in self.repositories.items():
            if name in self.gated and name in path:
                return self._error(403, "GatedRepo")
            for revision, files in revisions.items():
                commit = self.commit(name, revision)
                for known in (revision, commit):
                    if path == f"/api/models/{name}/revision/{known}":
                        return _describe(name, files, commit)
                    if path.startswith(f"/{name}/resolve/{known}/"):
                        return self._file(
                            files, path.removeprefix(f"/{name}/resolve/{known}/"), commit
                        )
            if path == f"/api/models/{name}":
                return _describe(name, revisions["main"], self.commit(name, "main"))
            if name in path:
                return self._error(404, "RevisionNotFound")
        return self._error(401, "RepoNotFound")

    def commit(self, name: str, revision: str) -> str:
        """Return the commit that a revision stands for."""
        content = json.dumps([name, revision, sorted(self.repositories[name][revision])])
        return hashlib.sha1(content.encode()).hexdigest()

    def _file(self, files: dict[str, bytes], name: str, commit: str) -> Answer:
        if name not in files:
            return self._error(404, "EntryNotFound", commit)
        tag = hashlib.sha256(files[name]).hexdigest()
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": commit}
        return Answer(files[name], headers=headers)

    @staticmethod
    def _error(status: int, code: str, commit: str = "") -> Answer:
        headers = {"X-Error-Code": code, "X-Error-Message": code}
        return Answer(
            status=status, headers=headers | ({"X-Repo-Commit": commit} if commit else {})
        )


def _describe(name: str, files: dict[str, bytes], commit: str) -> Answer:
    content = {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]}
    return Answer(json.dumps(content).encode(), headers={"Content-Type": "application/json"})


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Start a server, and stop it in the end."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
