"""Questions, answers and judgments: what is asked, what there is, and what need not be asked again.

Writers take whole rows, their moment too, and never ask a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.judged import JudgedRow as JudgedRow
from db.judged import JudgedTexts as JudgedTexts
from db.judged import judged as judged
from db.judged import texts_of as texts_of
from db.judged_battles import BattleTexts as BattleTexts  # part of what this module offers
from db.judged_battles import VoteAndVerdicts as VoteAndVerdicts
from db.judged_battles import battles_to_judge as battles_to_judge
from db.judged_battles import votes_and_judgments as votes_and_judgments
from db.parts import parts
from db.tables import Answer, Base, Judgment, Question

# What a judgment took, of all its attempts together.
_TOOK = ("attempts", "prompt_tokens", "tokens", "seconds", "cost")


# -- questions -----------------------------------------------------------------------------------


def add_questions(session: Session, rows: Iterable[Question]) -> int:
    """Store the questions that are not there, by their ids; how many were new.

    One that is there counts as made when it is given again: of all versions of a question that is then the latest.
    """
    given = {row.id: row for row in rows}
    known = {
        row.id: row for part in parts(given) for row in session.scalars(select(Question).where(Question.id.in_(part)))
    }
    for row in known.values():
        row.created_at = max(row.created_at, given[row.id].created_at)
    session.add_all(row for question_id, row in given.items() if question_id not in known)
    session.flush()
    return len(given) - len(known)


def questions_of(session: Session, set: str | None = None, language: str | None = None) -> Sequence[Question]:  # noqa: A002
    """The questions of a set, in a language; None: of all. In the order of their numbers, 2 before 10."""
    rows = select(Question).order_by(
        Question.created_at, Question.set, func.length(Question.number), Question.number, Question.language
    )
    if set is not None:
        rows = rows.where(Question.set == set)
    if language is not None:
        rows = rows.where(Question.language == language)
    return session.scalars(rows).all()


# -- answers -------------------------------------------------------------------------------------


def answers_of(
    session: Session, contestants: Collection[str] | None = None, questions: Collection[str] | None = None
) -> Sequence[Answer]:
    """The answers of these contestants to these questions, failed ones too; None: of all."""
    rows = select(Answer).order_by(Answer.created_at, Answer.id)
    if contestants is not None:
        rows = rows.where(Answer.contestant.in_(contestants))
    if questions is not None:
        rows = rows.where(Answer.question_id.in_(questions))
    return session.scalars(rows).all()


def record_answer(session: Session, answer: Answer) -> bool:
    """Store what a contestant answered to a question; whether it was stored.

    It takes the place, and the id, of an answer that failed; one that is finished stays as it is.
    """
    known = session.scalar(
        select(Answer).where(Answer.question_id == answer.question_id, Answer.contestant == answer.contestant)
    )
    if known is None:
        session.add(answer)
        session.flush()
        return True
    if known.status == "finished":
        return False
    _overwrite(known, answer, keep={"id"})
    return True


# -- judgments -----------------------------------------------------------------------------------


def states_of(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """Of those of these judgments that are there: "done" or "failed"."""
    rows = select(Judgment.key, Judgment.status)
    return {key: status for part in parts(keys) for key, status in session.execute(rows.where(Judgment.key.in_(part)))}


def record_judgment(session: Session, judgment: Judgment) -> bool:
    """Store what a judge said; whether it was stored.

    It takes the place of one that failed; one that is done stays as it is. What the one that was there took is added
    to what this one took, in either case: attempts, tokens, seconds, dollars; a sum is unknown where a part is.
    """
    known = session.get(Judgment, judgment.key)
    if known is None:
        session.add(judgment)
        session.flush()
        return True
    before = {name: getattr(known, name) for name in _TOOK}
    is_new = known.status != "done"
    if is_new:
        _overwrite(known, judgment, keep=set())
    for name, took in before.items():
        more = getattr(judgment, name)
        setattr(known, name, None if took is None or more is None else took + more)
    return is_new


def _overwrite(known: Base, row: Base, keep: Collection[str]) -> None:
    """Give a stored row every value of another one that will not be stored, None too."""
    for name in set(known.__table__.columns.keys()) - set(keep):
        setattr(known, name, getattr(row, name))
