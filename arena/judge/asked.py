"""Whoever is asked in bulk: local models in a pool, endpoints with patience; whole answers, one call each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from arena.judge.pace import Pace
from arena.judge.problem import JudgeProblem
from arena.settings import Settings
from models.chat import ChatModel, Done, Failed, Message, Request, Sampling, Text, answer
from models.endpoint import EndpointModel, EndpointUnavailable, Timeouts
from models.pool import Load, NotReady, Pool, Residency, load_worker
from models.spec import ModelSpec

LOCAL: Final = 4  # answers at a time: the slots of an engine
REMOTE: Final = 16
# Nobody waits at a page: a busy server is asked again for minutes, and a model that thinks may take as long.
PATIENCE: Final = Timeouts(
    check=60.0,
    first_token=900.0,
    between_tokens=120.0,
    pauses=(1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0),
    retry_after=600.0,
)
RECOVERY: Final = 60.0  # seconds in which a model that was there may come back after its process died
MOST_FAILURES: Final = 5
TRIES: Final = 3
TICK: Final = 0.05
MOMENT: Final = 0.5

Ask = Callable[[ChatModel], Request]
Told = Callable[[str], None]


class ModelUnavailable(JudgeProblem):
    """A model can't be asked (any more); the message says who, why, and what to do."""


@dataclass(frozen=True)
class Reply:
    """A whole answer and how it ended. Of one that failed the text is what had arrived of it."""

    text: str
    end: Done | Failed


