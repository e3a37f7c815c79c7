"""Questions, answers and judgments as rows, for tests of what reads and keeps them."""

from __future__ import annotations

from typing import Any

from arenas import ANT, BEE, NOW
from sqlalchemy.orm import Session

from db.judged_battles import BattleTexts, key_of
from db.judging import add_questions, record_answer, record_judgment
from db.queries import open_battle
from db.tables import Answer, Battle, Contestant, Judgment, Question, Turn

JUDGE = "j" * 64
A, B = sorted((ANT.fingerprint, BEE.fingerprint))


def judge(fingerprint: str = JUDGE, name: str = "The Judge") -> Contestant:
    return Contestant(
        fingerprint=fingerprint, model_id="judge", name=name, engine="scripted", quantization="", license="", url="",
        identity={}, created_at=NOW,
    )  # fmt: skip


def question(number: int, **changes: Any) -> Question:
    values = {
        "id": f"question {number}", "set": "paddock", "number": str(number), "category": "fermi", "language": "en",
        "turns": [f"How many {number}?"], "reference": None, "created_at": NOW,
    } | changes  # fmt: skip
    return Question(**values)


def answer(number: int, contestant: str, *turns: str, **changes: Any) -> Answer:
    values = {
        "id": f"{contestant[:8]} to {number}", "question_id": f"question {number}", "contestant": contestant,
        "turns": list(turns) or ["None."], "status": "finished", "created_at": NOW,
    } | changes  # fmt: skip
    return Answer(**values)


def judgment(number: int, first: str = "a", **changes: Any) -> Judgment:
    """Of both answers to a question, for a; `changes` may make it one of a battle, or another verdict."""
    values = {
        "key": f"{number} {first}", "judge": JUDGE, "form": "score", "wording": "score/general/1",
        "question_id": f"question {number}", "contestant_a": A, "contestant_b": B, "first": first, "status": "done",
        "answer_a": f"{A[:8]} to {number}", "answer_b": f"{B[:8]} to {number}", "attempts": 1, "score_a": 8.0,
        "score_b": 6.5, "outcome": "a", "reply": "8 6.5", "prompt_tokens": 100, "tokens": 10, "seconds": 1.5,
        "cost": 0.25, "created_at": NOW,
    } | changes  # fmt: skip
    return Judgment(**values)


def of_battle(
    battle_id: str,
    first: str = "a",
    prompts: tuple[str, ...] = ("Why?",),
    answers: tuple[tuple[str, ...], tuple[str, ...]] = (("an answer",), ("an answer",)),
    **changes: Any,
) -> Judgment:
    """Of a battle that showed these texts, a's answers first; as they stand, those of `arenas.ready_battle`."""
    of = {"key": "", "question_id": None, "battle_id": battle_id, "answer_a": None, "answer_b": None,
          "form": "pairwise", "wording": "pairwise/general/1", "score_a": None, "score_b": None}  # fmt: skip
    row = judgment(0, first, **(of | changes))
    mark = BattleTexts(battle_id, A, B, None, None, prompts, *answers, None).mark
    row.key = key_of(row.judge, row.form, row.wording, (battle_id, mark), first)
    return row


def both_answered(session: Session, number: int, a: str = "Five.", b: str = "Seven, or so.") -> None:
    add_questions(session, [question(number)])
    record_answer(session, answer(number, A, a))
    record_answer(session, answer(number, B, b))


def battle_on(session: Session, number: int, battle_id: str, *more: str) -> None:
    """An open battle of B against A, in this order, on the stored answers; `more` are prompts beyond the question."""
    battle = Battle(
        id=battle_id, voter="ann", contestant_a=B, contestant_b=A, probability=1.0, status="open", created_at=NOW,
        finished_at=NOW, question_id=f"question {number}",
    )  # fmt: skip
    turns = [
        Turn(
            battle_id=battle_id, position=position, attempt=0, prompt=prompt, seed=0, status="finished",
            answer_a="of b", answer_b="of a", started_at=NOW, category="other",
        )
        for position, prompt in enumerate([f"How many {number}?", *more])
    ]  # fmt: skip
    open_battle(session, battle, turns[0])
    session.add_all(turns[1:])


def evaluate(session: Session) -> None:
    """Something in each of the judge's tables, in every state, and a battle on stored answers."""
    session.add(judge())
    session.flush()
    for number in (1, 2):
        both_answered(session, number, "line\nand \x00 \ud800 \N{HORSE} '\"\\", "答案")
    add_questions(session, [question(3, reference=["about 3"], language=None, turns=["One?", "Two?"])])
    record_answer(session, answer(3, A, status="failed", failure="answered nothing", turns=[]))
    record_judgment(session, judgment(1))
    record_judgment(session, judgment(1, "b", status="failed", failure="no score", outcome=None, reply="?"))
    record_judgment(
        session, judgment(2, form="single", contestant_b=None, answer_b=None, score_b=None, outcome=None, source="x")
    )
    battle_on(session, 2, "on a question")
    record_judgment(session, of_battle("on a question", prompts=("How many 2?",), answers=(("of a",), ("of b",))))
