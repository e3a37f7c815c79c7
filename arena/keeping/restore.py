"""Before the database is opened: what the data set holds comes back, or the start is refused in one sentence."""

from __future__ import annotations

import hmac
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from arena.keeping.remote import DataSet, KeepingProblem, Listing, Passing
from arena.keeping.snapshots import Note, Snapshot, fetch_note, fetch_snapshot, journals_in, snapshots_in
from arena.keeping.status import Kind
from arena.settings import Settings, hub_token
from arena.voters import voter_secret
from db.copies import battle_at, is_new, newest_in, put_in_place
from db.session import DatabaseProblem
from db.url import is_sqlite, sqlite_path

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
_log = logging.getLogger("paddock.keeping")


@dataclass(frozen=True)
class Restored:
    """What came back: the newest good snapshot, whose newest vote is number `sequence`, and journals to be replayed.

    `start` counts the starts of this arena, this one included. `names` are all the data set's journals, `journals` the
    files of those that the database may not hold. What was fetched lies in `found`, what goes there in `folder`.
    `beside` is the newest snapshot's digest of what no journal tells, "" where that snapshot is not good.
    """

    dataset: DataSet
    start: int
    folder: Path
    found: Path
    sequence: int
    names: tuple[str, ...]
    journals: tuple[Path, ...]
    beside: str


def kind_of(settings: Settings) -> Kind:
    """Where votes stay: in a database server, in a data set, on a disk that stays, or nowhere for long."""
    if not is_sqlite(settings.database):
        return "database"
    if settings.dataset:
        return "dataset"
    return "nowhere" if settings.on_space else "disk"


def restore_if_empty(settings: Settings) -> Restored | None:
    """Fetch what the data set holds, and put its newest good snapshot in place unless the database is as new.

    None where no data set keeps the votes. A Hub in trouble is asked again for half a minute: nobody would start the
    arena a second time. Raises `DatabaseProblem` where the data set can't be read, or is not ours to use: an arena
    that began empty would look as if its votes had never been.
    """
    if kind_of(settings) != "dataset":
        return None
    dataset = DataSet(settings.dataset, hub_token(), public=settings.dataset_public)
    for seconds in WAITS:
        try:
            return _restore(settings, dataset)
        except Passing as problem:
            _log.warning("%s Trying again in %g s.", problem, seconds)
            time.sleep(seconds)
    return _restore(settings, dataset)


def _restore(settings: Settings, dataset: DataSet) -> Restored:
    start, there = dataset.claim(owner_of(settings))
    file = sqlite_path(settings.database)
    local = _newest_here(file, dataset)
    folder = file.parent / "keeping"  # copies alone lie there
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    found = _newest_good(dataset, there, folder / "found")
    note = fetch_note(dataset, there, found.snapshot, folder / "found") if found else Note()
    stays = local is not None and (found is None or _goes_on(file, local, found))
    names = journals_in(there.files)
    wanted = [name for name in names if stays or name not in note.journals]
    journals = dataset.fetch(wanted, there.commit, folder / "found")
    if found is not None and not stays:
        _place(found, file, dataset)
    elif local is None and not names:
        _log.info("The data set %s holds no votes yet; the arena begins empty.", dataset.name)
    sequence, beside = (found.sequence, note.beside if found.is_newest else "") if found else (0, "")
    return Restored(dataset, start, folder, folder / "found", sequence, tuple(names), tuple(journals), beside)


def owner_of(settings: Settings) -> str:
    """Who a data set belongs to: a Space by its name; elsewhere whoever signs the voters' cookies with one secret."""
    if settings.on_space and settings.space_id:
        return settings.space_id
    return f"{settings.title} {hmac.digest(voter_secret(settings), b'data set', 'sha256').hex()[:12]}"


@dataclass(frozen=True)
class _Found:
    """A snapshot that is whole, the number of its newest vote, and whether it is the newest of all."""

    snapshot: Snapshot
    file: Path
    sequence: int
    is_newest: bool


def _newest_here(file: Path, dataset: DataSet) -> int | None:
    if is_new(file):
        return None
    try:
        return newest_in(file)
    except DatabaseProblem as error:
        said = str(error).removesuffix(".")
        raise KeepingProblem(f"{said}; move it away, and its votes come back from {dataset.name}.") from error


def _goes_on(file: Path, newest: int, found: _Found) -> bool:
    """Whether the database holds what the snapshot does: as many votes may be of another history."""
    return newest >= found.sequence and battle_at(file, found.sequence) == battle_at(found.file, found.sequence)


def _newest_good(dataset: DataSet, there: Listing, folder: Path) -> _Found | None:
    snapshots = snapshots_in(there.files)
    for snapshot in snapshots:
        try:
            file, sequence = fetch_snapshot(dataset, there, snapshot, folder)
        except KeepingProblem:
            raise
        except DatabaseProblem as error:
            _log.warning("Snapshot %d of %s is not used: %s", snapshot.number, dataset.name, error)
        else:
            return _Found(snapshot, file, sequence, snapshot == snapshots[0])
    if snapshots:
        raise KeepingProblem(
            f"None of the {len(snapshots)} snapshots in the data set {dataset.name} is whole, and the arena does not "
            "begin without its votes; go back to an older commit of the data set, or delete its folder snapshots."
        )
    return None


def _place(found: _Found, file: Path, dataset: DataSet) -> None:
    aside = put_in_place(found.file, file)
    _log.info("Votes up to number %d are back from a snapshot in %s.", found.sequence, dataset.name)
    if aside:
        _log.warning("The database that was here does not hold those votes and is kept as %s.", aside.name)
