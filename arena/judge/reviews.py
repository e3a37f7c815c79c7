"""Published reviews → questions, answers and judgments of ours."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from arena.judge.answering import row_of
from arena.judge.pairs import Contradiction
from arena.judge.plan import key_of
from arena.judge.published import Published, PublishedAnswer, Review, read_published
from arena.judge.replies import Unreadable, read_reply
from arena.judge.verdict import First, Verdict, by_contestant, scored
from db import tables
from db.contestants import imported_contestant, imported_fingerprint
from db.judging import add_questions, record_answer
from db.queries import enrol
from db.session import Database, Session

VICUNA = "vicuna"
_SAID = ("status", "failure", "score_a", "score_b", "outcome", "reply")
_CHANGES = (*_SAID, "created_at")  # reports are kept until something newer is judged


@dataclass(frozen=True)
class Imported:
    """What came of a folder: how many questions, answers and reviews are new.

    Of the reviews `known` were there as they are, `changed` got other scores than they had, and `failed` have none.
    `contradictions`: reviews whose stored scores are not those of their texts, whichever were taken.
    """

    questions: int
    answers: int
    reviews: int
    known: int
    changed: int
    failed: int
    contradictions: tuple[Contradiction, ...]


def import_reviews(
    database: Database, folder: Path, now: datetime, *, set_name: str = VICUNA, reparse: bool = False
) -> Imported:
    """Take in a folder of published reviews, all or nothing; what is there already is not added again.

    `reparse`: scores are read from the texts instead of the field `score`; judgments that an import brought before
    get these. Of two reviews of the same answers by the same reviewer the first counts. Raises `JudgeProblem`.
    """
    published = read_published(folder, set_name)
    judgments = {row.key: row for row in reversed([_judgment(one, now, reparse) for one in published.reviews])}

    def work(session: Session) -> Imported:
        for name, called in {**published.names, **{one.reviewer: one.reviewer for one in published.reviews}}.items():
            enrol(session, imported_contestant(name, now, called))
        session.flush()
        questions = add_questions(session, [row_of(one, now) for one in published.questions])
        answers = sum(_is_new(session, _answer(one, folder.name, now)) for one in published.answers)
        session.flush()
        ended = Counter(_stored(session, row) for row in judgments.values())
        return Imported(
            questions=questions,
            answers=answers,
            reviews=ended["new"],
            known=ended["known"],
            changed=ended["changed"],
            failed=sum(row.status == "failed" for row in judgments.values()),
            contradictions=contradictions(published),
        )

    return database.write(work)


def contradictions(published: Published) -> tuple[Contradiction, ...]:
    """The reviews whose stored scores are not those that their texts give."""
    found = []
    for review in published.reviews:
        if review.scores is not None and (text := _read(review)) != review.scores:
            number, category = review.question.number, review.question.category
            found.append(Contradiction(_key(review), review.file, number, category, review.scores, text))
    return tuple(found)


def _read(review: Review) -> tuple[float, float] | None:
    """The scores that the text gives."""
    try:
        said = read_reply("score", review.text)
    except Unreadable:
        return None
    return None if said.first is None or said.second is None else (said.first, said.second)


def _judgment(review: Review, now: datetime, reparse: bool) -> tables.Judgment:
    a, b, first = _in_order(review)
    scores = _read(review) if reparse else review.scores
    verdict = Verdict(None, None, None) if scores is None else by_contestant(scored(*scores), first)
    return tables.Judgment(
        key=_key(review),
        judge=imported_fingerprint(review.reviewer),
        form="score",
        wording=_wording(review),
        question_id=review.question.id,
        battle_id=None,
        contestant_a=imported_fingerprint(a.model),
        contestant_b=imported_fingerprint(b.model),
        answer_a=_answer_id(a),
        answer_b=_answer_id(b),
        first=first,
        status="failed" if scores is None else "done",
        failure="no scores can be read from the review" if scores is None else None,
        attempts=1,
        score_a=verdict.score_a,
        score_b=verdict.score_b,
        outcome=verdict.outcome,
        reply=review.text,
        prompt_tokens=None,
        tokens=None,
        seconds=None,
        cost=None,
        source=review.file,
        created_at=now,
    )


def _in_order(review: Review) -> tuple[PublishedAnswer, PublishedAnswer, First]:
    """Both answers as judgments hold them, the smaller fingerprint first, and which of them was shown first."""
    if imported_fingerprint(review.first.model) < imported_fingerprint(review.second.model):
        return review.first, review.second, "a"
    return review.second, review.first, "b"


def _key(review: Review) -> str:
    a, b, first = _in_order(review)
    return key_of(
        imported_fingerprint(review.reviewer), "score", _wording(review), (_answer_id(a), _answer_id(b)), first
    )


def _wording(review: Review) -> str:
    return f"published/{review.prompt}"


def _answer_id(answer: PublishedAnswer) -> str:
    return hashlib.sha256(f"{imported_fingerprint(answer.model)} {answer.question.id}".encode()).hexdigest()[:32]


def _stored(session: Session, row: tables.Judgment) -> str:
    """Store a judgment; whether it is new, known or changed; one that changed is as new as this import."""
    there = session.get(tables.Judgment, row.key)
    if there is None:
        session.add(row)
        return "new"
    if all(getattr(there, name) == getattr(row, name) for name in _SAID):
        return "known"
    for name in _CHANGES:
        setattr(there, name, getattr(row, name))
    return "changed"


def _is_new(session: Session, row: tables.Answer) -> bool:
    """Store an answer; whether it was not there. An empty one, a failure, is written anew each time."""
    there = session.get(tables.Answer, row.id) is not None
    return record_answer(session, row) and not there


def _answer(answer: PublishedAnswer, source: str, now: datetime) -> tables.Answer:
    empty = not answer.text.strip()
    return tables.Answer(
        id=_answer_id(answer),
        question_id=answer.question.id,
        contestant=imported_fingerprint(answer.model),
        turns=[answer.text],
        status="failed" if empty else "finished",
        failure="answered nothing" if empty else None,
        tokens=None,
        prompt_tokens=None,
        seconds=None,
        source=source,
        created_at=now,
    )
