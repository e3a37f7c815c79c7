"""A Hugging Face Hub of our own on loopback, as far as the real huggingface_hub asks it."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

REPOSITORY = "maker/model"
COMMIT = "c" * 40


class Hub:
    """What the stand-in offers (`files`, and `etags` where it lies), demands (`token`) and saw.

    `gated`: the token is demanded for files alone, not for their list. `cut_at` ends each answer after so many
    bytes, `hold_at` interrupts it there until `go_on` is set. `tokens` and `asked` hold one entry a request,
    `starts` the first byte of each download.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.etags: dict[str, str] = {}
        self.commit = COMMIT
        self.token = ""
        self.gated = False
        self.cut_at = 0
        self.hold_at = 0
        self.go_on = threading.Event()
        self.tokens: list[str] = []
        self.asked: list[str] = []
        self.starts: list[int] = []

    def etag(self, name: str) -> str:
        """SHA-256 of what lies in Git LFS, else the blob's SHA-1 in git."""
        if name in self.etags:
            return self.etags[name]
        content = self.files[name]
        if self.is_large(name):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def is_large(self, name: str) -> bool:
        return name.endswith((".safetensors", ".gguf", ".bin"))

    def listing(self) -> bytes:
        def sibling(name: str, content: bytes) -> dict[str, object]:
            file: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": self.etag(name)}
            if self.is_large(name):
                pointer = {"sha256": self.etag(name), "size": len(content), "pointerSize": 134}
                file |= {"blobId": "b" * 40, "lfs": pointer}
            return file

        siblings = [sibling(name, content) for name, content in self.files.items()]
        return json.dumps({"id": REPOSITORY, "sha": self.commit, "siblings": siblings}).encode()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


class _Handler(http.server.BaseHTTPRequestHandler):
    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_HEAD(self) -> None:
        name = self.wanted()
        if name is not None:
            self.head(200, name, len(self.hub.files[name]))

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == f"/api/models/{REPOSITORY}/revision/{COMMIT}" and "blobs" in url.query:
            self.send_listing()
            return
        name = self.wanted()
        if name is None:
            return
        content = self.hub.files[name]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.hub.starts.append(start)
        self.head(206 if start else 200, name, len(content) - start, start)
        if self.hub.hold_at and len(content) > self.hub.hold_at:
            self.wfile.write(content[start : self.hub.hold_at])
            start = max(start, self.hub.hold_at)
            self.hub.go_on.wait(60)
        self.wfile.write(content[start : self.hub.cut_at or None])
        self.close_connection = True

    def send_listing(self) -> None:
        self.hub.asked.append("list")
        if not self.refused(free=self.hub.gated):
            body = self.hub.listing()
            self.answer(200, ("Content-Type", "application/json"), ("Content-Length", str(len(body))))
            self.wfile.write(body)

    def wanted(self) -> str | None:
        """The file asked for, unless the answer is a refusal, which is then sent."""
        before, _, name = unquote(self.path).partition("/resolve/")
        name = name.partition("/")[2]
        self.hub.asked.append(name)
        if before != f"/{REPOSITORY}" or name not in self.hub.files:
            self.answer(404, ("X-Error-Code", "EntryNotFound"), ("Content-Length", "0"))
        elif not self.refused():
            return name
        return None

    def refused(self, free: bool = False) -> bool:
        self.hub.tokens.append(self.headers.get("Authorization", ""))
        if free or not self.hub.token or self.hub.tokens[-1] == f"Bearer {self.hub.token}":
            return False
        self.answer(401, ("X-Error-Code", "GatedRepo"), ("Content-Length", "0"))
        return True

    def head(self, status: int, name: str, length: int, start: int = 0) -> None:
        size, etag = len(self.hub.files[name]), f'"{self.hub.etag(name)}"'
        told = [("X-Repo-Commit", COMMIT), ("X-Linked-Etag", etag), ("ETag", etag), ("X-Linked-Size", str(size))]
        if status == 206:
            told.append(("Content-Range", f"bytes {start}-{size - 1}/{size}"))
        self.answer(status, *told, ("Content-Length", str(length)))

    def answer(self, status: int, *headers: Sequence[str]) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@contextmanager
def serving(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Let huggingface_hub, which keeps what it remembers in `home`, find this Hub and a token "hf_mine"."""
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    with _Server(hub) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("HF_HOME", str(home))
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            hub.go_on.set()
            server.shutdown()
