"""Battles for a judge to read, and votes beside what judges said of the same two answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session

from db.outcome import Outcome
from db.parts import parts
from db.reasoning import without_reasoning
from db.tables import Battle, Judgment, Question, Turn, Vote


@dataclass(frozen=True)
class BattleTexts:
    """A battle's turns that count, as people were shown them; `a` and `b` are the fingerprints of its sides.

    `question_id`: both answers are stored ones to this question.
    """

    battle_id: str
    a: str
    b: str
    category: str | None
    language: str | None
    prompts: tuple[str, ...]
    answers_a: tuple[str, ...]
    answers_b: tuple[str, ...]
    question_id: str | None

    @property
    def mark(self) -> str:
        """SHA-256 in hex over all that was shown, by contestant: of other answers a judge is asked anew."""
        answers = sorted([(self.a, self.answers_a), (self.b, self.answers_b)])
        return hashlib.sha256(json.dumps([self.prompts, answers]).encode()).hexdigest()


@dataclass(frozen=True)
class VoteAndVerdicts:
    """A vote that counts, and what a judge said of the same two answers; `a` is the smaller fingerprint in all of it.

    `verdicts` has, for each order asked ("a": a's answer was shown first), the outcome; None where that one failed.
    """

    battle_id: str
    category: str | None
    language: str | None
    a: str
    b: str
    people: Outcome
    judge: str
    form: str
    wording: str
    verdicts: dict[str, str | None]


def key_of(judge: str, form: str, wording: str, of: Sequence[str | None], first: str) -> str:
    """SHA-256 in hex over all that decides a judgment; `of`: the answers' ids, or a battle's and its `mark`."""
    return hashlib.sha256(json.dumps([judge, form, wording, *of, first]).encode()).hexdigest()


def battles_to_judge(
    session: Session, *, limit: int | None = None, offset: int = 0, over_since: datetime | None = None
) -> Sequence[BattleTexts]:
    """Battles that a judge can be asked about, oldest first: both answers of each turn are whole, and no stored ones.

    Those whose vote counts; with `over_since` also those that nobody voted on until then. `limit` of them after the
    first `offset`.
    """
    counted = exists().where(Vote.battle_id == Battle.id, Vote.status == "counted")
    half = exists().where(
        Turn.battle_id == Battle.id,
        Turn.superseded.is_(False),
        or_(Turn.status != "finished", Turn.prompt == ""),  # no prompt: it was forgotten
    )
    whole = exists().where(Turn.battle_id == Battle.id, Turn.superseded.is_(False), Turn.status == "finished")
    missed = and_(Battle.status == "open", Battle.finished_at < over_since) if over_since else false()
    rows = (
        select(Battle)
        .where(or_(counted, missed), whole, ~half)
        .where(Battle.contestant_a != Battle.contestant_b, Battle.question_id.is_(None))
        .order_by(Battle.created_at, Battle.id)
        .limit(limit)
        .offset(offset)
    )
    return texts_of_battles(session, session.scalars(rows).all())


def texts_by_battle(session: Session, battles: Iterable[str]) -> dict[str, BattleTexts]:
    """What is to be read in these battles today, whoever saw something else before."""
    found = (session.scalars(select(Battle).where(Battle.id.in_(part))).all() for part in parts(battles))
    return {texts.battle_id: texts for part in found for texts in texts_of_battles(session, part)}


def is_of_today(judgment: Any, texts: BattleTexts) -> bool:
    """Whether a judgment of a battle (a row with its columns) is of the texts that the battle has now.

    It is not after one of the answers was made anew. The key tells, as it is a hash of the texts too.
    """
    of = (texts.battle_id, texts.mark)
    return bool(judgment.key == key_of(judgment.judge, judgment.form, judgment.wording, of, judgment.first))


def texts_of_battles(session: Session, battles: Sequence[Battle]) -> list[BattleTexts]:
    turns: dict[str, list[Turn]] = {battle.id: [] for battle in battles}
    for part in parts(turns):
        rows = select(Turn).where(Turn.battle_id.in_(part), Turn.superseded.is_(False)).order_by(Turn.position)
        for turn in session.scalars(rows):
            turns[turn.battle_id].append(turn)
    return [
        BattleTexts(
            battle.id,
            battle.contestant_a,
            battle.contestant_b,
            category=turns[battle.id][0].category,
            language=turns[battle.id][0].language,
            prompts=tuple(turn.prompt for turn in turns[battle.id]),
            answers_a=tuple(without_reasoning(turn.answer_a) for turn in turns[battle.id]),
            answers_b=tuple(without_reasoning(turn.answer_b) for turn in turns[battle.id]),
            question_id=battle.question_id,
        )
        for battle in battles
    ]


def votes_and_judgments(session: Session, judge: str | None = None) -> Sequence[VoteAndVerdicts]:
    """What people and judges said of the same two answers, for each judge, form and wording.

    Of a battle that was judged itself, what was said of that; else, of a battle on a question, what was said of the
    stored answers, where they are all that the voter saw. What was said of answers that are no longer the battle's is
    left out. In the order of the votes, and what was said of one battle in the order it came.
    """
    found: dict[tuple[str, ...], VoteAndVerdicts] = {}
    for same in (_SAME_ANSWERS, _SAME_BATTLE):
        rows = _VOTED.join(Judgment, same)
        found |= _verdicts(session, rows if judge is None else rows.where(Judgment.judge == judge))
    return list(found.values())


def _verdicts(session: Session, rows: Select[Any]) -> dict[tuple[str, ...], VoteAndVerdicts]:
    found: dict[tuple[str, ...], VoteAndVerdicts] = {}
    ordered = session.execute(rows.order_by(Vote.sequence, Judgment.created_at, Judgment.key)).all()
    texts = texts_by_battle(session, {row.judged_battle for row in ordered if row.judged_battle})
    for row in ordered:
        if row.judged_battle and not is_of_today(row, texts[row.judged_battle]):
            continue
        key = (row.battle_id, row.judge, row.form, row.wording)
        if key not in found:
            people = Outcome(row.people)
            if row.side_a != row.a:
                people = _SWAPPED.get(people, people)
            found[key] = VoteAndVerdicts(
                row.battle_id, row.category, row.language, row.a, row.b, people, *key[1:], verdicts={}
            )
        found[key].verdicts[row.first] = row.outcome if row.status == "done" else None
    return found


_SWAPPED = {Outcome.A: Outcome.B, Outcome.B: Outcome.A}
_VOTED_COLUMNS: tuple[Any, ...] = (
    Vote.battle_id,
    func.coalesce(Question.category, Vote.category).label("category"),
    func.coalesce(Question.language, Vote.language).label("language"),
    Vote.contestant_a.label("side_a"),
    Vote.outcome.label("people"),
    Judgment.key,
    Judgment.battle_id.label("judged_battle"),
    Judgment.judge,
    Judgment.form,
    Judgment.wording,
    Judgment.contestant_a.label("a"),
    Judgment.contestant_b.label("b"),
    Judgment.first,
    Judgment.status,
    Judgment.outcome,
)
_VOTED: Select[Any] = (
    select(*_VOTED_COLUMNS)
    .select_from(Vote)
    .join(Battle, Battle.id == Vote.battle_id)
    .outerjoin(Question, Question.id == Battle.question_id)
    .where(Vote.status == "counted", Judgment.form != "single")
)
_SAME_BATTLE = Judgment.battle_id == Vote.battle_id
_SAME_ANSWERS = and_(
    Judgment.question_id == Battle.question_id,
    # A battle that went on beyond the question was voted on for more than these answers.
    func.json_array_length(Question.turns) == Vote.turns,
    or_(
        and_(Judgment.contestant_a == Vote.contestant_a, Judgment.contestant_b == Vote.contestant_b),
        and_(Judgment.contestant_a == Vote.contestant_b, Judgment.contestant_b == Vote.contestant_a),
    ),
)
