"""What keeping a data set takes: what came back is replayed, new votes are told, and a snapshot is taken when due."""

from __future__ import annotations

import logging
import shutil
import time
from functools import partial

from arena.keeping.journal import Journal
from arena.keeping.restore import Restored
from arena.keeping.snapshots import Note, upload_snapshot
from db.copies import copy_of, newest_in
from db.journal import Replayed, all_told_until, beside_votes, read_journal, replay
from db.session import Database
from db.url import sqlite_path
from db.votes import newest_vote

# So many votes since the last snapshot, of an import, say, make the next one due: a start would replay them for long.
MOST_LINES = 20_000
_log = logging.getLogger("paddock.keeping")


class Upkeep:
    """Of one data set and one database; one thread at a time takes snapshots, another may tell meanwhile."""

    def __init__(self, database: Database, restored: Restored, snapshot_seconds: float) -> None:
        """Replay what came back. Raises `DatabaseProblem` where a journal can't be understood or stored."""
        self.dataset = restored.dataset
        self._database, self._folder, self._snapshot_seconds = database, restored.folder, snapshot_seconds
        self._start = restored.start
        told = _replay(database, restored)
        with database.read() as session:
            unchanged = newest_vote(session) == restored.sequence
        self._in_snapshot, self._beside = restored.sequence, restored.beside if unchanged else ""
        self._snapshot_at = time.monotonic()
        # What is told in files of others that this process has replayed: its own snapshots hold it.
        self._replayed = restored.names
        self.journal = Journal(database, restored.dataset, restored.start, told)
        shutil.rmtree(restored.found, ignore_errors=True)

    def snapshot_if_due(self) -> None:
        """An old one is, if there are newer votes; what an admin changed is in no journal, so it must not wait.

        Raises `DatabaseProblem` and `OSError`.
        """
        old = time.monotonic() - self._snapshot_at >= self._snapshot_seconds
        newer = self.journal.told - self._in_snapshot
        with self._database.read() as session:
            changed = beside_votes(session) != self._beside
        if changed or newer > MOST_LINES or (old and newer > 0):
            self._snapshot()

    def _snapshot(self) -> None:
        """Upload a copy of the whole database."""
        # Both before the copy: what is told or changed meanwhile may not be in it.
        journals = (*self._replayed, *self.journal.names)
        with self._database.read() as session:
            beside = beside_votes(session)
        copy = self._folder / "copy.db"
        copy_of(sqlite_path(self._database.url), copy)
        sequence = newest_in(copy)
        snapshot = upload_snapshot(self.dataset, self._start, copy, Note(journals, beside), self._folder / "notes")
        copy.unlink()
        self._in_snapshot, self._beside, self._snapshot_at = sequence, beside, time.monotonic()
        _log.info("Snapshot %d is in %s, with votes up to number %d.", snapshot.number, self.dataset.name, sequence)


def _replay(database: Database, restored: Restored) -> int:
    """Store the votes of all journals; the newest vote up to which the data set holds them all."""
    told: set[str] = set()
    total = Replayed()
    for path in restored.journals:
        entries, said = read_journal(path)
        if said:
            _log.warning(said)
        done = database.write(partial(replay, entries=entries))
        total = Replayed(total.added + done.added, total.known + done.known)
        told.update(entry.battle_id for entry in entries)
    if total.added:
        _log.info("%d votes are back from %d journals.", total.added, len(restored.journals))
    with database.read() as session:
        return all_told_until(session, restored.sequence, told)
