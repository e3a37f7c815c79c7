"""Students that are registered while the arena runs: it looks at their file, and lets in whom that names anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from arena.recurring import Recurring
from db.session import DatabaseProblem
from models.catalog import CatalogError
from models.spec import ModelSpec
from models.students import read_students

log = logging.getLogger("paddock.newcomers")

LOOK_SECONDS = 5.0


class Newcomers:
    """A thread that follows the students' file from `begin` to `close`. Nobody leaves before the arena stops."""

    def __init__(
        self,
        path: Path,
        playing: Sequence[ModelSpec],
        let_in: Callable[[ModelSpec], None],
        seconds: float = LOOK_SECONDS,
    ) -> None:
        """`let_in` makes one a contestant, after which `playing` holds it; it may raise `DatabaseProblem`."""
        self._path = path
        self._playing = playing
        self._let_in = let_in
        self._seconds = seconds
        self._seen: tuple[int, ...] = ()  # somebody may have joined since the catalogue was read
        self._recurring = Recurring("newcomers", self._follow, wait=seconds)

    def begin(self) -> None:
        self._recurring.begin()

    def close(self) -> None:
        """Safe to call twice, and before `begin`."""
        self._recurring.close()

    def look(self) -> None:
        """Let in whom the file names anew. What can't be done is logged, and tried again when the file changes."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            for spec in read_students(self._path):
                self._consider(spec)
        except CatalogError as error:
            log.warning("%s Everybody else plays on.", error)
        except DatabaseProblem as error:
            log.warning("A newcomer waits: %s", error)
            return
        self._seen = stamp  # not before: whatever else went wrong may pass without a change of the file

    def _consider(self, spec: ModelSpec) -> None:
        known = next((one for one in self._playing if one.id == spec.id), None)
        if known is None and spec.plays:
            self._let_in(spec)
            log.info("%s plays from now on", spec.name)
        elif known is not None and known != spec:
            log.warning("%s has changed in %s; that counts after a restart.", spec.name, self._path)

    def _stamp(self) -> tuple[int, ...]:
        """What tells one version of the file from another; empty: there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _follow(self) -> float:
        self.look()
        return self._seconds
