"""Weights by SHA-256 from the first source that answers: the cache, then the catalogue's sources in order.

<cache>/<sha256>/<file>            the weights; this name appears only after the whole file's hash was right
<cache>/<sha256>/<file>.verified   size and time of the file when its hash was right
<cache>/<sha256>/staging/<source>  what is on its way; kept between starts, removed after success
<cache>/<sha256>/lock              one process fetches, the others wait for it
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from models.origin import FolderSource, HubSource, Source, Weights
from models.sources import SourceFailed, Trouble, bring, check_space, disk_is_full, disk_needed

Report = Callable[[float], None]

log = logging.getLogger("paddock.fetch")

# What a person can do about it; of several troubles the first listed is named.
REMEDIES: dict[Trouble, str] = {
    "unwritable": "make {home} writable or choose another cache folder",
    "disk full": "free space on the disk of {home} or choose another cache folder",
    "cut off": "start again: what has come is kept and the download goes on from there",
    "network": "connect this machine to the internet, or copy the file here and name it as a folder source",
    "no pip": "install pip into this Python (python -m ensurepip)",
    "hash": "correct the sha256 or the sources of this model in the catalogue",
    "absent": "correct the sources of this model in the catalogue",
}


class FetchError(Exception):
    """No source brought the weights; the message names the file, each source's reason and the remedy."""


def fetch(weights: Weights, cache: Path, report: Report) -> Path:
    """Return the verified file of `weights`, bringing it into `cache` if it is not there.

    `report` gets the fraction done, 0 to 1, from the calling thread; what it raises stops the download,
    and what has come so far stays for the next call. Safe to call from several processes at once.
    Raises `FetchError`.
    """
    home = cache.absolute() / weights.sha256
    path = home / weights.file
    if not _is_verified(path, weights):
        try:
            home.mkdir(parents=True, exist_ok=True)
            with locked(home / "lock", report):
                if not _is_verified(path, weights):
                    _fetch_anew(weights, path, report)
        except OSError as error:
            raise _own_trouble(weights, home, error) from error
    report(1.0)
    return path


def _fetch_anew(weights: Weights, path: Path, report: Report) -> None:
    failures: list[tuple[str, SourceFailed]] = []
    for source in weights.sources:
        staging = path.parent / "staging" / _key(source)
        try:
            staging.mkdir(parents=True, exist_ok=True)
            check_space(staging, disk_needed(source, weights))
            staged = bring(source, weights, staging, lambda size: report(min(size / weights.bytes, 0.99)))
            _check_hash(staged, weights, staging)
        except SourceFailed as failure:
            log.info("%s: %s: %s", weights.file, _name(source), failure)
            failures.append((_name(source), failure))
        else:
            _settle(staged, path)
            return
    raise _fetch_error(weights, path.parent, failures)


def _settle(staged: Path, path: Path) -> None:
    """Give the verified file its name; a kill between any two lines leaves nothing half."""
    with staged.open("rb+") as file:
        os.fsync(file.fileno())
    staged.replace(path)
    _mark(path)
    shutil.rmtree(path.parent / "staging", ignore_errors=True)


def _check_hash(staged: Path, weights: Weights, staging: Path) -> None:
    size, digest = staged.stat().st_size, _digest(staged)
    if digest == weights.sha256:
        return
    shutil.rmtree(staging, ignore_errors=True)  # nobody knows which part is wrong
    if size < weights.bytes:
        raise SourceFailed("cut off", f"only {size} of {weights.bytes} bytes came")
    raise SourceFailed("hash", f"brought another file (SHA-256 {digest[:12]}…, expected {weights.sha256[:12]}…)")


def _is_verified(path: Path, weights: Weights) -> bool:
    """Whether the file's hash is known to be right, by its marker or else by hashing it now.

    Size and time are enough: only `_settle` puts a file there, in one step and after its hash; whoever
    changes, cuts or copies it later changes its time, and then it is hashed again.
    """
    try:
        facts = _facts(path)
    except OSError:
        return False
    try:
        if json.loads(_marker(path).read_text()) == facts:
            return True
    except (OSError, ValueError):
        log.info("%s has no marker; its hash is checked", path.name)
    if _digest(path) != weights.sha256:
        log.warning("%s in the cache is not what its hash says and is fetched again", path.name)
        return False
    try:
        _mark(path)
    except OSError as error:  # a cache mounted read-only is fine, only slower
        log.info("no marker for %s: %s", path.name, error.strerror)
    return True


def _mark(path: Path) -> None:
    _marker(path).write_text(json.dumps(_facts(path)))


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _facts(path: Path) -> dict[str, int]:
    facts = path.stat()
    return {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, report: Report) -> Iterator[None]:
    lock = FileLock(path)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1)
        except Timeout:
            report(0.0)  # another process is fetching; whoever waits here can still be stopped
    try:
        yield
    finally:
        lock.release()


def _key(source: Source) -> str:
    """A folder name for one source as it is written now: another revision must not find the parts of this one."""
    return f"{source.kind}-{hashlib.sha256(source.model_dump_json().encode()).hexdigest()[:12]}"


def _name(source: Source) -> str:
    match source:
        case HubSource():
            return f"Hub {source.id}"
        case FolderSource():
            return f"folder {source.path}"
    return "pip"


def _own_trouble(weights: Weights, home: Path, error: OSError) -> FetchError:
    trouble: Trouble = "disk full" if disk_is_full(error) else "unwritable"
    words = "the disk became full" if trouble == "disk full" else f"can't be written ({error.strerror})"
    return _fetch_error(weights, home, [("cache", SourceFailed(trouble, words))])


def _fetch_error(weights: Weights, home: Path, failures: Sequence[tuple[str, SourceFailed]]) -> FetchError:
    reasons = "; ".join(f"{name}: {failure}" for name, failure in failures)
    troubles = {failure.trouble for _, failure in failures}
    remedy = next(words for trouble, words in REMEDIES.items() if trouble in troubles)
    return FetchError(f"{weights.file} can't be fetched ({reasons}); {remedy.format(home=home)}.")
