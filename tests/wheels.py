"""Wheels and a package index of our own, for tests of real downloads without a registry."""

from __future__ import annotations

import http.server
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def build(folder: Path, name: str, members: Mapping[str, bytes], version: str = "1.0") -> Path:
    """A wheel that pip accepts, with `members` inside."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in members.items():
            wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


class Index:
    """A simple package index on loopback. `hold` names a wheel that is sent by half until `go_on` is set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: Counter[str] = Counter()
        self.hold = ""
        self.held = threading.Event()
        self.go_on = threading.Event()
        self.cut = False
        self.url = ""

    def links(self, name: str) -> bytes:
        wheels = [wheel.name for wheel in self.folder.glob(f"{name.replace('-', '_')}-*.whl")]
        return "".join(f'<a href="/files/{wheel}">{wheel}</a>' for wheel in wheels).encode()


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    index = Index(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, _, name = self.path.strip("/").partition("/")
            content = index.links(name) if kind == "simple" else (folder / name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if kind == "simple" else "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if kind == "files":
                index.asked[name] += 1
                if name == index.hold:
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    index.held.set()
                    if index.cut:
                        self.close_connection = True
                        return
                    index.go_on.wait(60)
                    content = content[len(content) // 2 :]
            try:
                self.wfile.write(content)
            except OSError:  # whoever asked was killed
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        index.url = f"http://127.0.0.1:{server.server_address[1]}/simple/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield index
        finally:
            index.go_on.set()
            server.shutdown()
