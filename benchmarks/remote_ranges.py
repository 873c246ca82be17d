"""What is fetched of a slide behind an address, beside what its tiles take.

A server on this machine counts the bytes that it sends while a slide is segmented from it; the same
run on the file itself tells which pieces of it hold the tiles that were touched.  A small region is
read and counted as well.

    python benchmarks/remote_ranges.py [SLIDE …]

The packaged slide and the demonstration slide are measured where none is named.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import numpy as np

import wsiseg
from wsiseg.demo.sections import TISSUE
from wsiseg.demo.slide import build_demo_slide
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.file_bytes import FileBytes

Spans = set[tuple[int, int]]


class _BusyServer(ThreadingHTTPServer):
    request_queue_size = 256


class CountingServer:
    """Sends parts of one file, and counts."""

    def __init__(self, file: Path) -> None:
        self.sent = self.requests = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply(with_body=True)

            def do_HEAD(self) -> None:
                self._reply(with_body=False)

            def _reply(self, *, with_body: bool) -> None:
                whole = file.stat().st_size
                first, last, status = 0, whole - 1, 200
                if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
                    first, last, status = int(asked[1]), min(int(asked[2]), whole - 1), 206
                self.send_response(status)
                self.send_header("ETag", f'"{whole}"')
                self.send_header("Content-Length", str(last - first + 1))
                self.send_header("Content-Range", f"bytes {first}-{last}/{whole}")
                self.end_headers()
                if with_body:
                    with file.open("rb") as opened:
                        content = os.pread(opened.fileno(), last - first + 1, first)
                    owner.sent += len(content)
                    owner.requests += 1
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _BusyServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/{file.name}"

    @contextmanager
    def running(self) -> Iterator[CountingServer]:
        """Serve until the end."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


@contextmanager
def watching() -> Iterator[Spans]:
    """Yield the pieces of files on this machine that are read for pixels."""
    spans: Spans = set()
    read = FileBytes.read

    def watched(self: FileBytes, start: int, count: int) -> bytes:
        spans.add((start, count))
        return read(self, start, count)

    with mock.patch.object(FileBytes, "read", watched):
        yield spans


def compare(slide: Path, folder: Path, name: str) -> None:
    """Print what a run fetches, and what a small region does."""
    with watching() as spans:
        here = wsiseg.segment(slide, output=folder / "here", threads=1, overwrite=True)
    touched = sum(count for _, count in spans)
    with CountingServer(slide).running() as server:
        there = wsiseg.segment(server.url, output=folder / "there", threads=1, overwrite=True)
        fetched, requests = server.sent, server.requests
    same = np.array_equal(np.asarray(here.labels), np.asarray(there.labels))
    size = slide.stat().st_size
    print(
        f"{name}: file {size / 1e6:.2f} MB, tiles touched {touched / 1e6:.2f} MB, fetched "
        f"{fetched / 1e6:.2f} MB in {requests} requests: {fetched / touched:.3f} times; "
        f"masks {'equal' if same else 'DIFFER'}"
    )
    with watching() as spans, wsiseg.open_slide(slide) as opened:
        box = Box(opened.levels[0].height // 2, opened.levels[0].width // 2, 1024, 1024)
        opened.read_region(0, box)
    touched = sum(count for _, count in spans)
    with CountingServer(slide).running() as server, wsiseg.open_slide(server.url) as opened:
        headers = server.sent
        opened.read_region(0, box)
        print(
            f"  opening {headers / 1e6:.3f} MB; 1024×1024 pixels "
            f"{(server.sent - headers) / 1e6:.3f} MB, "
            f"{(server.sent - headers) / touched:.3f} times its tiles"
        )


def main() -> None:
    """Measure each slide."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slides", nargs="*", type=Path)
    slides = parser.parse_args().slides
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not slides:
            slides = [TISSUE, build_demo_slide(folder / "demo.tiff")]
        for slide in slides:
            compare(slide, folder, slide.name)


if __name__ == "__main__":
    main()
