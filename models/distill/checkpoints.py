"""Checkpoints that count only when they are whole, so that a kill at any moment leaves one to go on from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.distill.files import write_text
from models.distill.run import Spent

FOLDER: Final = "checkpoints"
MARKER: Final = "whole.json"
KEPT: Final = 2
_PREFIX: Final = "checkpoint-"

log = logging.getLogger("paddock.distill")


@dataclass(frozen=True)
class Checkpoint:
    """After `step` steps; `spent` is what the training had taken by then."""

    folder: Path
    step: int
    spent: Spent


def seal(folder: Path, spent: Spent) -> None:
    """Declare a checkpoint whole, now that all its files are written; older ones than the last two are removed.

    Raises `DistillProblem` where the disk is full.
    """
    for path in _files(folder):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    hashes = {str(path.relative_to(folder)): _hash(path) for path in _files(folder)}
    write_text(folder / MARKER, json.dumps({"files": hashes, "spent": dataclasses.asdict(spent)}, indent=2) + "\n")
    for older in _by_step(folder.parent)[KEPT:]:
        shutil.rmtree(older)


def newest(root: Path) -> Checkpoint | None:
    """The last whole checkpoint of a training, every hash compared; what a kill or a disk left half is removed."""
    for folder in _by_step(root):
        spent = _sealed(folder)
        if spent is not None:
            return Checkpoint(folder, _step(folder), spent)
        log.warning("%s is not whole and is removed.", folder)
        shutil.rmtree(folder)
    return None


def _sealed(folder: Path) -> Spent | None:
    try:
        told = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        whole = all(_hash(folder / name) == known for name, known in told["files"].items())
        return Spent(**told["spent"]) if whole else None
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.info("%s has no marker that holds: %s", folder, error)
        return None


def _by_step(root: Path) -> list[Path]:
    """The folders of checkpoints, the last step first."""
    found = [path for path in root.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdecimal()]
    return sorted(found, key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARKER)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
