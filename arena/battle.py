"""The life of one battle: prompt → pair → two streams → open → vote → reveal. No page, no SQL.

Its state is in the database alone; every step is a transaction that refuses the wrong order.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime
from random import Random

from arena.gate import Gate, Waiting
from arena.pairing import draw_pair
from arena.prompts import PromptError, clean_prompt, fits
from arena.turn import Limits, Residents, Turns
from arena.view import View
from db import queries
from db.outcome import Outcome
from db.session import Database, Session
from db.tables import Battle, Contestant, Turn
from db.votes import record_vote
from models.catalog import ModelSpec
from models.pool import NotReady

HEARTBEAT_TICKS = 8

# A turn that is stored as generating, and whether its two models are there.
_Stored = tuple[Turn, Callable[[], bool]]


class NotEnoughModels(Exception):
    """Fewer than two contestants are ready; nothing was stored."""


class ConversationFull(Exception):
    """No further turn fits into the contestants' context; nothing was stored."""


class Battles:
    """Begins, continues and ends battles. One instance serves all visitors of this process."""

    def __init__(
        self,
        database: Database,
        residents: Residents,
        limits: Limits,
        rng: Random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._db = database
        self._residents = residents
        self._limits = limits
        self._rng = rng
        self._now = now
        self._turns = Turns(database, residents, limits, now)
        self._gate = Gate(limits.max_battles, limits.max_waiting)

    def ask(self, battle_id: str | None, voter: str, prompt: str) -> AsyncGenerator[View | Waiting, None]:
        """Begin a battle, or add a turn to the voter's open one, and stream both answers.

        Raises `PromptError` at once; the stream raises `PromptError`, `Busy`, `AlreadyInside`,
        `NotEnoughModels`, `ConversationFull` or `Refused` before anything is stored.
        """
        prompt = clean_prompt(prompt, self._limits.max_prompt_chars)

        async def store(held: ExitStack) -> _Stored:
            turn = Turn(prompt=prompt, status="generating", seed=self._seed(), started_at=self._now())
            if battle_id is None:
                return await self._begin(voter, turn, held)
            return await self._continue(battle_id, voter, turn, held)

        return self._in_turn(store, voter)

    def regenerate(self, battle_id: str, voter: str) -> AsyncGenerator[View | Waiting, None]:
        """Answer the last prompt once more, on both sides.

        The stream raises `Busy`, `AlreadyInside`, `NotEnoughModels` or `Refused` before anything is stored.
        """

        async def store(held: ExitStack) -> _Stored:
            there = self._reserve(await asyncio.to_thread(self._pair_of, battle_id, voter), held)
            seed, now, most = self._seed(), self._now(), self._limits.max_regenerations

            def work(session: Session) -> Turn:
                return queries.regenerate(session, battle_id, voter, seed, now, most)

            return await self._stored(work), there

        return self._in_turn(store, voter)

    async def stop(self, battle_id: str, voter: str) -> View:
        """End what is being generated, on both sides. Raises `Refused` for another's battle.

        Where nothing is generated although the row says so (its end could not be written), the row is freed.
        """
        view = await asyncio.to_thread(self.view, battle_id, voter)
        if self._turns.stop(battle_id) or view.status != "generating":
            return view
        now = self._now()
        await asyncio.wrap_future(self._db.submit(lambda session: queries.stop_orphans(session, now, battle_id)))
        return await asyncio.to_thread(self.view, battle_id, voter)

    async def vote(self, battle_id: str, voter: str, outcome: Outcome) -> View:
        """Store the vote and answer with the reveal, built from the committed row. Raises `Refused`."""
        now, window = self._now(), self._limits.vote_window
        await asyncio.wrap_future(
            self._db.submit(lambda session: record_vote(session, battle_id, voter, outcome, now, window))
        )
        return await asyncio.to_thread(self.view, battle_id, voter)

    def view(self, battle_id: str, voter: str) -> View:
        """The battle as its committed rows say. Raises `Refused` for another's battle."""
        return self._turns.view(battle_id, voter)

    def unfinished(self, voter: str) -> View | None:
        """The voter's newest battle that waits for a vote, if any: what a reloaded page goes on with."""
        with self._db.read() as session:
            battle_id = queries.waiting_battle(session, voter, self._now() - self._limits.vote_window)
        return self.view(battle_id, voter) if battle_id else None

    async def _in_turn(
        self, store: Callable[[ExitStack], Awaitable[_Stored]], voter: str
    ) -> AsyncGenerator[View | Waiting, None]:
        """Wait in line, store the turn, stream it; however it ends, its place and its models are given back."""
        with self._gate.stand_in_line(voter) as ahead:
            ticks, told = 0, 0
            while others := ahead():
                # What has not changed is said again only to notice that the visitor has left.
                if others != told or ticks % HEARTBEAT_TICKS == 0:
                    yield Waiting(others)
                ticks, told = ticks + 1, others
                await asyncio.sleep(self._limits.tick_seconds)
            with ExitStack() as held:
                turn, there = await store(held)
                async with aclosing(self._turns.generate(turn, voter, there)) as views:
                    async for view in views:
                        yield view

    async def _begin(self, voter: str, turn: Turn, held: ExitStack) -> _Stored:
        counts = await asyncio.to_thread(self._battle_counts)
        # From here to the reservation at one go: whoever draws next sees what is taken.
        pairs = {(a.fingerprint, b.fingerprint): wait for a, b, wait in self._residents.pairs()}
        if not pairs:
            raise NotEnoughModels
        if not self._fits([turn.prompt]):
            raise PromptError("too_long_for_models")
        draw = draw_pair(pairs, counts, self._rng)
        there = self._reserve((draw.a, draw.b), held)
        battle = Battle(
            id=secrets.token_hex(16),
            voter=voter,
            contestant_a=draw.a,
            contestant_b=draw.b,
            probability=draw.probability,
            status="generating",
            created_at=self._now(),
        )
        turn.battle_id, turn.position, turn.attempt = battle.id, 0, 0

        def work(session: Session) -> Turn:
            queries.open_battle(session, battle, turn)
            return turn

        return await self._stored(work), there

    async def _continue(self, battle_id: str, voter: str, turn: Turn, held: ExitStack) -> _Stored:
        view = await asyncio.to_thread(self.view, battle_id, voter)
        prompts = [exchange.prompt for exchange in view.exchanges]
        answers = [max(exchange.a, exchange.b, key=len) for exchange in view.exchanges]
        if not self._fits([*prompts, *answers, turn.prompt]):
            raise ConversationFull
        there = self._reserve(await asyncio.to_thread(self._pair_of, battle_id, voter), held)
        most = self._limits.max_turns

        def work(session: Session) -> Turn:
            queries.next_turn(session, battle_id, voter, turn, most)
            return turn

        return await self._stored(work), there

    async def _stored(self, work: Callable[[Session], Turn]) -> Turn:
        """Commit a turn that is to be generated; if its visitor leaves meanwhile, it ends as stopped."""
        writing = self._db.submit(work)
        try:
            return await asyncio.wrap_future(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(self._turns.abandon)
            raise

    def _fits(self, texts: list[str]) -> bool:
        # All contestants count, not only the pair: a limit must not tell who is playing.
        return all(fits(texts, spec.context, spec.sampling.max_tokens) for spec in self._residents.ready())

    def _pair_of(self, battle_id: str, voter: str) -> tuple[str, str]:
        with self._db.read() as session:
            battle = queries.own_battle(session, battle_id, voter)
            return battle.contestant_a, battle.contestant_b

    def _reserve(self, pair: tuple[str, str], held: ExitStack) -> Callable[[], bool]:
        """Hold two contestants until `held` is closed; what is returned tells whether both are there.

        Raises `NotEnoughModels` where they can't be had: to begin would make the battle void.
        """
        names = {spec.fingerprint: spec.id for spec in self._residents.ready()}
        try:
            there = held.enter_context(self._residents.reserve([names[contestant] for contestant in pair]))
            there()
        except (KeyError, NotReady) as error:
            raise NotEnoughModels from error
        return there

    def _battle_counts(self) -> dict[tuple[str, str], int]:
        with self._db.read() as session:
            return queries.battle_counts(session)

    def _seed(self) -> int:
        return self._rng.randrange(2**31)


def enrol_all(database: Database, specs: Sequence[ModelSpec], now: datetime) -> None:
    """Remember every contestant of the catalogue under its fingerprint."""

    def work(session: Session) -> None:
        for spec in specs:
            queries.enrol(
                session,
                Contestant(
                    fingerprint=spec.fingerprint,
                    model_id=spec.id,
                    name=spec.name,
                    engine=spec.engine,
                    quantization=spec.quantization,
                    license=spec.license,
                    url=spec.url,
                    identity=spec.identity,
                    created_at=now,
                ),
            )

    database.write(work)
