"""The tables. Status, failure and outcome are typed columns written when they happen."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, get_args

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base as Base  # part of what this module offers
from db.base import UtcDateTime as UtcDateTime
from db.base import one_of
from db.judge_tables import Answer as Answer  # likewise
from db.judge_tables import Judgment as Judgment
from db.judge_tables import Question as Question
from db.outcome import Outcome

BattleStatus = Literal["generating", "open", "stopped", "voted", "void"]
TurnStatus = Literal["generating", "finished", "stopped", "failed"]
VoteStatus = Literal["counted", "held", "excluded"]
ContestantState = Literal["on", "off", "archived"]

STYLES = tuple(f"{style}_{side}" for style in ("length", "headings", "lists", "bold") for side in "ab")
# Word for word in the indexes below: SQLite takes the index only for a condition that says the same.
UNLABELLED = "status = 'finished' AND (category IS NULL OR length_a IS NULL)"
ON_QUESTION = "question_id IS NOT NULL"


class Labelled:
    """What ratings select and weigh by: the kind of prompt, and how each answer looks; null where it is not known.

    Of an answer: its length in characters as a visitor sees it, its headings, list items and bold passages.
    """

    category: Mapped[str | None]
    language: Mapped[str | None]
    length_a: Mapped[int | None]
    length_b: Mapped[int | None]
    headings_a: Mapped[int | None]
    headings_b: Mapped[int | None]
    lists_a: Mapped[int | None]
    lists_b: Mapped[int | None]
    bold_a: Mapped[int | None]
    bold_b: Mapped[int | None]


class Contestant(Base):
    """A model exactly as it took part; append-only, a changed fingerprint is a new row.

    Only one that is "on" is drawn, by its `weight` (at least 0, as a rule 1); "archived" is off for good. Its votes
    stay.
    """

    __tablename__ = "contestant"
    __table_args__ = (one_of("state", get_args(ContestantState)), CheckConstraint("weight >= 0", name="weight"))

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    model_id: Mapped[str]
    name: Mapped[str]
    engine: Mapped[str]
    quantization: Mapped[str]
    license: Mapped[str]
    url: Mapped[str]
    identity: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="on")
    weight: Mapped[float] = mapped_column(default=1.0)


class Voter(Base):
    """A voter of whom more is known than an id: signed in, or excluded; all others have no row.

    `source` says who vouches for it, "huggingface" or "proxy"; null where nobody does. `verified`: what it votes from
    now on is a verified vote. While `excluded_at` is set, its votes are kept and not counted, for the `reason`.
    From `established_at` on its votes count at once; before, a guarded arena holds them. `cleared_at`: an administrator
    has looked, and the rules hold none of its votes any more.
    """

    __tablename__ = "voter"

    id: Mapped[str] = mapped_column(primary_key=True)
    verified: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str | None]
    excluded_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    created_at: Mapped[datetime]
    established_at: Mapped[datetime | None]
    cleared_at: Mapped[datetime | None]


class Battle(Base):
    """One blind comparison: generating → open → voted, with stopped and void beside the way.

    `source` is null for a battle fought here, else what it was imported from; `probability` is the one its pair was
    drawn with, null where that is not known. `question_id`: its answers were stored ones, to this question.
    `network`: the visitor's, under the key of that day (`NetworkKey`); `prompt_key`: a digest of the first prompt as
    `arena.integrity` compares prompts; both null where they are not known.
    """

    __tablename__ = "battle"
    __table_args__ = (
        one_of("status", get_args(BattleStatus)),
        # Pairs are counted again and again: of a million battles in a tenth of the time.
        Index("ix_battle_contestant_a", "contestant_a", "contestant_b"),
        # The latest battles are looked at page by page.
        Index("ix_battle_created_at", "created_at"),
        # Of many battles few are on a question.
        Index(
            "ix_battle_question_id", "question_id", sqlite_where=text(ON_QUESTION), postgresql_where=text(ON_QUESTION)
        ),
        *(
            Index(
                f"ix_battle_{name}",
                name,
                "created_at",
                sqlite_where=text(f"{name} IS NOT NULL"),
                postgresql_where=text(f"{name} IS NOT NULL"),
            )
            for name in ("network", "prompt_key")
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    voter: Mapped[str] = mapped_column(index=True)
    contestant_a: Mapped[str] = mapped_column(ForeignKey("contestant.fingerprint"))
    contestant_b: Mapped[str] = mapped_column(ForeignKey("contestant.fingerprint"))
    probability: Mapped[float | None]
    status: Mapped[str]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    source: Mapped[str | None]
    question_id: Mapped[str | None] = mapped_column(ForeignKey("question.id"))
    network: Mapped[str | None] = mapped_column(String(32))
    prompt_key: Mapped[str | None] = mapped_column(String(32))


class Turn(Labelled, Base):
    """One prompt and both answers. Regenerate adds an attempt; earlier attempts stay, superseded.

    What an answer took (tokens, seconds since it was asked for, joules of the GPU) is null where it is not known.
    An imported turn has the seed 0. `probe`: the prompt asks who answers; `named`: the sides whose answers say who gave
    them ("a", "b" or "ab"; null: neither).
    """

    __tablename__ = "turn"
    __table_args__ = (
        one_of("status", get_args(TurnStatus)),
        # Empty as a rule: finds the few turns that wait for labels without reading every answer there is.
        Index(
            "ix_turn_unlabelled",
            "battle_id",
            "position",
            "attempt",
            sqlite_where=text(UNLABELLED),
            postgresql_where=text(UNLABELLED),
        ),
    )

    battle_id: Mapped[str] = mapped_column(ForeignKey("battle.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    prompt: Mapped[str]
    seed: Mapped[int]
    status: Mapped[str]
    superseded: Mapped[bool] = mapped_column(default=False)
    answer_a: Mapped[str] = mapped_column(default="")
    answer_b: Mapped[str] = mapped_column(default="")
    reason_a: Mapped[str | None]
    reason_b: Mapped[str | None]
    tokens_a: Mapped[int | None]
    tokens_b: Mapped[int | None]
    prompt_tokens_a: Mapped[int | None]
    prompt_tokens_b: Mapped[int | None]
    first_token_seconds_a: Mapped[float | None]
    first_token_seconds_b: Mapped[float | None]
    seconds_a: Mapped[float | None]
    seconds_b: Mapped[float | None]
    joules_a: Mapped[float | None]
    joules_b: Mapped[float | None]
    failure: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    probe: Mapped[bool] = mapped_column(default=False)
    named: Mapped[str | None]


class Vote(Labelled, Base):
    """A fact, written once; only whether it counts may change. `sequence` counts votes in the order of their commits.

    It carries what ratings read, so that they read this table alone: the battle's contestants, the number of its
    turns that count, the labels of the first, and the sums of their styles (null where one is).

    Only a `status` of "counted" enters ratings; `reason` says why it is another. `verified`: cast by a voter who was
    verified at that time. `rules` is the version of the rules that judged it last, null where none has; those leave
    alone what is `settled`: an administrator decided, or it was cast and judged elsewhere, or what spoke against it is
    forgotten.
    """

    __tablename__ = "vote"
    __table_args__ = (
        one_of("outcome", tuple(Outcome)),
        one_of("status", get_args(VoteStatus)),
        # A voter's latest votes are counted while all others wait: however many they cast before.
        Index("ix_vote_voter", "voter", "created_at"),
    )

    battle_id: Mapped[str] = mapped_column(ForeignKey("battle.id"), primary_key=True)
    voter: Mapped[str]
    outcome: Mapped[str]
    sequence: Mapped[int] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    contestant_a: Mapped[str] = mapped_column(String(64))
    contestant_b: Mapped[str] = mapped_column(String(64))
    turns: Mapped[int]
    status: Mapped[str] = mapped_column(default="counted")
    reason: Mapped[str | None]
    verified: Mapped[bool] = mapped_column(default=False)
    rules: Mapped[int | None]
    settled: Mapped[bool] = mapped_column(default=False)


class NetworkKey(Base):
    """The secret under which one day's networks are told apart; once it is destroyed, no address can be found again."""

    __tablename__ = "network_key"

    day: Mapped[date] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64))


class Counter(Base):
    """A number that grows in commit order: its row is locked by whoever raises it."""

    __tablename__ = "counter"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
