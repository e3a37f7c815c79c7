"""What administrators see of the votes that do not count, and how they decide otherwise; each deed is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from arena.integrity.review import Explanation, Review
from arena.integrity.rules import BIASED, NETWORK_BIASED, REASONS
from db import recent, voters, votes
from db.recent import Suspect, Uncounted, UncountedVote, VoterSummary
from db.session import Database, Session
from db.tables import Voter

log = logging.getLogger("paddock.admin")

PAGE = 25  # rows of a table that an administrator reads
MOST_GROUPS = 100
MOST_REASON = 200
# What a vote itself was excluded for; the review's own reasons hold it.
IDENTITY = tuple(votes.IDENTITY)
CODES = (*REASONS, *IDENTITY, voters.ADMINISTRATOR)


class NotDone(Exception):
    """An admin's wish that can't be done; `key` names the sentence that says why."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Appeals:
    """Votes and voters that the rules, or an administrator, decided on. Safe to share between threads."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def uncounted(self) -> Sequence[Uncounted]:
        """Why votes do not count, the commonest reason first, at most `MOST_GROUPS`."""
        with self._database.read() as session:
            return recent.uncounted(session, MOST_GROUPS)

    def votes(self, reason: str | None = None, before: int | None = None) -> Sequence[UncountedVote]:
        """The latest votes that do not count, at most `PAGE`; with `before` those of a lower sequence.

        `reason`: only those for this one; "" are those without any.
        """
        with self._database.read() as session:
            return recent.uncounted_votes(session, PAGE, reason, before)

    def suspects(self) -> Sequence[Suspect]:
        """Voters whose votes are held for bias, their own or their network's; the latest `PAGE`."""
        with self._database.read() as session:
            return recent.suspects(session, (BIASED, NETWORK_BIASED), PAGE)

    def excluded(self) -> Sequence[Voter]:
        with self._database.read() as session:
            return voters.excluded_voters(session)

    def voter(self, voter: str) -> VoterSummary:
        with self._database.read() as session:
            return recent.voter_summary(session, voter)

    def evidence(self, voter: str) -> tuple[Explanation, dict[str, str]]:
        """What there is against a voter, and the names of those contestants it is about."""
        found = Review(self._database).explain(voter)
        with self._database.read() as session:
            return found, recent.names_of(session, [fingerprint for fingerprint, _ in found.parts])

    def settle(self, who: str, battle: str, *, counts: bool) -> None:
        """Count one vote, or do not, whatever the rules say from now on. Raises `NotDone`."""
        status, battle = ("counted" if counts else "excluded"), battle.strip()
        try:
            self._database.write(lambda session: voters.settle_vote(session, battle, counts=counts))
        except voters.UnknownVote as error:
            raise NotDone("admin_no_vote") from error
        except voters.VoterIsExcluded as error:
            raise NotDone("admin_include_first") from error
        log.info("%s: the vote of battle %s is %s", who, _short(battle), status)

    def exclude(self, who: str, voter: str, reason: str) -> int:
        """Let none of a voter's votes count; how many did so far. Raises `NotDone`."""
        voter, reason = _named(voter), " ".join(reason.split())
        if not 0 < len(reason) <= MOST_REASON:
            raise NotDone("admin_no_reason")
        if reason in CODES:
            raise NotDone("admin_reason_taken")  # including the voter could not tell these votes from others
        now = self._now()
        changed = self._database.write(lambda session: voters.exclude_voter(session, voter, reason, now))
        log.info("%s: voter %s is excluded (%r), votes that count no more: %d", who, _short(voter), reason, changed)
        return changed

    def include(self, who: str, voter: str) -> int:
        """Let a voter's votes count again; how many do. Raises `NotDone`."""
        voter = _named(voter)
        changed = self._database.write(lambda session: voters.include_voter(session, voter))
        log.info("%s: voter %s is included, votes that count anew: %d", who, _short(voter), changed)
        return changed

    def clear(self, who: str, voter: str) -> int:
        """Let the rules hold none of a voter's votes any more; how many count anew. Raises `NotDone`."""
        voter, now = _named(voter), self._now()

        def work(session: Session) -> int:
            return voters.clear_voter(session, voter, now)

        try:
            changed = self._database.write(work)
        except voters.VoterIsExcluded as error:
            raise NotDone("admin_include_first") from error
        log.info("%s: voter %s is cleared, votes that count anew: %d", who, _short(voter), changed)
        return changed

    def watch(self, who: str, voter: str) -> None:
        """Leave a cleared voter's votes to the rules again. Raises `NotDone`."""
        voter = _named(voter)
        if not self._database.write(lambda session: voters.watch_voter(session, voter)):
            raise NotDone("admin_not_cleared")
        log.info("%s: voter %s is left to the rules again", who, _short(voter))


def _named(voter: str) -> str:
    if not voter.strip():
        raise NotDone("admin_no_voter")
    return voter.strip()


def _short(name: str) -> str:
    """Enough to find a voter or a battle, on one line whatever was typed."""
    return repr(name[:40])
