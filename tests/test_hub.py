"""Downloads from a Hub of our own on loopback, by the real huggingface_hub."""

from __future__ import annotations

import hashlib
import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.catalog import FolderSource, HubSource, Weights
from models.fetch import FetchError, fetch

CONTENT = bytes(range(256)) * 4000
COMMIT = "c" * 40


class Hub:
    """What the stand-in offers (`etag`), demands (`token`) and saw (`tokens`, `starts`)."""

    def __init__(self) -> None:
        self.etag = hashlib.sha256(CONTENT).hexdigest()
        self.content = CONTENT
        self.token = ""
        self.cut_at = 0
        self.tokens: list[str] = []
        self.starts: list[int] = []
        self.url = ""


@contextmanager
def serving(hub: Hub) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def refused(self) -> bool:
            hub.tokens.append(self.headers.get("Authorization", ""))
            if not hub.token or hub.tokens[-1] == f"Bearer {hub.token}":
                return False
            self.send_response(401)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True

        def do_HEAD(self) -> None:
            if not self.refused():
                self.head(200, len(hub.content))

        def do_GET(self) -> None:
            if self.refused():
                return
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            hub.starts.append(start)
            self.head(206 if start else 200, len(hub.content) - start, start)
            self.wfile.write(hub.content[start : hub.cut_at or None])
            self.close_connection = True

        def head(self, status: int, length: int, start: int = 0) -> None:
            self.send_response(status)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", f'"{hub.etag}"')
            self.send_header("ETag", f'"{hub.etag}"')
            self.send_header("X-Linked-Size", str(len(hub.content)))
            self.send_header("Content-Length", str(length))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    hub = Hub()
    with serving(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        yield hub


def weights(*more: FolderSource, content: bytes = CONTENT) -> Weights:
    source = HubSource(kind="hub", id="maker/model", revision="main", file="tiny.gguf")
    digest = hashlib.sha256(content).hexdigest()
    return Weights(file="tiny.gguf", sha256=digest, bytes=len(content), sources=(source, *more))


def beside(tmp_path: Path) -> FolderSource:
    (tmp_path / "original.gguf").write_bytes(CONTENT)
    return FolderSource(kind="folder", path=str(tmp_path / "original.gguf"))


def quiet(part: float) -> None: ...


def test_the_hub_brings_the_file_and_sees_no_token(tmp_path: Path, hub: Hub) -> None:
    path = fetch(weights(), tmp_path / "cache", quiet)
    assert path.read_bytes() == CONTENT
    assert set(hub.tokens) == {""}
    assert not (path.parent / "staging").exists()


def test_a_token_is_shown_only_where_the_hub_demands_one(tmp_path: Path, hub: Hub) -> None:
    hub.token = "hf_mine"
    assert fetch(weights(), tmp_path / "cache", quiet).read_bytes() == CONTENT
    assert hub.tokens[0] == ""


def test_another_file_on_the_hub_is_not_even_downloaded(tmp_path: Path, hub: Hub) -> None:
    hub.etag = "0" * 64
    assert fetch(weights(beside(tmp_path)), tmp_path / "cache", quiet).read_bytes() == CONTENT
    assert hub.starts == []


def test_a_hub_that_lies_about_its_hash_is_found_out(tmp_path: Path, hub: Hub) -> None:
    hub.content = CONTENT[::-1]
    with pytest.raises(FetchError, match="brought another file"):
        fetch(weights(), tmp_path / "cache", quiet)


def test_a_download_cut_off_goes_on_where_it_stopped(tmp_path: Path, hub: Hub) -> None:
    hub.content = CONTENT * 20  # huggingface_hub writes 10 MB at a time
    hub.etag = hashlib.sha256(hub.content).hexdigest()
    hub.cut_at = 15_000_000
    with pytest.raises(FetchError, match="was cut off"):
        fetch(weights(content=hub.content), tmp_path / "cache", quiet)
    before = len(hub.starts)
    hub.cut_at = 0
    assert fetch(weights(content=hub.content), tmp_path / "cache", quiet).read_bytes() == hub.content
    assert hub.starts[before] >= 10_000_000


def test_a_hub_that_never_answers_holds_nobody_up(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        assert fetch(weights(beside(tmp_path)), tmp_path / "cache", quiet).read_bytes() == CONTENT
        assert time.monotonic() - began < 20  # about 5 where nothing else runs


def test_no_way_to_the_hub_is_named(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FetchError, match=r"Hub maker/model: can't be reached .*; connect this machine"):
        fetch(weights(), tmp_path / "cache", quiet)
