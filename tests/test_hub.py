"""Downloads from a Hub of our own on loopback, by the real huggingface_hub."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubs import REPOSITORY, Hub, serving

from models.fetch import FetchError, fetch
from models.origin import FolderSource, HubSource, Weights

pytestmark = pytest.mark.slow  # They wait for deadlines to pass, on purpose.

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub({"tiny.gguf": CONTENT}), tmp_path / "home", monkeypatch) as hub:
        yield hub


def weights(*more: FolderSource, content: bytes = CONTENT) -> Weights:
    source = HubSource(kind="hub", id=REPOSITORY, revision="main", file="tiny.gguf")
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
    hub.etags["tiny.gguf"] = "0" * 64
    assert fetch(weights(beside(tmp_path)), tmp_path / "cache", quiet).read_bytes() == CONTENT
    assert hub.starts == []


def test_a_hub_that_lies_about_its_hash_is_found_out(tmp_path: Path, hub: Hub) -> None:
    hub.etags["tiny.gguf"] = hub.etag("tiny.gguf")
    hub.files["tiny.gguf"] = CONTENT[::-1]
    with pytest.raises(FetchError, match="brought another file"):
        fetch(weights(), tmp_path / "cache", quiet)


def test_a_download_cut_off_goes_on_where_it_stopped(tmp_path: Path, hub: Hub) -> None:
    content = hub.files["tiny.gguf"] = CONTENT * 20  # huggingface_hub writes 10 MB at a time
    hub.cut_at = 15_000_000
    with pytest.raises(FetchError, match="was cut off"):
        fetch(weights(content=content), tmp_path / "cache", quiet)
    before = len(hub.starts)
    hub.cut_at = 0
    assert fetch(weights(content=content), tmp_path / "cache", quiet).read_bytes() == content
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
