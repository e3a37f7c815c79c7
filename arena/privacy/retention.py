"""Texts that are older than an arena keeps them: emptied at the start and once a day, copies of them deleted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from arena.integrity.rules import LASTING
from arena.recurring import Recurring
from db.forget import Place, forget_texts, older_battles
from db.schema import copies_before
from db.session import Database, DatabaseProblem

log = logging.getLogger("paddock.retention")

DAY_SECONDS = 86_400.0
RETRY_SECONDS = 600.0
# Who would go back to before a migration has done so by then.
COPY_DAYS = 7
# Battles in a transaction: the writer, whom voters wait for, is held for a few milliseconds at a time.
PAGE = 100


class Retention:
    """A thread from `begin` to `close`: it empties the texts of battles begun more than `days` ago.

    The copies that migrations keep beside a file are deleted after a week, or sooner where texts are kept for less.
    """

    def __init__(
        self,
        database: Database,
        days: int,
        seconds: float = DAY_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._days = days
        self._seconds = seconds
        self._now = now
        self._recurring = Recurring("retention", self._follow)

    def begin(self) -> None:
        self._recurring.begin()

    def close(self) -> None:
        """Safe to call twice, and before `begin`."""
        self._recurring.close()

    def empty_old(self) -> int:
        """Empty all texts that are too old by now; of how many battles. Raises `DatabaseProblem`."""
        before = self._now() - timedelta(days=self._days)
        emptied, last = 0, None
        while page := self._page(before, last):
            if self._recurring.over:
                break
            battles, last = [battle for _, battle in page], page[-1]
            emptied += self._database.write(lambda session, battles=battles: forget_texts(session, battles, LASTING))  # type: ignore[misc]
        return emptied

    def delete_old_copies(self) -> list[str]:
        """Delete what migrations kept and is too old by now; the names of these files. Raises `OSError`."""
        before = (self._now() - timedelta(days=min(self._days, COPY_DAYS))).timestamp()
        old = [copy for copy in copies_before(self._database.url) if copy.stat().st_mtime < before]
        for copy in old:
            copy.unlink(missing_ok=True)
        return [copy.name for copy in old]

    def _page(self, before: datetime, last: Place | None) -> list[Place]:
        with self._database.read() as session:
            return list(older_battles(session, before, last, PAGE))

    def _follow(self) -> float:
        try:
            if emptied := self.empty_old():
                log.info("Battles older than %d days whose texts are now emptied: %d", self._days, emptied)
            if deleted := self.delete_old_copies():
                log.info("What migrations kept of before is old enough, and deleted: %s", ", ".join(deleted))
        except (DatabaseProblem, OSError) as error:
            log.warning("Texts that are too old are still there: %s", error)
            return min(RETRY_SECONDS, self._seconds)
        return self._seconds
