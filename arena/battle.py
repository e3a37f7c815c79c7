"""The life of one battle: prompt → pair → two streams → open → vote → reveal. No page, no SQL.

Its state is in the database alone; every step is a transaction that refuses the wrong order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, aclosing
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from arena.ballots import Ballot, Ballots
from arena.gate import Gate, Waiting
from arena.integrity.networks import Networks
from arena.matchmaking import Matchmaker
from arena.opening import Entrance, Origin, new_battle, new_turn
from arena.prompts import PromptError, clean_prompt, fits
from arena.stored import StoredAnswers, check_seen_again, open_on_question
from arena.turn import Limits, Residents, Turns
from arena.view import View
from db import queries, shown
from db.outcome import Outcome, Refusal, Refused
from db.session import Database, Session
from db.tables import Battle, Turn
from db.votes import record_vote
from models.pool import NotReady
from models.spec import ModelSpec

HEARTBEAT_TICKS = 8

# A turn that is stored as generating, and whether its two models are there.
_Stored = tuple[Turn, Callable[[], bool]]
_Store = Callable[[Origin, ExitStack], Awaitable[_Stored]]


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
        ratings: Callable[[], Mapping[str, float]] = dict,
        playing: Sequence[ModelSpec] = (),
        undo_seconds: float = 0,
    ) -> None:
        """`ratings` are those that pairs are drawn by, in points by fingerprint; see `Matchmaker`.

        `playing` are all who play, ready or not: whose stored answers may be shown. For `undo_seconds` what was
        chosen may be taken back.
        """
        self._db = database
        self._residents = residents
        self._limits = limits
        self._rng = rng
        self._now = now
        self._turns = Turns(database, residents, limits, now, playing)
        self.gate = Gate(limits.max_battles, limits.max_waiting)
        self._matchmaker = Matchmaker(database, rng, ratings)
        self.networks = Networks(database, now)
        self._entrance = Entrance(database, self.networks, limits.quotas)
        self.stored_answers = StoredAnswers(database, playing, self._matchmaker, rng)
        self.ballots = Ballots(self.store, self.view, undo_seconds)

    def ask(
        self, battle_id: str | None, voter: str, prompt: str, address: str = ""
    ) -> AsyncGenerator[View | Waiting, None]:
        """Begin a battle, or add a turn to the voter's open one, and stream both answers; `address` is the visitor's.

        Raises `PromptError` at once; the stream raises `PromptError`, `Busy`, `AlreadyInside`,
        `NotEnoughModels`, `ConversationFull` or `Refused` before anything is stored.
        """
        prompt = clean_prompt(prompt, self._limits.max_prompt_chars)

        async def store(origin: Origin, held: ExitStack) -> _Stored:
            await self._limits.moderate(prompt)
            turn = await new_turn(prompt, self._seed(), self._now(), self._turns.names())
            if battle_id is None:
                return await self._begin(origin, turn, held)
            return await self._continue(battle_id, voter, turn, held)

        return self._in_turn(store, voter, address, begins=battle_id is None)

    def show_question(self, voter: str, language: str, address: str = "") -> AsyncGenerator[View | Waiting, None]:
        """Begin a battle of two stored answers to a question that is drawn, and stream them; see `StoredAnswers`.

        The stream raises `Busy`, `AlreadyInside`, `NoQuestion` or `Refused` before anything is stored.
        """

        async def store(origin: Origin, _: ExitStack) -> _Stored:
            # No model answers, so none has to be there.
            return await self._show(origin, language), lambda: True

        return self._in_turn(store, voter, address, begins=True)

    def regenerate(self, battle_id: str, voter: str, address: str = "") -> AsyncGenerator[View | Waiting, None]:
        """Answer the last prompt once more, on both sides; stored answers that were stopped are shown once more.

        The stream raises `Busy`, `AlreadyInside`, `NotEnoughModels` or `Refused` before anything is stored.
        """

        async def store(_: Origin, held: ExitStack) -> _Stored:
            there = await self._answering(battle_id, voter, held)
            seed, now, most = self._seed(), self._now(), self._limits.max_regenerations

            def work(session: Session) -> Turn:
                check_seen_again(queries.own_battle(session, battle_id, voter), now - self._limits.vote_window)
                return queries.regenerate(session, battle_id, voter, seed, now, most)

            return await self._stored(work), there

        return self._in_turn(store, voter, address, begins=False)

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
        """Store the vote and answer with the reveal, built from the committed row. Raises `Refused` or `Closed`."""
        return await self.ballots.cast(Ballot(battle_id, voter, outcome, self._now()))

    def choose(self, battle_id: str, voter: str, outcome: Outcome) -> AsyncGenerator[View, None]:
        """The same with some seconds to take it back in; see `Ballots.choose`."""
        return self.ballots.choose(Ballot(battle_id, voter, outcome, self._now()))

    def store(self, ballot: Ballot) -> Future[bool]:
        """Begin to store a vote; what comes is False where the same was stored before, or raises `Refused`."""
        given = (ballot.battle_id, ballot.voter, ballot.outcome, ballot.chosen_at)
        window, quotas = self._limits.vote_window, self._limits.quotas
        return self._db.submit(lambda session: record_vote(session, *given, window, quotas))

    def stop_all(self) -> None:
        """End whatever is generated, at its next tick. From any thread."""
        self._turns.stop_all()

    def end_voting(self) -> None:
        """Take no more votes; those taken so far are stored when this returns, or it raises `DatabaseProblem`."""
        self.ballots.close()
        self._db.settle()

    def refresh(self) -> None:
        """Let the next draw know whom an administrator has put on or off. Raises `DatabaseProblem`."""
        self._matchmaker.refresh()

    def view(self, battle_id: str, voter: str) -> View:
        """The battle as its committed rows say, and what is chosen. Raises `Refused` for another's battle."""
        view = self._turns.view(battle_id, voter)
        return replace(view, chosen=self.ballots.chosen(battle_id)) if view.status == "open" else view

    def unfinished(self, voter: str) -> View | None:
        """The voter's newest battle that waits for a choice, if any: what a reloaded page goes on with."""
        with self._db.read() as session:
            battle_id = queries.waiting_battle(session, voter, self._now() - self._limits.vote_window)
        return self.view(battle_id, voter) if battle_id and not self.ballots.chosen(battle_id) else None

    def undecided(self, voter: str) -> frozenset[str]:
        """The ids of the voter's battles that wait for a vote, and of their questions: what they must not look up."""
        with self._db.read() as session:
            return shown.undecided(session, voter, self._now() - self._limits.vote_window)

    async def _in_turn(
        self, store: _Store, voter: str, address: str, *, begins: bool
    ) -> AsyncGenerator[View | Waiting, None]:
        """Wait in line, store the turn, stream it; however it ends, its place and its models are given back.

        A battle that `begins` has to be one that may from this address; all stand in line as its network's.
        """
        origin = await self._entrance.admit(voter, address, self._now(), begins=begins)
        with self.gate.stand_in_line(voter, origin.network) as ahead:
            ticks = 0
            while others := ahead():
                # Said seldom, changed or not: each time costs the page's event milliseconds, and whenever one leaves,
                # all in line move up. Said again at all, it shows that the visitor is still there.
                if ticks % HEARTBEAT_TICKS == 0:
                    yield Waiting(others)
                ticks += 1
                await asyncio.sleep(self._limits.tick_seconds)
            with ExitStack() as held:
                turn, there = await store(origin, held)
                async with aclosing(self._turns.generate(turn, voter, there)) as views:
                    async for view in views:
                        yield view

    async def _begin(self, origin: Origin, turn: Turn, held: ExitStack) -> _Stored:
        await self._matchmaker.prepare()
        # From here to the reservation at one go: whoever draws next sees what is taken.
        meetings = {(a.fingerprint, b.fingerprint): wait for a, b, wait in self._residents.pairs()}
        pairs = self._matchmaker.drawable(meetings)
        if not pairs:
            raise NotEnoughModels
        if not self._fits([turn.prompt]):
            raise PromptError("too_long_for_models")
        draw = self._matchmaker.draw(pairs)
        there = self._reserve((draw.a, draw.b), held)
        battle = new_battle(origin, draw, self._now(), turn.prompt)
        turn.battle_id = battle.id

        def work(session: Session) -> Turn:
            self._entrance.check(session, origin, battle.created_at)
            queries.open_battle(session, battle, turn)
            return turn

        with self._matchmaker.storing(draw):
            return await self._stored(work), there

    async def _show(self, origin: Origin, language: str) -> Turn:
        since = self._now() - self._limits.vote_window
        draw, question_id = await self.stored_answers.draw(origin.voter, language, since)
        with self._matchmaker.storing(draw):
            battle = new_battle(origin, draw, self._now(), question_id=question_id)
            texts = await asyncio.to_thread(self.stored_answers.texts, battle)
            turns = [await new_turn(prompt, 0, self._now(), self._turns.names()) for prompt in texts.prompts]

            def work(session: Session) -> Turn:
                self._entrance.check(session, origin, battle.created_at)
                return open_on_question(session, battle, turns, texts, self._turns.names())

            return await self._stored(work)

    async def _continue(self, battle_id: str, voter: str, turn: Turn, held: ExitStack) -> _Stored:
        view = await asyncio.to_thread(self.view, battle_id, voter)
        if view.stored:
            raise Refused(Refusal.TOO_MANY_TURNS)
        prompts = [exchange.prompt for exchange in view.exchanges]
        answers = [max(exchange.a, exchange.b, key=len) for exchange in view.exchanges]
        if not self._fits([*prompts, *answers, turn.prompt]):
            raise ConversationFull
        there = await self._answering(battle_id, voter, held)
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

    async def _answering(self, battle_id: str, voter: str, held: ExitStack) -> Callable[[], bool]:
        """Hold whoever answers in this battle, as `_reserve` does; nobody where the answers are stored."""
        battle = await asyncio.to_thread(self._own, battle_id, voter)
        if self.ballots.chosen(battle_id):
            raise Refused(Refusal.ALREADY_VOTED)
        if battle.question_id:
            return lambda: True
        return self._reserve((battle.contestant_a, battle.contestant_b), held)

    def _own(self, battle_id: str, voter: str) -> Battle:
        with self._db.read() as session:
            return queries.own_battle(session, battle_id, voter)

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

    def _seed(self) -> int:
        return self._rng.randrange(2**31)
