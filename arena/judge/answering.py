"""Questions put to contestants: an answer is stored as soon as it is whole, and what is stored is not asked again."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import SecretStr

from arena.judge.asked import Asked, ModelUnavailable, models_of
from arena.judge.questions import Question
from arena.prompts import visible_text
from arena.settings import Settings
from db import tables
from db.judging import add_questions, answers_of, record_answer
from db.session import Database
from models.chat import Done, Message, Sampling
from models.pool import Load, load_worker
from models.spec import ModelSpec
from models.work import work_through


@dataclass(frozen=True)
class Limits:
    """`parallel` answers of a model at a time (None: as usual), none longer than `max_tokens` (None: than its own)."""

    parallel: int | None = None
    max_tokens: int | None = None


@dataclass
class Progress:
    """How far a contestant is: answers that were `known` before, are `left` to ask for, and have come since.

    `failures` counts why answers failed, `tokens` those of the others where a server tells them. `problem`: why it
    could not be asked (any more); empty: it could.
    """

    spec: ModelSpec
    known: int
    left: int
    finished: int = 0
    tokens: int = 0
    problem: str = ""
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def is_whole(self) -> bool:
        return not (self.left or self.failures or self.problem)


class Answering:
    """Contestants at work on questions. They must be in the database already."""

    def __init__(
        self,
        database: Database,
        specs: Sequence[ModelSpec],
        questions: Sequence[Question],
        limits: Limits,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Stores the questions and reads which answers there are. Raises `DatabaseProblem`."""
        self._db = database
        self._limits = limits
        self._now = now
        database.write(lambda session: add_questions(session, [row_of(question, now()) for question in questions]))
        with database.read() as session:
            stored = answers_of(session, [spec.fingerprint for spec in specs], [question.id for question in questions])
        finished = {(row.contestant, row.question_id) for row in stored if row.status == "finished"}
        self._failed = {(row.contestant, row.question_id): row.created_at for row in stored if row.status == "failed"}
        self._left = {
            spec.id: [question for question in questions if (spec.fingerprint, question.id) not in finished]
            for spec in specs
        }
        self.progress = [
            Progress(spec, len(questions) - len(self._left[spec.id]), len(self._left[spec.id])) for spec in specs
        ]
        self._total = sum(one.left for one in self.progress)

    def run(
        self,
        settings: Settings,
        keys: Mapping[str, SecretStr],
        told: Callable[[str], None],
        share: Callable[[float], None] = lambda _: None,
        *,
        load: Load = load_worker,
    ) -> None:
        """Ask for what is missing; afterwards, or when interrupted, `progress` says how far it came.

        `keys` and `told` as in `models_of`; `share` gets the part that is done, 0 to 1. A contestant that can't be
        asked stops nobody else. Raises `DatabaseProblem`.
        """
        for together in self._groups():
            with models_of([one.spec for one in together], settings, keys, told, load=load) as asked:
                asyncio.run(work_through(together, lambda one: self._ask(asked, one, share), len(together)))

    def _groups(self) -> Iterator[list[Progress]]:
        """Who is asked at the same time: servers all at once, local models each alone, with all cores and memory."""
        waiting = [one for one in self.progress if one.left]
        remote = [one for one in waiting if one.spec.engine in ("endpoint", "scripted")]
        if remote:
            yield remote
        yield from ([one] for one in waiting if one not in remote)

    async def _ask(self, asked: Asked, one: Progress, share: Callable[[float], None]) -> None:
        async def do(question: Question) -> None:
            row = await self._answer(asked, one.spec, question)
            # In the writer's hands it is safe from Ctrl-C, and counts: whoever closes the database waits for it.
            stored = self._db.submit(lambda session: record_answer(session, row))
            _count(one, row)
            await asyncio.shield(asyncio.wrap_future(stored))
            share(1 - sum(other.left for other in self.progress) / self._total)

        try:
            await work_through(self._left[one.spec.id], do, asked.parallel(one.spec.id, self._limits.parallel))
        except ModelUnavailable as error:
            one.problem = str(error)

    async def _answer(self, asked: Asked, spec: ModelSpec, question: Question) -> tables.Answer:
        """All turns of a question in one conversation, in which a model does not see its own earlier reasoning."""
        messages: list[Message] = []
        ends: list[Done] = []
        failure = None
        conversation = f"{question.id} {spec.fingerprint}"
        for position, prompt in enumerate(question.turns):
            messages.append(Message("user", prompt))
            seed = self._seed(spec, question, position)
            reply = await asked.reply(spec.id, messages, self._sampling(spec), seed, conversation)
            text = visible_text(reply.text, complete=True)
            if not isinstance(reply.end, Done):
                failure = reply.end.detail
            elif not text.strip():
                failure = "answered nothing but its reasoning" if reply.text.strip() else "answered nothing"
            if not isinstance(reply.end, Done) or failure:
                break
            ends.append(reply.end)
            messages.append(Message("assistant", text))
        return tables.Answer(
            id=secrets.token_hex(16),
            question_id=question.id,
            contestant=spec.fingerprint,
            turns=[message.text for message in messages if message.role == "assistant"],
            status="failed" if failure else "finished",
            failure=failure,
            tokens=_sum([end.tokens for end in ends]),
            prompt_tokens=_sum([end.prompt_tokens for end in ends]),
            seconds=sum(end.seconds or 0.0 for end in ends),
            source=None,
            created_at=self._now(),
        )

    def _sampling(self, spec: ModelSpec) -> Sampling:
        sampling = spec.chat_sampling()
        return replace(sampling, max_tokens=min(self._limits.max_tokens or sampling.max_tokens, sampling.max_tokens))

    def _seed(self, spec: ModelSpec, question: Question, position: int) -> int:
        """The same whenever the same is asked for; another one once that has failed."""
        before = self._failed.get((spec.fingerprint, question.id), "")
        text = f"{question.id} {spec.fingerprint} {position} {before}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def _count(one: Progress, row: tables.Answer) -> None:
    one.left -= 1
    if row.failure:
        one.failures[row.failure] += 1
    else:
        one.finished += 1
        one.tokens += row.tokens or 0


def spread(questions: Sequence[Question], count: int) -> tuple[Question, ...]:
    """About as many of each category, its first ones, `count` together; in the order given."""
    nth: defaultdict[str, int] = defaultdict(int)
    ranked = []
    for place, question in enumerate(questions):
        ranked.append((nth[question.category], place))
        nth[question.category] += 1
    return tuple(questions[place] for place in sorted(place for _, place in sorted(ranked)[:count]))


def row_of(question: Question, now: datetime) -> tables.Question:
    """The question as it is stored."""
    return tables.Question(
        id=question.id,
        set=question.set,
        number=question.number,
        category=question.category,
        language=question.language,
        turns=list(question.turns),
        reference=list(question.reference) if question.reference else None,
        created_at=now,
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
