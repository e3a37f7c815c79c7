"""What judges said, as reports and pages read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session, aliased

from db.judged_battles import BattleTexts, is_of_today, texts_by_battle
from db.tables import Answer, Contestant, Judgment, Question, Turn, Vote


@dataclass(frozen=True)
class JudgedRow:
    """One judgment: of a question (`question_id`, `number`, `set`) or of a battle (`battle_id`).

    `a` and `b` are the contestants' fingerprints, `a` the smaller; of the single form there is no b. `first` is whose
    answer the judge was shown first; scores and outcome are by contestant. Lengths are the characters of all the
    answer's turns. What it took is of all attempts together, None where it is not known. `unvoted`: of a battle that
    nobody voted on.
    """

    key: str
    judge: str
    judge_name: str
    form: str
    wording: str
    question_id: str | None
    number: str | None
    set: str | None
    category: str | None
    language: str | None
    battle_id: str | None
    a: str
    b: str | None
    name_a: str
    name_b: str | None
    first: str
    status: str
    failure: str | None
    attempts: int
    score_a: float | None
    score_b: float | None
    outcome: str | None
    length_a: int
    length_b: int
    reply: str
    cost: float | None
    tokens: int | None
    prompt_tokens: int | None
    seconds: float | None
    source: str | None
    unvoted: bool = False


@dataclass(frozen=True)
class JudgedTexts:
    """What a judge read and wrote: prompts, both contestants' answers to them, reference answers, its reply."""

    prompts: tuple[str, ...]
    answers_a: tuple[str, ...]
    answers_b: tuple[str, ...]
    reference: tuple[str, ...] | None
    reply: str


# -- judgments, whole ----------------------------------------------------------------------------


def judged(
    session: Session,
    *,
    judge: str | None = None,
    form: str | None = None,
    set: str | None = None,  # noqa: A002
) -> Sequence[JudgedRow]:
    """All judgments, failed ones too, of a judge by its fingerprint, of a form, of a set of questions; None: of all.

    Set by set in the order of their numbers, the versions of a question in theirs; then those of battles. Without
    those of answers that are no longer the battle's.
    """
    rows = _JUDGED
    if judge is not None:
        rows = rows.where(Judgment.judge == judge)
    if form is not None:
        rows = rows.where(Judgment.form == form)
    if set is not None:
        rows = rows.where(Question.set == set)
    found = session.execute(rows).all()
    battles = texts_by_battle(session, {row.battle_id for row in found if row.battle_id})
    lengths = _lengths(session, battles.values())
    of_today = (row for row in found if not row.battle_id or is_of_today(row, battles[row.battle_id]))
    return [_judged_row(row._asdict(), lengths) for row in of_today]


def _judged_row(row: dict[str, Any], lengths: Mapping[tuple[str, str], int]) -> JudgedRow:
    of = row["question_id"] or row["battle_id"]
    length_b = lengths[of, row["b"]] if row["b"] else 0
    return JudgedRow(**row, length_a=lengths[of, row["a"]], length_b=length_b)


def _lengths(session: Session, battles: Iterable[BattleTexts]) -> dict[tuple[str, str], int]:
    """The characters of the answers that were judged, by question or battle and contestant."""
    answers = select(Answer.question_id, Answer.contestant, Answer.turns).where(
        Answer.question_id.in_(select(Judgment.question_id))
    )
    lengths = {(of, contestant): sum(map(len, turns)) for of, contestant, turns in session.execute(answers)}
    for battle in battles:
        lengths[battle.battle_id, battle.a] = sum(map(len, battle.answers_a))
        lengths[battle.battle_id, battle.b] = sum(map(len, battle.answers_b))
    return lengths


# -- one judgment's texts ------------------------------------------------------------------------


def texts_of(session: Session, key: str) -> JudgedTexts:
    """What the judge read and wrote, the answers by contestant. Raises `NoResultFound` for an unknown key."""
    judgment = session.get_one(Judgment, key)
    if judgment.battle_id is not None:
        battle = texts_by_battle(session, [judgment.battle_id])[judgment.battle_id]
        swapped = battle.a != judgment.contestant_a
        answers = (battle.answers_b, battle.answers_a) if swapped else (battle.answers_a, battle.answers_b)
        return JudgedTexts(battle.prompts, *answers, None, judgment.reply)
    question = session.get_one(Question, judgment.question_id)
    rows = select(Answer.id, Answer.turns).where(Answer.id.in_([judgment.answer_a, judgment.answer_b]))
    turns = dict(session.execute(rows).all())
    answer_a, answer_b = (tuple(turns.get(name or "", ())) for name in (judgment.answer_a, judgment.answer_b))
    reference = None if question.reference is None else tuple(question.reference)
    return JudgedTexts(tuple(question.turns), answer_a, answer_b, reference, judgment.reply)


_JUDGE, _A, _B = aliased(Contestant), aliased(Contestant), aliased(Contestant)
_NAMES = ("key", "judge", "form", "wording", "question_id", "battle_id", "first", "status", "failure", "attempts",
          "score_a", "score_b", "outcome", "reply", "cost", "tokens", "prompt_tokens", "seconds", "source")  # fmt: skip
_JUDGED: Select[Any] = (
    select(
        *(getattr(Judgment, name) for name in _NAMES),
        Judgment.contestant_a.label("a"),
        Judgment.contestant_b.label("b"),
        _JUDGE.name.label("judge_name"),
        _A.name.label("name_a"),
        _B.name.label("name_b"),
        Question.set,
        Question.number,
        func.coalesce(Question.category, Turn.category).label("category"),
        func.coalesce(Question.language, Turn.language).label("language"),
        and_(Judgment.battle_id.is_not(None), Vote.battle_id.is_(None)).label("unvoted"),
    )
    .select_from(Judgment)
    .join(_JUDGE, _JUDGE.fingerprint == Judgment.judge)
    .join(_A, _A.fingerprint == Judgment.contestant_a)
    .outerjoin(_B, _B.fingerprint == Judgment.contestant_b)
    .outerjoin(Question, Question.id == Judgment.question_id)
    .outerjoin(Turn, and_(Turn.battle_id == Judgment.battle_id, Turn.position == 0, Turn.superseded.is_(False)))
    .outerjoin(Vote, Vote.battle_id == Judgment.battle_id)
    .order_by(
        # Where null stands among others is each database's own affair.
        Judgment.battle_id.is_not(None),
        Question.set,
        func.length(Question.number),
        Question.number,
        # Of a question whose text has changed, the latest version comes last.
        Question.created_at,
        Judgment.created_at,
        Judgment.key,
    )
)
