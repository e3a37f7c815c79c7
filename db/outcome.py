"""What can come of a battle, shared by people and judges. Imports nothing of ours."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The verdict on one pair of answers; both-bad is stored as itself, never as a tie."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"

    @property
    def score_a(self) -> float:
        """Points for side A: 1 for a win, 0 for a loss, half for a tie and for both-bad."""
        return {Outcome.A: 1.0, Outcome.B: 0.0}.get(self, 0.5)


class Refusal(StrEnum):
    """Why the database would not take a step of a battle."""

    NOT_YOURS = "not_yours"
    UNFINISHED = "unfinished"
    STOPPED = "stopped"
    FAILED = "failed"
    ALREADY_VOTED = "already_voted"
    EXPIRED = "expired"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    TOO_MANY_TURNS = "too_many_turns"
    TOO_MANY_VOTES = "too_many_votes"
    TOO_MANY_BATTLES = "too_many_battles"


class Refused(Exception):
    """A step of a battle was refused and nothing was changed; `reason` says why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason
