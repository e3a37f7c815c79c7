"""One turn of a battle while it is generated: both sides asked, paced, stopped or failed, and written down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, aclosing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from arena.identity import MASK, Playing
from arena.labels import style_of
from arena.pacing import TICK_SECONDS, Answer, Frame, pace
from arena.privacy.moderation import Moderate, unmoderated
from arena.prompts import visible_text
from arena.stored import stored_side
from arena.tempo import Tempo
from arena.view import View, read_view
from arena.waits import Waits
from db import queries
from db.limits import Quotas
from db.session import Database, DatabaseProblem, Unstorable
from db.shown import texts_of_battle
from db.tables import Battle, Turn
from models.chat import ChatModel, Done, Failed, Message, Notice, Request, Sampling, Side, stream_pair
from models.pool import NotReady, Wait
from models.replay import ReplayModel
from models.spec import ModelSpec

log = logging.getLogger("paddock.battle")


@dataclass(frozen=True)
class Limits:
    """The rules of battles; times in seconds, lengths in characters. Without `quotas` nobody is a stranger.

    `wait_alike`: where memory does not hold every pair, all battles wait as long for their models; see `Waits`.
    `moderate` is awaited with each prompt before anything is stored, and raises `PromptError` where it is refused.
    """

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
    wait_alike: bool = False
    quotas: Quotas | None = None
    moderate: Moderate = unmoderated


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


_NOTHING = Frame("", "", complete=False)


@dataclass
class _Outcome:
    stored: bool = False
    complete: bool = False
    failure: str | None = None
    shown: Frame = _NOTHING


class Turns:
    """Generates turns for all visitors of this process."""

    def __init__(
        self,
        database: Database,
        residents: Residents,
        limits: Limits,
        now: Callable[[], datetime],
        playing: Sequence[ModelSpec] = (),
    ) -> None:
        """`playing` are all whose names no answer may tell before the vote."""
        self.names = Playing(playing).names
        self._db = database
        self._now = now
        self._residents = residents
        self._limits = limits
        self._stops: dict[str, asyncio.Event] = {}
        self._tempo = Tempo(limits.pace_chars)
        self._waits = Waits(limits.tick_seconds, lambda: any(wait is not Wait.NOT for _, _, wait in residents.pairs()))

    def stop(self, battle_id: str) -> bool:
        """End both sides of what this battle is generating, at the next tick; False where nothing is."""
        if stop := self._stops.get(battle_id):
            stop.set()
        return stop is not None

    def stop_all(self) -> None:
        """The same of every battle; from any thread, for nobody waits for these events, they are looked at."""
        for stop in list(self._stops.values()):
            stop.set()

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
        names = self.names()
        answers: dict[Side, Answer] = {"a": Answer(names), "b": Answer(names)}
        stop = self._stops[turn.battle_id] = asyncio.Event()
        outcome = _Outcome()
        try:
            before = await asyncio.to_thread(self.view, turn.battle_id, voter)
            outcome.stored = before.stored
            yield before
            async with aclosing(self._frames(turn, answers, stop, outcome, there)) as frames:
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
        view = await asyncio.to_thread(self.view, turn.battle_id, voter)
        yield replace(view, notice=_notice(answers.values()))

    async def _frames(
        self,
        turn: Turn,
        answers: Mapping[Side, Answer],
        stop: asyncio.Event,
        outcome: _Outcome,
        there: Callable[[], bool],
    ) -> AsyncGenerator[Frame, None]:
        clock = asyncio.get_running_loop().time
        # Further turns of a battle come with models that were there for its first one: no wait says who they are.
        alike = self._limits.wait_alike and not (outcome.stored or turn.position or turn.attempt)
        async with aclosing(self._waits.until(there, alike=alike)) as waiting:
            async for _ in waiting:
                yield _NOTHING
                if stop.is_set():
                    return
        deadline = clock() + self._limits.answer_seconds
        contestants, requests = await asyncio.to_thread(self._requests, turn)
        events = stream_pair(*requests)
        speed, earliest = self._tempo.common(spec.fingerprint for spec in self._residents.ready())
        paced = pace(events, answers, speed, self._limits.tick_seconds, earliest)
        async with aclosing(events), aclosing(paced):
            async for frame in paced:
                outcome.shown = frame
                yield frame
                outcome.complete = frame.complete
                # The models' time, not the pace's: an answer that is there is only shown slowly.
                if clock() > deadline and any(answer.end is None for answer in answers.values()):
                    outcome.failure = f"no answer within {self._limits.answer_seconds:g} s"
                if stop.is_set() or outcome.failure:
                    return
        for side, contestant in contestants.items() if outcome.complete else ():
            self._tempo.learn(contestant, answers[side])

    def _requests(self, turn: Turn) -> tuple[Mapping[Side, str], tuple[Request, Request]]:
        """Who answers, by fingerprint (nobody, where the answers are stored), and what both sides are asked."""
        with self._db.read() as session:
            battle = session.get_one(Battle, turn.battle_id)
            if battle.question_id:
                texts = texts_of_battle(session, battle)
                return {}, (_replay(texts.a[turn.position], turn), _replay(texts.b[turn.position], turn))
            before = queries.turns_of(session, turn.battle_id)[: turn.position]
        a, b = (self._spec(fingerprint) for fingerprint in (battle.contestant_a, battle.contestant_b))
        return {"a": a.fingerprint, "b": b.fingerprint}, (
            self._request(a, [(one.prompt, one.answer_a) for one in before], turn),
            self._request(b, [(one.prompt, one.answer_b) for one in before], turn),
        )

    def _spec(self, fingerprint: str) -> ModelSpec:
        for spec in self._residents.ready():
            if spec.fingerprint == fingerprint:
                return spec
        raise NotReady(f"contestant {fingerprint[:12]} is not ready")  # its engine ended since the draw

    def _request(self, spec: ModelSpec, before: Sequence[tuple[str, str]], turn: Turn) -> Request:
        messages = []
        for prompt, answer in before:
            messages += [Message("user", prompt), Message("assistant", visible_text(answer, complete=True))]
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
        # How long a stored answer took to be shown is nothing that it took.
        a, b = (stored_side(one.raw) if outcome.stored else _side(one) for one in (answers["a"], answers["b"]))
        reasons = [outcome.failure, *(answer.failure for answer in answers.values())]
        failure = "; ".join(reason for reason in reasons if reason)
        named = "".join(side for side, answer in sorted(answers.items()) if answer.told) or None
        now = self._now()
        if failure:
            log.warning("battle %s is void: %s", turn.battle_id, failure)
            work = self._db.submit(lambda session: queries.fail_turn(session, key, a, b, now, failure))
        elif outcome.complete:
            work = self._db.submit(lambda session: queries.finish_turn(session, key, a, b, now, named))
        else:
            # No more than was shown: how far each side had come would tell which model is the faster one.
            shown = {"a": outcome.shown.a, "b": outcome.shown.b}
            a, b = (queries.Side(text, None, None) for text in shown.values())
            seen = "".join(side for side in named or "" if MASK[0] in shown[side]) or None
            work = self._db.submit(lambda session: queries.stop_turn(session, key, a, b, now, seen))
        # However often the visitor's task is cancelled: the row is written.
        await asyncio.shield(self._stored(work, key, now))

    async def _stored(self, work: Future[None], key: tuple[str, int, int], now: datetime) -> None:
        """Wait for the turn's end. Where the row can't hold it, void the battle: nothing else would ever end it.

        Raises `DatabaseProblem` where the storage takes nothing.
        """
        try:
            await asyncio.shield(asyncio.wrap_future(work))
        except Exception as error:
            if isinstance(error, DatabaseProblem) and not isinstance(error, Unstorable):
                raise
            log.exception("battle %s is void: its turn can't be stored", key[0])
            failure, nothing = f"the turn can't be stored ({type(error).__name__})", queries.Side("", None, None)
            void = self._db.submit(lambda session: queries.fail_turn(session, key, nothing, nothing, now, failure))
            await asyncio.shield(asyncio.wrap_future(void))

    def view(self, battle_id: str, voter: str) -> View:
        """The battle as its committed rows say. Raises `Refused` for another's battle."""
        with self._db.read() as session:
            return read_view(session, battle_id, voter, self._limits.max_regenerations, self.names())


def _notice(answers: Iterable[Answer]) -> Notice:
    """What the visitor is told of a failure that is no model's: of either side, and the same for both."""
    return next((end.notice for answer in answers if isinstance(end := answer.end, Failed) and end.notice), "")


def _replay(text: str, turn: Turn) -> Request:
    """A stored answer in full: it was bounded when it was asked for."""
    return Request(ReplayModel(text), [Message("user", turn.prompt)], Sampling(), turn.seed, max_chars=len(text) + 1)


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
            **asdict(style_of(answer.raw)),
        )
    return queries.Side(answer.raw, "failed" if answer.end else None, None)
