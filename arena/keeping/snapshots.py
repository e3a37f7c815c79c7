"""Snapshots: whole copies of the database in the data set, by number, each with the journals that it holds already."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from arena.keeping.remote import OWNER, DataSet, KeepingProblem, Listing
from db.copies import newest_in
from db.session import DatabaseProblem

FOLDER = "snapshots"
JOURNALS = "journal"
KEPT = 3
_SNAPSHOT = re.compile(rf"{FOLDER}/(\d+)-([0-9a-f]{{64}})\.db", re.ASCII)


@dataclass(frozen=True, order=True)
class Snapshot:
    """One snapshot by its name. A clock may go backwards, so the number says which is newer."""

    number: int
    sha256: str

    @property
    def file(self) -> str:
        return f"{FOLDER}/{self.number:08d}-{self.sha256}.db"

    @property
    def note(self) -> str:
        """The file with its `Note`."""
        return f"{FOLDER}/{self.number:08d}-{self.sha256}.json"


@dataclass(frozen=True)
class Note:
    """The journals whose every vote a snapshot holds, and the digest `beside_votes` of what no journal tells."""

    journals: tuple[str, ...] = ()
    beside: str = ""


def snapshots_in(files: Iterable[str]) -> list[Snapshot]:
    """The newest first."""
    found = (_SNAPSHOT.fullmatch(path) for path in files)
    return sorted((Snapshot(int(one[1]), one[2]) for one in found if one), reverse=True)


def journals_in(files: Iterable[str]) -> list[str]:
    """In the order in which their processes began."""
    return sorted(path for path in files if path.startswith(f"{JOURNALS}/") and path.endswith(".jsonl"))


def fetch_snapshot(dataset: DataSet, there: Listing, snapshot: Snapshot, folder: Path) -> tuple[Path, int]:
    """The file, and the number of its newest vote.

    Raises `DatabaseProblem` where the file is not what its name says, and `KeepingProblem` where it can't be had.
    """
    file = dataset.fetch([snapshot.file], there.commit, folder)[0]
    if _sha256(file) != snapshot.sha256:
        raise DatabaseProblem(f"The file {snapshot.file} is not whole.")
    return file, newest_in(file)


def fetch_note(dataset: DataSet, there: Listing, snapshot: Snapshot, folder: Path) -> Note:
    """What a snapshot holds; an empty note where it is gone: nobody knows. Raises `KeepingProblem`."""
    if snapshot.note not in there.files:
        return Note()
    file = dataset.fetch([snapshot.note], there.commit, folder)[0]
    try:
        note = json.loads(file.read_bytes())
        return Note(tuple(map(str, note["journals"])), str(note["beside"]))
    except (ValueError, TypeError, KeyError) as error:
        raise KeepingProblem(
            f"The file {snapshot.note} of the data set {dataset.name} can't be understood; delete it there, and its "
            "journals are kept for good."
        ) from error


def upload_snapshot(dataset: DataSet, start: int, copy: Path, note: Note, folder: Path) -> Snapshot:
    """Add a sound copy of the database, which holds what the note says, and drop what is needed no more, at once.

    The newest `KEPT` snapshots stay, and every journal that one of them does not hold. Only the process that started
    last adds snapshots: it began with all that was there, so it lacks nothing that an earlier one dropped, and an
    earlier one, which may lack what it dropped, never covers its snapshots. Raises `KeepingProblem`, also where
    another process has started since `start`.
    """
    there = dataset.listing()  # after the note: it names no journal that is younger than the next start
    if dataset.starts(there) != start:
        raise KeepingProblem(
            f"Another arena has started on the data set {dataset.name} since this one did, or its {OWNER} is gone: "
            "votes are still added there, but no snapshots; if there is no other arena, start this one again."
        )
    before = snapshots_in(there.files)
    new = Snapshot(before[0].number + 1 if before else 1, _sha256(copy))
    kept = [new, *before][:KEPT]
    notes = [fetch_note(dataset, there, old, folder) for old in kept[1:]]
    held = set(note.journals).intersection(*(old.journals for old in notes)) if len(kept) == KEPT else ()
    gone = {path for old in before[KEPT - 1 :] for path in (old.file, old.note)}.union(held)
    added: dict[str, Path | bytes] = {new.file: copy, new.note: json.dumps(asdict(note)).encode()}
    dataset.change(added, sorted(gone & set(there.files)), f"Snapshot {new.number}")
    return new


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
