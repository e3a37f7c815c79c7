"""One turn of a battle while it is generated: both sides asked, paced, stopped or failed, and written down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from arena.pacing import TICK_SECONDS, Answer, Frame, pace
from arena.view import Exchange, View, read_view
from db import queries
from db.session import Database, DatabaseProblem
from db.tables import Battle, Turn
from models.catalog import ModelSpec
from models.chat import ChatModel, Done, Message, Request, Side, stream_pair
from models.pool import NotReady, Wait

log = logging.getLogger("paddock.battle")


@dataclass(frozen=True)
class Limits:
    """The rules of battles; times in seconds, lengths in characters."""

    max_prompt_chars: int = 4000
    max_turns: int = 8
    max_regenerations: int = 2
    max_battles: int = 8
    max_waiting: int = 32
    answer_seconds: float = 300
    max_answer_chars: int = 40_000
    vote_window: timedelta = timedelta(hours=2)
    pace_chars: float = 80
    tick_seconds: float = TICK_SECONDS


class Residents(Protocol):
    """Whoever knows which models can answer, and keeps them in memory while they do; nothing here waits."""

    def ready(self) -> Sequence[ModelSpec]:
        """Those that can be had for a battle, at once or after a load."""
        ...

    def pairs(self) -> Sequence[tuple[ModelSpec, ModelSpec, Wait]]:
        """Every two that can meet, and what who reserves them now would wait for."""
        ...

    def reserve(self, spec_ids: Sequence[str]) -> AbstractContextManager[Callable[[], bool]]:
        """Hold models until the block ends; what it yields tells whether all are there, or raises if they can't be."""
        ...

    def model(self, spec_id: str) -> ChatModel:
        """One that is there."""
        ...


@dataclass
class _Outcome:
    complete: bool = False
    failure: str | None = None


