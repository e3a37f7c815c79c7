"""Judgments asked for: each reply committed as soon as it is there, and asked for again where it can't be read."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count

from arena.judge.asked import Asked, Reply
from arena.judge.estimate import tokens_in, tokens_read
from arena.judge.plan import Task
from arena.judge.replies import Unreadable, read_reply
from arena.judge.verdict import Verdict, by_contestant
from arena.judge.wordings import schema_of
from db.judging import record_judgment
from db.session import Database
from db.tables import Judgment
from models.chat import Done, Message, Sampling
from models.prices import Price
from models.spec import ModelSpec
from models.work import work_through

RETRIED = 0.3  # a judge at temperature 0 would say again what could not be read, and be paid for it again


@dataclass(frozen=True)
class Rules:
    """How judgments are asked for.

    A reply that can't be read is asked for again `retries` times, at a temperature of at least `RETRIED`. Nothing
    more is asked once more than `ceiling` dollars are counted (None: whatever it costs). `price` None: what the judge
    costs is not known.
    """

    price: Price | None
    retries: int = 2
    parallel: int | None = None
    ceiling: float | None = None


@dataclass
class Took:
    """What some requests took together; a sum is None as soon as a part of it is not known."""

    attempts: int = 0
    prompt_tokens: int | None = 0
    tokens: int | None = 0
    seconds: float = 0.0
    cost: float | None = 0.0

    def add(self, other: Took) -> None:
        self.attempts += other.attempts
        self.prompt_tokens = _sum(self.prompt_tokens, other.prompt_tokens)
        self.tokens = _sum(self.tokens, other.tokens)
        self.seconds += other.seconds
        self.cost = None if self.cost is None or other.cost is None else self.cost + other.cost


@dataclass
class Summary:
    """What a run has done: judgments by how they ended, and what all requests took; `seconds` by the clock.

    `failure` is why the last one failed.
    """

    done: int = 0
    failed: int = 0
    left: int = 0
    failure: str = ""
    took: Took = field(default_factory=Took)
    seconds: float = 0.0


class Judging:
    """One judge at work on a database."""

    def __init__(
        self,
        database: Database,
        judge: ModelSpec,
        asked: Asked,
        rules: Rules,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._db = database
        self._judge = judge
        self._asked = asked
        self._rules = rules
        self._now = now
        self._sampling = judge.chat_sampling()
        self.summary = Summary()

    async def run(self, tasks: Sequence[Task], told: Callable[[float], None] = lambda _: None) -> Summary:
        """Ask for every judgment; `told` gets the share that is there. What is there stays when this is cancelled.

        Raises `ModelUnavailable` where the judge can't be asked, or not any more.
        """
        began = time.monotonic()
        self.summary = Summary(left=len(tasks))

        async def do(task: Task) -> None:
            if not self._is_spent:
                await self._judge_one(task)
                told(1 - self.summary.left / len(tasks))

        try:
            await work_through(tasks, do, self._asked.parallel(self._judge.id, self._rules.parallel))
        finally:
            self.summary.seconds = time.monotonic() - began
        return self.summary

    @property
    def _is_spent(self) -> bool:
        ceiling, cost = self._rules.ceiling, self.summary.took.cost
        return ceiling is not None and cost is not None and cost > ceiling

    async def _judge_one(self, task: Task) -> None:
        """Ask until there is a verdict, or no more is to be asked; the row adds up what each reply took."""
        messages = task.messages()
        for attempt in count():
            reply = await self._asked.reply(
                self._judge.id, messages, self._sampling_of(task, attempt), _seed(task.key, attempt)
            )
            took = self._took(messages, reply)
            self.summary.took.add(took)
            found = _found(task, reply)
            # In the writer's hands it is safe from a cancelled run, and counts: it was paid for.
            row = self._row(task, found, reply.text, took)
            stored = self._db.submit(partial(record_judgment, judgment=row))
            # What ended as a failure was asked again already where that might help.
            asked_enough = not isinstance(reply.end, Done) or attempt == self._rules.retries or self._is_spent
            ends = isinstance(found, Verdict) or asked_enough
            if ends:
                self._count(found)
            await asyncio.shield(asyncio.wrap_future(stored))
            if ends:
                return

    def _sampling_of(self, task: Task, attempt: int) -> Sampling:
        usual = self._sampling.temperature
        temperature = max(usual, RETRIED) if attempt else usual
        return replace(self._sampling, schema=schema_of(task.form), temperature=temperature)

    def _took(self, messages: Sequence[Message], reply: Reply) -> Took:
        """Where the server does not count tokens, the dollars are reckoned from characters."""
        end = reply.end
        counted = (end.prompt_tokens, end.tokens) if isinstance(end, Done) else (None, None)
        cost: float | None = None
        if self._rules.price is not None:
            read = tokens_read(messages) if isinstance(end, Done) or reply.text else 0
            prompt_tokens, tokens = counted
            cost = self._rules.price.cost(
                read if prompt_tokens is None else prompt_tokens,
                tokens_in(reply.text) if tokens is None else tokens,
            )
        return Took(1, *counted, (end.seconds or 0.0) if isinstance(end, Done) else 0.0, cost)

    def _count(self, found: Verdict | str) -> None:
        self.summary.left -= 1
        if isinstance(found, str):
            self.summary.failed += 1
            self.summary.failure = found
        else:
            self.summary.done += 1

    def _row(self, task: Task, found: Verdict | str, reply: str, took: Took) -> Judgment:
        of = task.comparison
        verdict = found if isinstance(found, Verdict) else Verdict(None, None, None)
        return Judgment(
            key=task.key, judge=self._judge.fingerprint, form=task.form, wording=task.wording.name,
            question_id=of.question_id, battle_id=of.battle_id, contestant_a=of.a, contestant_b=of.b,
            answer_a=of.answer_a, answer_b=of.answer_b, first=task.first,
            status="failed" if isinstance(found, str) else "done", failure=found if isinstance(found, str) else None,
            score_a=verdict.score_a, score_b=verdict.score_b, outcome=verdict.outcome, reply=reply,
            attempts=took.attempts, prompt_tokens=took.prompt_tokens, tokens=took.tokens, seconds=took.seconds,
            cost=took.cost, created_at=self._now(),
        )  # fmt: skip


def _seed(key: str, attempt: int) -> int:
    """Another one for each attempt, the same in each run."""
    return int.from_bytes(hashlib.sha256(f"{key} {attempt}".encode()).digest()[:4], "big") >> 1


def _found(task: Task, reply: Reply) -> Verdict | str:
    """The verdict, or why there is none."""
    if not isinstance(reply.end, Done):
        return reply.end.detail
    cut = reply.end.reason == "length"
    try:
        return by_contestant(read_reply(task.form, reply.text, cut=cut), task.first)
    except Unreadable as problem:
        return f"{problem}; it was cut off at its longest (max_tokens)" if cut else str(problem)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
