"""The thread that has new votes reviewed while the arena runs, and says so where it can't."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from arena.integrity.review import Findings, Review
from arena.integrity.rules import REASONS, RULES_VERSION
from arena.recurring import Recurring
from db import review as rows
from db.session import Database
from db.votes import newest_vote

log = logging.getLogger("paddock.integrity")

REVIEW_SECONDS = 10.0
# Votes that are held are looked at again this often: a day may have passed, or there are more votes of others.
RECALL_SECONDS = 3600.0
# A review may take this share of the time, however many votes there are, unless that means to wait too long.
SHARE = 0.1
MOST_SECONDS = 120.0


@dataclass(frozen=True)
class ReviewStatus:
    """How the review is: when it last succeeded, how long ago (seconds), and why it can't; "" where it can.

    `biased` counts the voters that there was evidence against when it last looked at them.
    """

    at: datetime | None
    age_seconds: float | None
    problem: str
    biased: int


def warn_of_held(database: Database) -> None:
    """Say in the log of an arena that reviews no votes that some are still held. Raises `DatabaseProblem`."""
    with database.read() as session:
        waiting = len(rows.voters_held(session, REASONS))
    if waiting:
        log.warning(
            "Votes of %d voters are held, and this arena is not guarded, so that nobody looks at them again: "
            "`python -m arena integrity review` does while it is stopped; ARENA_GUARD=on does from its next start on.",
            waiting,
        )


class Reviewer:
    """A thread from `begin` to `close`. Whatever fails leaves votes as they are, is shown, and is tried again."""

    def __init__(
        self,
        database: Database,
        review: Review | None = None,
        seconds: float = REVIEW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._review = review or Review(database)
        self._seconds = seconds
        self._clock = clock
        self._watermark = 0
        self._recalled: float | None = None  # whatever waits is looked at first
        self._biased: set[str] = set()
        self._at: datetime | None = None
        self._looked_at = clock()
        self._problem = ""
        self._recurring = Recurring("reviewer", self._follow)

    def begin(self) -> None:
        self._recurring.begin()

    def close(self) -> None:
        """Safe to call twice, and before `begin`."""
        self._recurring.close()

    def status(self) -> ReviewStatus:
        age = None if self._at is None else self._clock() - self._looked_at
        return ReviewStatus(self._at, age, self._problem, len(self._biased))

    def look(self) -> Findings:
        """Review what is new. Raises `DatabaseProblem`; the next look begins where this one did."""
        with self._database.read() as session:
            if recalled := self._recalled is None or self._clock() - self._recalled >= RECALL_SECONDS:
                newest, networks = newest_vote(session), None
                voters = rows.voters_held(session, REASONS) | rows.voters_unjudged(session, RULES_VERSION)
            else:
                voters, networks, newest = rows.voters_after(session, self._watermark)
        findings = self._review.judge(voters, networks) if voters else Findings()
        self._watermark = newest
        if recalled:
            self._recalled = self._clock()
        self._biased = (self._biased - voters) | findings.biased
        if findings.changed or findings.biased:
            log.info("%d votes have another status; %d voters are biased", findings.changed, len(self._biased))
        return findings

    def _follow(self) -> float:
        began = self._clock()
        try:
            self.look()
        except Exception as error:
            # Whatever it is, it is shown until a look succeeds; what there is stays as it is.
            self._problem = str(error) or type(error).__name__
            log.exception("Votes can't be reviewed; they stay what they are")
        else:
            self._problem, self._at, self._looked_at = "", datetime.now(UTC), self._clock()
        return max(self._seconds, min((self._clock() - began) / SHARE, MOST_SECONDS))
