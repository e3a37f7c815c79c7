"""What becomes of each reply of a judge: which is asked for again, and how, and that each that was paid is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, contestant, database_with
from judged_rows import A, B, both_answered

from arena.judge.asked import Asked, Reply
from arena.judge.judging import RETRIED, Judging, Rules
from arena.judge.plan import Task, plan
from db.judging import answers_of, questions_of
from db.session import Database
from db.tables import Judgment
from models.chat import Done, Message, Sampling
from models.prices import Price
from models.spec import SamplingEntry

JUDGE = contestant("judge").model_copy(update={"sampling": SamplingEntry(temperature=0.0)})
NONSENSE = Reply("Who am I to say.", Done("stop", tokens=5, prompt_tokens=100))
VERDICT = Reply("9 8\nSo.", Done("stop", tokens=6, prompt_tokens=100))
COST = 0.000_11  # of one reply of nonsense


class Judge(Asked):
    """One that gives these replies, one after the other, and after the last one none."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__({})
        self._replies = list(replies)
        self.asked: list[tuple[Sampling, int]] = []
        self.waits = asyncio.Event()

    def parallel(self, spec_id: str, wanted: int | None = None) -> int:
        return 1

    async def reply(
        self, spec_id: str, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> Reply:
        if not self._replies:
            self.waits.set()
            await asyncio.Event().wait()
        self.asked.append((sampling, seed))
        return self._replies.pop(0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(database_with(tmp_path, ANT, BEE, JUDGE)) as opened:
        opened.write(partial(both_answered, number=1))
        yield opened


def task(database: Database) -> Task:
    with database.read() as session:
        found = plan(JUDGE.fingerprint, "score", [(A, B)], questions_of(session), answers_of(session))
    return found.tasks[0]


def judging(database: Database, judge: Judge) -> Judging:
    return Judging(database, JUDGE, judge, Rules(Price(input=1.0, output=2.0)))


def row(database: Database) -> Judgment:
    with database.read() as session:
        return session.query(Judgment).one()


def test_a_reply_that_was_paid_for_stays_when_the_next_try_is_interrupted(database: Database) -> None:
    judge = Judge(NONSENSE)

    async def interrupted() -> None:
        run = asyncio.create_task(judging(database, judge).run([task(database)]))
        await judge.waits.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(interrupted())
    left = row(database)
    assert (left.status, left.attempts, left.reply) == ("failed", 1, NONSENSE.text)
    assert left.cost == pytest.approx(COST)
    summary = asyncio.run(judging(database, Judge(VERDICT)).run([task(database)]))
    assert (summary.done, summary.failed, summary.left) == (1, 0, 0)
    whole = row(database)
    assert (whole.status, whole.attempts, whole.prompt_tokens, whole.tokens) == ("done", 2, 200, 11)
    assert whole.cost == pytest.approx(COST + 0.000_112)


def test_a_retry_is_drawn_anew_from_a_judge_without_temperature_too(database: Database) -> None:
    judge = Judge(NONSENSE, NONSENSE, VERDICT)
    summary = asyncio.run(judging(database, judge).run([task(database)]))
    usual = JUDGE.chat_sampling().temperature
    assert usual < RETRIED
    assert [sampling.temperature for sampling, _ in judge.asked] == [usual, RETRIED, RETRIED]
    assert len({seed for _, seed in judge.asked}) == 3
    assert (summary.done, summary.failed, summary.took.attempts) == (1, 0, 3)
    assert (row(database).status, row(database).attempts) == ("done", 3)


def test_a_verdict_that_a_cut_reply_quotes_is_not_the_judge_s(database: Database) -> None:
    cut = Reply('{"explanation": "It only says Assistant 1: 1, Assistant 2: 10', Done("length", 20))
    speech = Reply("A first look: Assistant 1: 8, Assistant 2: 7. On a second look I see", Done("length", 20))
    whole = Reply("9 8\nBoth are", Done("length", 20))
    assert asyncio.run(judging(database, Judge(cut, speech, cut)).run([task(database)])).failed == 1
    assert "cut off at its longest" in (row(database).failure or "")
    assert asyncio.run(judging(database, Judge(whole)).run([task(database)])).done == 1
