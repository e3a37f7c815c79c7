"""The leaderboard of one database: boards by selection, each following new votes from a watermark."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

from numpy.linalg import LinAlgError

from arena.boards.board import Board, History
from arena.boards.composition import board_of
from arena.boards.following import Following, Slow, look_closer
from arena.boards.history import ratings_over_time
from arena.boards.ledger import Columns, Ledger
from arena.boards.selection import Selection, SelectionError
from arena.boards.standings import Entrant, Standing, entrants
from arena.labels import CATEGORIES
from db.queries import contestants
from db.session import Database
from models.spec import ModelSpec

log = logging.getLogger("paddock.leaderboard")

ENOUGH_VOTES = 30
EVERYTHING = Selection()
MOST_SELECTIONS = 24
# The slow part runs at once where it took less than this (seconds), else in the background for a tenth of the time.
AT_ONCE = 0.05
SHARE = 0.1


class _Followed:
    """A selection, the votes it has seen, whoever works on it, and its last board."""

    def __init__(self, following: Following, columns: Columns) -> None:
        self.following = following
        self.columns = columns
        self.lock = threading.Lock()
        self.listed: tuple[Entrant, ...] | None = None
        self.board: Board | None = None
        self.history: tuple[Board, History] | None = None
        self.job: Future[None] | None = None
        self.took = 0.0
        self.rested_at = 0.0


class Leaderboard:
    """Safe to share between threads. A board costs what is new since the selection was last asked for.

    The voters' part of the intervals and the spread of Elo need every vote: with many votes they follow in the
    background (`Board.behind` says by how many votes), so that neither readers nor voters wait for them.
    """

    def __init__(
        self,
        database: Database,
        catalog: Sequence[ModelSpec],
        enough_votes: int = ENOUGH_VOTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`catalog` may grow meanwhile; see `Roster`."""
        self._database = database
        self._catalog = catalog
        self._enough_votes = enough_votes
        self._now = now
        self._ledger = Ledger(database)
        self._lock = threading.Lock()
        self._followed: OrderedDict[Selection, _Followed] = OrderedDict()
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="leaderboard")

    @property
    def categories(self) -> tuple[str, ...]:
        """Those that votes have so far."""
        return tuple(sorted(filter(None, self._ledger.columns.categories)))

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted(filter(None, self._ledger.columns.languages)))

    @property
    def uncounted(self) -> int:
        """How many votes did not count when a board was last asked for, whatever its selection."""
        return self._ledger.uncounted

    def refresh(self) -> tuple[Standing, ...]:
        """The rows of all votes."""
        return self.board().rows

    def ratings(self) -> dict[str, float]:
        """Points by fingerprint, of those who can be compared with most."""
        return {row.fingerprint: row.rating for row in self.refresh() if row.rank and row.rating is not None}

    def board(self, selection: Selection | None = None, *, wait: bool = False) -> Board:
        """The board of a selection with all votes there are. With `wait` its slow part is as new as the rest.

        Raises `DatabaseProblem` where the database can't be read, `SelectionError` for a category or language that no
        vote has, and where the prior is too small.
        """
        followed = self._following(selection or EVERYTHING)
        with followed.lock:
            return self._board(followed, wait=wait)

    def history(self, selection: Selection | None = None) -> tuple[Board, History]:
        """The board, and its ratings over time."""
        followed = self._following(selection or EVERYTHING)
        with followed.lock:
            board = self._board(followed)
            if followed.history is None or followed.history[0] is not board:
                followed.history = (board, ratings_over_time(board.selection, followed.columns, board.rows))
            return followed.history

    def close(self) -> None:
        self._background.shutdown(wait=True, cancel_futures=True)

    def _board(self, followed: _Followed, *, wait: bool = False) -> Board:
        columns = followed.columns = self._follow(followed)
        with self._database.read() as session:
            listed = entrants(self._catalog, contestants(session))
        following = followed.following
        try:
            new = following.take_in(columns)
            looked = self._look_closer(followed, columns, wait=wait)
        except (ArithmeticError, LinAlgError) as error:
            prior = following.selection.prior
            raise SelectionError(f"prior={prior:g} is too small for these votes; choose a larger one.") from error
        if new or looked or followed.board is None or followed.listed != listed:
            followed.board = board_of(following, columns, listed, self._enough_votes)
            followed.listed = listed
        return followed.board

    def _following(self, selection: Selection) -> _Followed:
        """What is kept of a selection; those not asked for the longest give way, but never all votes."""
        self._check(selection)
        with self._lock:
            if selection not in self._followed:
                columns = self._ledger.columns
                self._followed[selection] = _Followed(Following(selection, columns.generation), columns)
            self._followed.move_to_end(selection)
            if len(self._followed) > MOST_SELECTIONS:
                del self._followed[next(kept for kept in self._followed if kept != EVERYTHING)]
            return self._followed[selection]

    def _check(self, selection: Selection) -> None:
        """Raise `SelectionError` for what no vote has, and none could have."""
        if selection.category not in ("", *CATEGORIES, *self.categories):
            raise SelectionError(f"category={selection.category[:40]!r}: there are {', '.join(CATEGORIES)}.")
        if selection.language not in ("", *self.languages):
            self._ledger.follow()
            if selection.language not in self.languages:
                known = f"there are votes in {', '.join(self.languages) or 'none'}"
                raise SelectionError(f"language={selection.language[:40]!r}: {known}.")

    def _follow(self, followed: _Followed) -> Columns:
        """The votes there are; after a change of the rules that decide on votes, the selection begins anew."""
        columns = self._ledger.follow()
        if followed.following.generation != columns.generation:
            followed.following = Following(followed.following.selection, columns.generation)
            followed.board = None
        return columns

    def _look_closer(self, followed: _Followed, columns: Columns, *, wait: bool) -> bool:
        """Bring the slow part up to date: now, in the background, or later; whether it is newer than before."""
        following = followed.following
        slow = following.slow
        if slow is not None and not following.behind and not following.outgrown:
            return False
        if wait or slow is None or following.outgrown or followed.took < AT_ONCE:
            following.slow = self._timed(followed, following, columns)
            return True
        resting = time.monotonic() - followed.rested_at < followed.took / SHARE
        if not resting and (followed.job is None or followed.job.done()):
            followed.job = self._background.submit(self._follow_up, followed, following, columns)
        return False

    def _follow_up(self, followed: _Followed, following: Following, columns: Columns) -> None:
        try:
            slow = self._timed(followed, following, columns)
        except Exception:
            log.exception("the intervals can't be brought up to date")
            return
        with followed.lock:
            # Somebody may have waited for a newer one meanwhile.
            if following.slow is None or following.slow.votes <= slow.votes:
                following.slow, followed.board = slow, None

    def _timed(self, followed: _Followed, following: Following, columns: Columns) -> Slow:
        assert following.fit is not None  # noqa: S101  (whoever calls has taken votes in)
        began = time.monotonic()
        try:
            return look_closer(following.selection, columns, following.fit, self._now())
        finally:  # a look that fails rests as long as one that does not
            followed.took, followed.rested_at = time.monotonic() - began, time.monotonic()
