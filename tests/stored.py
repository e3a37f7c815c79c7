"""Questions with stored answers, for tests of votes on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from arenas import NOW
from sqlalchemy.orm import Session

from db.judging import add_questions, record_answer
from db.session import Database
from db.tables import Answer, Question
from models.spec import ModelSpec

Row = TypeVar("Row", Question, Answer)


def question(number: str, *turns: str, language: str | None = "en") -> Question:
    """One of a set of the tests' own; without `turns` it asks for its number."""
    return Question(
        id=hashlib.sha256(number.encode()).hexdigest(), set="tests", number=number, category="generic",
        language=language, turns=list(turns) or [f"What about {number}?"], reference=None, created_at=NOW,
    )  # fmt: skip


def answer_of(spec: ModelSpec, to: Question, *turns: str, failure: str | None = None) -> Answer:
    """A finished answer, or one that failed; without `turns` it says who speaks of which turn of what."""
    said = list(turns) or [f"{spec.id} of {to.number}, {place}" for place in range(len(to.turns))]
    return Answer(
        id=hashlib.sha256(f"{spec.fingerprint} {to.id}".encode()).hexdigest()[:32],
        question_id=to.id, contestant=spec.fingerprint, turns=said, status="failed" if failure else "finished",
        failure=failure, tokens=12345, prompt_tokens=54321, seconds=987.25, source=None, created_at=NOW,
    )  # fmt: skip


def copied(row: Row) -> Row:
    return type(row)(**{column.key: getattr(row, column.key) for column in row.__table__.columns})


def store(database: Database, questions: Sequence[Question], answers: Sequence[Answer]) -> None:
    """Write copies of them down as the judge's verbs do."""

    def work(session: Session) -> None:
        add_questions(session, [copied(question) for question in questions])
        for answer in answers:
            record_answer(session, copied(answer))

    database.write(work)
