"""The keeper: keeps a data set up with the database while the arena is open, and says how far it is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from arena.keeping.restore import Restored, kind_of
from arena.keeping.status import KeepingStatus
from arena.keeping.upkeep import Upkeep
from arena.settings import Settings
from db.session import Database, DatabaseProblem

STOP_SECONDS = 20.0
# So many flushes may fail in a row before visitors are told.
LATE_FLUSHES = 3
_Work = Literal["flush", "snapshot"]
_log = logging.getLogger("paddock.keeping")


class Keeper:
    """Keeps votes while the block runs: at once and every so many minutes; when it ends, what is new is flushed.

    Flushes go on while a snapshot is on its way, which has a thread of its own.
    No exit waits for its threads: a Hub that hangs must not keep the arena from ending.
    `restored` is what `restore_if_empty` gave before the database was opened. Raises `DatabaseProblem` where what came
    back can't be replayed.
    """

    def __init__(self, database: Database, settings: Settings, restored: Restored | None) -> None:
        self._settings, self._kind = settings, kind_of(settings)
        self._upkeep = Upkeep(database, restored, settings.snapshot_minutes * 60) if restored else None
        self._over, self._flushed = threading.Event(), threading.Event()
        self._door, self._telling, self._taking = threading.Lock(), threading.Lock(), threading.Lock()
        self.threads = (
            threading.Thread(target=self._flush_on_and_on, name="keeping", daemon=True),
            threading.Thread(target=self._snapshot_after_flushes, name="snapshots", daemon=True),
        )
        self._held_all_at = time.monotonic()
        self._taking_since: float | None = None
        self._status = KeepingStatus(self._kind)
        self._problems: dict[_Work, str] = {"flush": "", "snapshot": ""}

    def __enter__(self) -> Keeper:
        if self._upkeep is not None:
            for thread in self.threads:
                thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._flushed.set()  # whoever waits for it finds that it is over
        self.flush(STOP_SECONDS)

    def keep(self) -> None:
        """Let the data set hold every vote there is, and take a snapshot if one is due.

        Raises what went wrong, which `status` says too.
        """
        self._tell()
        self._snapshot()

    def begin_flush(self) -> Future[None]:
        """Let the data set hold every vote there is now, behind nothing but a flush that runs already.

        The future resolves once it does: at once where no data set is kept.
        """
        future: Future[None] = Future()

        def work() -> None:
            try:
                self._tell()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)

        threading.Thread(target=work, name="last flush", daemon=True).start()
        return future

    def flush(self, seconds: float) -> bool:
        """Whether the data set holds every vote there is now, within so many seconds; no snapshot is waited for."""
        try:
            self.begin_flush().result(seconds)
        except TimeoutError:
            _log.error("The data set %s did not take the newest votes within %g s.", self._settings.dataset, seconds)
            return False
        except Exception:  # said when it happened
            return False
        return True

    def status(self) -> KeepingStatus:
        with self._door:
            status, age = self._status, time.monotonic() - self._held_all_at
            problem = self._problems["flush"] or self._problems["snapshot"] or self._hanging()
        if self._upkeep is None:
            return status
        late = age > LATE_FLUSHES * self._settings.flush_minutes * 60
        return replace(status, age_seconds=age, late=late, problem=problem)

    def _hanging(self) -> str:
        """What is wrong with a snapshot that has been on its way for longer than until the next one is due."""
        since = self._taking_since
        minutes = 0.0 if since is None else (time.monotonic() - since) / 60
        if minutes <= self._settings.snapshot_minutes:
            return ""
        return f"A snapshot has been on its way to the data set {self._settings.dataset} for {minutes:.0f} minutes."

    def _flush_on_and_on(self) -> None:
        while not self._over.is_set():
            with suppress(Exception):  # said when it happened; the next turn may succeed
                self._tell()
                self._flushed.set()
            self._over.wait(self._settings.flush_minutes * 60)

    def _snapshot_after_flushes(self) -> None:
        while self._flushed.wait():
            self._flushed.clear()
            if self._over.is_set():
                return
            with suppress(Exception):  # as above
                self._snapshot()

    def _tell(self) -> None:
        if self._upkeep is None:
            return
        with self._telling, self._saying("flush"):
            began, now = time.monotonic(), datetime.now(UTC)
            self._upkeep.journal.tell_new()
            self._holds(self._upkeep.journal.told, began, now)

    def _snapshot(self) -> None:
        if self._upkeep is None:
            return
        with self._taking, self._saying("snapshot"):
            self._taking_since = time.monotonic()
            try:
                self._upkeep.snapshot_if_due()
            finally:
                self._taking_since = None

    @contextmanager
    def _saying(self, work: _Work) -> Iterator[None]:
        """Note what goes wrong, for the status and the log, until the same work succeeds."""
        problem = ""
        try:
            yield
        except (DatabaseProblem, OSError) as error:
            problem = str(error)
            _log.warning("Keeping votes failed: %s", problem)
            raise
        except Exception as error:
            problem = f"A {work} failed ({type(error).__name__}); the log says more."
            _log.exception("Keeping votes failed: a %s", work)
            raise
        finally:
            with self._door:
                self._problems[work] = problem

    def _holds(self, sequence: int, began: float, now: datetime) -> None:
        """Every vote that was there at a moment, by either clock, is in the data set."""
        with self._door:
            self._held_all_at = began
            self._status = replace(self._status, flushed_sequence=sequence, flushed_at=now)