class Turns:
    """Generates turns for all visitors of this process."""

    def __init__(self, database: Database, residents: Residents, limits: Limits, now: Callable[[], datetime]) -> None:
        self._db = database
        self._now = now
        self._residents = residents
        self._limits = limits
        self._stops: dict[str, asyncio.Event] = {}

    def stop(self, battle_id: str) -> bool:
        """End both sides of what this battle is generating, at the next tick; False where nothing is."""
        if stop := self._stops.get(battle_id):
            stop.set()
        return stop is not None

    def abandon(self, storing: Future[Turn]) -> None:
        """Stop a turn that nobody waits for, should its commit have come through."""
        if storing.cancelled() or storing.exception() is not None:
            return
        turn, now, nothing = storing.result(), self._now(), queries.Side("", None, None)
        key = (turn.battle_id, turn.position, turn.attempt)
        self._db.submit(lambda session: queries.stop_turn(session, key, nothing, nothing, now))

    async def generate(self, turn: Turn, voter: str, there: Callable[[], bool]) -> AsyncGenerator[View, None]:
        """Stream a turn that is already stored as generating; the last view is the committed row's.

        It begins when both models are `there`; until then, and if that raises, nothing shows which one is not.
        However it ends (done, stopped, failed, too late, the page closed), the row says so afterwards;
        where it can't be written, `DatabaseProblem` is raised and `Battles.stop` frees the battle later.
        """
        answers: dict[Side, Answer] = {"a": Answer(), "b": Answer()}
        stop = self._stops[turn.battle_id] = asyncio.Event()
        outcome = _Outcome()
        try:
            before = await asyncio.to_thread(self.view, turn.battle_id, voter)
            yield before
            async with aclosing(self._frames(turn, before.exchanges[:-1], answers, stop, outcome, there)) as frames:
                async for frame in frames:
                    yield before.with_last(frame.a, frame.b)
        except NotReady as error:
            outcome.failure = str(error)
        except Exception as error:
            outcome.failure = f"{type(error).__name__}: {error}"
            log.exception("battle %s failed", turn.battle_id)
        finally:
            del self._stops[turn.battle_id]
            await self._settle(turn, answers, outcome)
        yield await asyncio.to_thread(self.view, turn.battle_id, voter)

    async def _frames(
        self,
        turn: Turn,
        before: Sequence[Exchange],
        answers: Mapping[Side, Answer],
        stop: asyncio.Event,
        outcome: _Outcome,
        there: Callable[[], bool],
    ) -> AsyncGenerator[Frame, None]:
        clock = asyncio.get_running_loop().time
        while not there():
            yield Frame("", "", complete=False)
            if stop.is_set():
                return
            await asyncio.sleep(self._limits.tick_seconds)
        deadline = clock() + self._limits.answer_seconds
        events = stream_pair(*await asyncio.to_thread(self._requests, turn, before))
        paced = pace(events, answers, self._limits.pace_chars, self._limits.tick_seconds)
        async with aclosing(events), aclosing(paced):
            async for frame in paced:
                yield frame
                outcome.complete = frame.complete
                # The models' time, not the pace's: an answer that is there is only shown slowly.
                if clock() > deadline and any(answer.end is None for answer in answers.values()):
                    outcome.failure = f"no answer within {self._limits.answer_seconds:g} s"
                if stop.is_set() or outcome.failure:
                    return

    def _requests(self, turn: Turn, before: Sequence[Exchange]) -> tuple[Request, Request]:
        with self._db.read() as session:
            battle = session.get_one(Battle, turn.battle_id)
        a, b = (self._spec(fingerprint) for fingerprint in (battle.contestant_a, battle.contestant_b))
        return (
            self._request(a, [(exchange.prompt, exchange.a) for exchange in before], turn),
            self._request(b, [(exchange.prompt, exchange.b) for exchange in before], turn),
        )

    def _spec(self, fingerprint: str) -> ModelSpec:
        for spec in self._residents.ready():
            if spec.fingerprint == fingerprint:
                return spec
        raise LookupError(f"contestant {fingerprint[:12]} is not ready")

    def _request(self, spec: ModelSpec, before: Sequence[tuple[str, str]], turn: Turn) -> Request:
        messages = []
        for prompt, answer in before:
            messages += [Message("user", prompt), Message("assistant", answer)]
        messages.append(Message("user", turn.prompt))
        return Request(
            self._residents.model(spec.id),
            messages,
            spec.chat_sampling(),
            turn.seed,
            conversation=turn.battle_id,
            max_chars=self._limits.max_answer_chars,
        )

    async def _settle(self, turn: Turn, answers: Mapping[Side, Answer], outcome: _Outcome) -> None:
        key = (turn.battle_id, turn.position, turn.attempt)
        a, b = _side(answers["a"]), _side(answers["b"])
        reasons = [outcome.failure, *(answer.failure for answer in answers.values())]
        failure = "; ".join(reason for reason in reasons if reason)
        now = self._now()
        if failure:
            log.warning("battle %s is void: %s", turn.battle_id, failure)
            work = self._db.submit(lambda session: queries.fail_turn(session, key, a, b, now, failure))
        elif outcome.complete:
            work = self._db.submit(lambda session: queries.finish_turn(session, key, a, b, now))
        else:
            work = self._db.submit(lambda session: queries.stop_turn(session, key, a, b, now))
        # However often the visitor's task is cancelled: the row is written.
        await asyncio.shield(self._stored(work, key, now))

    async def _stored(self, work: Future[None], key: tuple[str, int, int], now: datetime) -> None:
        """Wait for the turn's end. Where the row can't hold it, void the battle: nothing else would ever end it.

        Raises `DatabaseProblem` where the storage takes nothing.
        """
        try:
            await asyncio.shield(asyncio.wrap_future(work))
        except DatabaseProblem:
            raise
        except Exception as error:
            log.exception("battle %s is void: its turn can't be stored", key[0])
            failure, nothing = f"the turn can't be stored ({type(error).__name__})", queries.Side("", None, None)
            void = self._db.submit(lambda session: queries.fail_turn(session, key, nothing, nothing, now, failure))
            await asyncio.shield(asyncio.wrap_future(void))

    def view(self, battle_id: str, voter: str) -> View:
        """The battle as its committed rows say. Raises `Refused` for another's battle."""
        with self._db.read() as session:
            return read_view(session, battle_id, voter, self._limits.max_regenerations)


def _side(answer: Answer) -> queries.Side:
    if isinstance(end := answer.end, Done):
        return queries.Side(
            answer.raw,
            end.reason,
            end.tokens,
            end.prompt_tokens,
            end.first_token_seconds,
            end.seconds,
            end.joules,
        )
    return queries.Side(answer.raw, "failed" if answer.end else None, None)
