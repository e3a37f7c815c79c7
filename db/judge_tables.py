"""The tables of the judge: questions, answers to them, and what a judge said of the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, one_of

AnswerStatus = Literal["finished", "failed"]
JudgmentStatus = Literal["done", "failed"]
Form = Literal["score", "pairwise", "single"]
First = Literal["a", "b"]
JudgedOutcome = Literal["a", "b", "tie"]


class Question(Base):
    """What contestants are asked and judged by; append-only, a changed text is another question.

    `id` is the SHA-256 in hex over set, number, language, category, turns and reference as canonical JSON. `number` is
    its id within the `set`: "paddock", "vicuna", "mt-bench", or a file's stem. `turns` are its prompts in order,
    `reference` the right answer to each where there is one.
    """

    __tablename__ = "question"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    set: Mapped[str]
    number: Mapped[str]
    category: Mapped[str]
    language: Mapped[str | None]
    turns: Mapped[list[str]]
    reference: Mapped[list[str] | None]
    created_at: Mapped[datetime]


class Answer(Base):
    """What a contestant said to a question, a text for each of its turns; one a question and contestant.

    `source` is null for one asked here, else what it was imported from. What it took is null where it is not known.
    """

    __tablename__ = "answer"
    __table_args__ = (one_of("status", get_args(AnswerStatus)), UniqueConstraint("question_id", "contestant"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    question_id: Mapped[str] = mapped_column(ForeignKey("question.id"))
    contestant: Mapped[str] = mapped_column(ForeignKey("contestant.fingerprint"), index=True)
    turns: Mapped[list[str]]
    status: Mapped[str]
    failure: Mapped[str | None]
    tokens: Mapped[int | None]
    prompt_tokens: Mapped[int | None]
    seconds: Mapped[float | None]
    source: Mapped[str | None]
    created_at: Mapped[datetime]


class Judgment(Base):
    """What a judge said of the answers of two contestants to a question or in a battle, shown in one order.

    `key` is a hash of all that decides it, so nothing is asked twice. `contestant_a` is the one with the smaller
    fingerprint, whatever the order; `first` is whose answer the judge was shown first. Scores and outcome are by
    contestant; of the single form there is only the one. `reply` is the judge's text, and what it took (tokens,
    seconds, dollars) is of all `attempts` together, null where it is not known.
    """

    __tablename__ = "judgment"
    __table_args__ = (
        one_of("form", get_args(Form)),
        one_of("first", get_args(First)),
        one_of("status", get_args(JudgmentStatus)),
        one_of("outcome", get_args(JudgedOutcome)),
        CheckConstraint("(question_id IS NULL) <> (battle_id IS NULL)", name="of_one"),
        CheckConstraint("(contestant_b IS NULL) = (form = 'single')", name="single"),
    )

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    judge: Mapped[str] = mapped_column(ForeignKey("contestant.fingerprint"), index=True)
    form: Mapped[str]
    wording: Mapped[str]
    question_id: Mapped[str | None] = mapped_column(ForeignKey("question.id"), index=True)
    battle_id: Mapped[str | None] = mapped_column(ForeignKey("battle.id"), index=True)
    contestant_a: Mapped[str] = mapped_column(ForeignKey("contestant.fingerprint"))
    contestant_b: Mapped[str | None] = mapped_column(ForeignKey("contestant.fingerprint"))
    answer_a: Mapped[str | None] = mapped_column(ForeignKey("answer.id"))
    answer_b: Mapped[str | None] = mapped_column(ForeignKey("answer.id"))
    first: Mapped[str]
    status: Mapped[str]
    failure: Mapped[str | None]
    attempts: Mapped[int]
    score_a: Mapped[float | None]
    score_b: Mapped[float | None]
    outcome: Mapped[str | None]
    reply: Mapped[str]
    prompt_tokens: Mapped[int | None]
    tokens: Mapped[int | None]
    seconds: Mapped[float | None]
    cost: Mapped[float | None]
    source: Mapped[str | None]
    created_at: Mapped[datetime]