class Asked:
    """Models that are asked many questions, all from one event loop; `models_of` makes it."""

    def __init__(self, models: Mapping[str, _Remote | _Local]) -> None:
        self._models = models
        self._failures = dict.fromkeys(models, 0)

    def parallel(self, spec_id: str, wanted: int | None = None) -> int:
        """How many answers of this model to ask for at once; `wanted` is at least 1, None: as many as usual."""
        slots = self._models[spec_id].slots
        return min(wanted or LOCAL, LOCAL) if slots else wanted or REMOTE

    async def reply(
        self, spec_id: str, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> Reply:
        """One whole answer, however it ends; `conversation` as in `ChatModel.stream`.

        Raises `ModelUnavailable` where the model can't be had, or has failed `MOST_FAILURES` answers in a row.
        """
        if self._failures[spec_id] >= MOST_FAILURES:
            raise ModelUnavailable(self._models[spec_id].worn_out)
        reply = await self._models[spec_id].ask(lambda model: Request(model, messages, sampling, seed, conversation))
        if isinstance(reply.end, Done):
            self._failures[spec_id] = 0
        elif reply.end.fault:
            self._failures[spec_id] += 1
            self._models[spec_id].failure = reply.end.detail
        return reply


@contextmanager
def models_of(
    specs: Sequence[ModelSpec],
    settings: Settings,
    keys: Mapping[str, SecretStr],
    told: Told,
    *,
    load: Load = load_worker,
    timeouts: Timeouts = PATIENCE,
) -> Iterator[Asked]:
    """Models that can be asked until the block ends: local ones in processes of their own, within `ARENA_MEMORY`.

    Returns at once; who is asked first waits for the download. `keys` are the endpoints' keys by their variables,
    `told` gets a sentence for the screen whenever a model that is waited for does something else. One loaded model
    alone has all cores to itself, so ask local ones one after the other, each in a block of its own.
    """
    settings.choose_devices()
    local = [spec for spec in specs if spec.endpoint is None]
    pool = Pool(local, cache=settings.cache, memory=settings.memory, load=load)
    models: dict[str, _Remote | _Local] = {spec.id: _Local(spec, pool, told) for spec in local}
    for spec in specs:
        if spec.endpoint is not None:
            key = keys.get(spec.endpoint.key)
            models[spec.id] = _Remote(spec, key.get_secret_value() if key else "", timeouts, told)
    pool.start()
    try:
        yield Asked(models)
    finally:
        pool.close()


class _Remote:
    """A model behind an endpoint, which is checked before it is asked for the first time.

    Where it is too busy for one request, all wait, and ask more slowly: alone each would wear out its own patience.
    """

    slots = False  # it takes as many as one wants

    def __init__(self, spec: ModelSpec, key: str, timeouts: Timeouts, told: Told) -> None:
        self._model = EndpointModel(spec, key, timeouts=replace(timeouts, waits_busy=False))
        self._pace = Pace(timeouts.pauses[0], timeouts.pauses[-1], timeouts.first_token)
        self._told = told
        self._was_busy = False
        self._checking = asyncio.Lock()
        self._checked = False
        self.failure = ""

    @property
    def worn_out(self) -> str:
        return f"No answer came {MOST_FAILURES} times in a row: {self.failure}. Run it again when that is put right."

    async def _ready(self) -> None:
        async with self._checking:
            if not self._checked:
                try:
                    await asyncio.to_thread(self._model.check)
                except EndpointUnavailable as error:
                    raise ModelUnavailable(str(error) if str(error).endswith("?") else f"{error}.") from error
                self._checked = True

    async def ask(self, question: Ask) -> Reply:
        await self._ready()
        while True:
            sent = await self._pace.turn()
            reply = await _whole(question(self._model))
            if isinstance(reply.end, Done):
                self._pace.answered(sent)
                return reply
            if reply.end.busy is None or not self._pace.refused(sent, reply.end.busy):
                return reply
            if not self._was_busy:
                self._told(f"{reply.end.detail.rstrip('.')}. It is asked more slowly.")
            self._was_busy = True


class _Local:
    """A model of the pool, held in memory while it answers."""

    def __init__(self, spec: ModelSpec, pool: Pool, told: Told) -> None:
        self._spec = spec
        self._pool = pool
        self._told = told
        self._line = ""
        self._was_there = False
        self._again = asyncio.Lock()
        self.slots = spec.engine != "scripted"
        self.failure = ""

    @property
    def worn_out(self) -> str:
        return f"{self._spec.name} failed {MOST_FAILURES} answers in a row ({self.failure}). Run it again for the rest."

    async def _ready(self) -> None:
        """Raises `ModelUnavailable` at once for one that was never there, else after a time to recover."""
        clock = asyncio.get_running_loop().time
        lost = clock()
        while not (place := self._place()).available:
            if place.state == "failed" and (not self._was_there or clock() - lost > RECOVERY):
                raise ModelUnavailable(f"{self._spec.name} can't be had: {place.reason}")
            self._tell(place)
            await asyncio.sleep(TICK)
        self._was_there = True

    async def ask(self, question: Ask) -> Reply:
        reply = await self._attempt(question)
        if isinstance(reply.end, Failed) and not reply.end.fault:
            # Its process may have died, of another question as like as not; the pool notices in a moment. One after
            # the other, so that a question that the process dies of takes no other one with it again.
            async with self._again:
                await asyncio.sleep(MOMENT)
                reply = await self._attempt(question)
        return reply

    async def _attempt(self, question: Ask) -> Reply:
        trouble: NotReady | None = None
        for _ in range(TRIES):
            await self._ready()
            try:
                with self._pool.reserve([self._spec.id]) as there:
                    while not there():
                        self._tell(self._place())
                        await asyncio.sleep(TICK)
                    return await _whole(question(self._pool.model(self._spec.id)))
            except NotReady as error:  # its process died meanwhile; it is started again
                trouble = error
        raise ModelUnavailable(str(trouble))

    def _place(self) -> Residency:
        return next(place for place in self._pool.status() if place.spec.id == self._spec.id)

    def _tell(self, place: Residency) -> None:
        tenths = int(place.progress * 10) if place.state == "fetching" else 10
        news = f"{place.state} {tenths}"
        if news != self._line and tenths and not place.available:  # what is there is "fetched" at once
            self._told(place.line)
        self._line = news


async def _whole(request: Request) -> Reply:
    texts: list[str] = []
    async with aclosing(answer(request)) as events:
        async for event in events:
            if not isinstance(event, Text):
                return Reply("".join(texts), event)
            texts.append(event.text)
    return Reply("".join(texts), Failed("the stream ended without saying so"))
