"""Stored answers as people are shown them: who has answered what, what a voter has seen, and the texts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from db.tables import Answer, Battle, Contestant, Question


@dataclass(frozen=True)
class Answered:
    """A question, and the fingerprints of who has answered it, in their order."""

    question_id: str
    language: str | None
    contestants: tuple[str, ...]


@dataclass(frozen=True)
class ShownTexts:
    """A question's prompts and two stored answers to it, a text for each prompt."""

    prompts: tuple[str, ...]
    a: tuple[str, ...]
    b: tuple[str, ...]


def anything_to_show(session: Session, contestants: Collection[str]) -> bool:
    """Whether `answered` has anything."""
    found = session.scalar(
        select(Answer.question_id)
        .join(Contestant, Contestant.fingerprint == Answer.contestant)
        .where(_drawn(contestants))
        .group_by(Answer.question_id)
        .having(func.count() > 1)
        .limit(1)
    )
    return found is not None


def answered(session: Session, contestants: Collection[str]) -> list[Answered]:
    """The questions to which at least two of these contestants have an answer; who is not drawn is left out."""
    rows = session.execute(
        select(Answer.question_id, Question.language, Answer.contestant)
        .join(Contestant, Contestant.fingerprint == Answer.contestant)
        .join(Question, Question.id == Answer.question_id)
        .where(_drawn(contestants))
        .order_by(Answer.question_id)
    )
    found = [
        Answered(*question, tuple(sorted(row.contestant for row in group)))
        for question, group in groupby(rows, key=lambda row: (row.question_id, row.language))
    ]
    return [one for one in found if len(one.contestants) > 1]


def times_shown(session: Session, voter: str) -> Mapping[str, int]:
    """How many battles of this voter were on each question, whatever came of them; without those that had none."""
    rows = session.execute(
        select(Battle.question_id, func.count())
        .where(Battle.voter == voter, Battle.question_id.is_not(None))
        .group_by(Battle.question_id)
    )
    return {str(question_id): count for question_id, count in rows}


def told(session: Session, voter: str) -> frozenset[str]:
    """The questions of which this voter knows who answered: a battle of theirs on it was voted on."""
    rows = select(Battle.question_id).where(
        Battle.voter == voter, Battle.question_id.is_not(None), Battle.status == "voted"
    )
    return frozenset(question_id for question_id in session.scalars(rows) if question_id is not None)


def undecided(session: Session, voter: str, since: datetime) -> frozenset[str]:
    """The battles that this voter can vote on, which those from before `since` are too old for, and their questions."""
    rows = session.execute(
        select(Battle.id, Battle.question_id).where(
            Battle.voter == voter,
            or_(
                Battle.status == "generating",
                and_(Battle.status.in_(("open", "stopped")), Battle.finished_at >= since),
            ),
        )
    )
    return frozenset(one for row in rows for one in row if one is not None)


def texts_of_battle(session: Session, battle: Battle) -> ShownTexts:
    """What a battle on a question is about. Raises `LookupError` where one of the two has no finished answer."""
    question = session.get(Question, battle.question_id)
    rows = session.execute(
        select(Answer.contestant, Answer.turns).where(
            Answer.question_id == battle.question_id,
            Answer.contestant.in_((battle.contestant_a, battle.contestant_b)),
            Answer.status == "finished",
        )
    )
    answers = {contestant: tuple(turns) for contestant, turns in rows}
    if question is None or len(answers) < 2:
        raise LookupError(f"there are no two answers to the question of battle {battle.id}")
    return ShownTexts(tuple(question.turns), answers[battle.contestant_a], answers[battle.contestant_b])


def _drawn(contestants: Collection[str]) -> ColumnElement[bool]:
    """Of answers joined with who gave them: the finished ones of those contestants that are drawn."""
    return and_(
        Answer.contestant.in_(contestants),
        Answer.status == "finished",
        Contestant.state == "on",
        Contestant.weight > 0,
    )
