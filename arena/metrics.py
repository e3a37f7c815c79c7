"""What a Prometheus server may read of the arena at /metrics: counts and times of this process, and how it is now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from arena.ballots import Ballot
from arena.battle import Battles, ConversationFull, NotEnoughModels
from arena.gate import AlreadyInside, Busy, Closed, Waiting
from arena.health import Observed, memory_bytes
from arena.peers import Peers
from arena.prompts import PromptError
from arena.stored import NoQuestion
from arena.view import View
from db.outcome import Refused
from db.session import DatabaseProblem

# Why a prompt or a vote was not taken, by the name it is counted under.
REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (Closed, "stopping"),
    (Busy, "busy"),
    (AlreadyInside, "already_inside"),
    (NotEnoughModels, "no_models"),
    (NoQuestion, "no_question"),
    (ConversationFull, "conversation_full"),
    (PromptError, "prompt"),
    (Refused, "refused"),
    (DatabaseProblem, "database"),
)
# Headers that a proxy adds. Who asks through one is somebody else than who asks the arena.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
ANSWER_SECONDS = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 40, 80, 160, 320)
VOTE_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """Counters and times in a registry of their own. May be written to from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.registry = CollectorRegistry()
        self.turns = Counter(
            "paddock_turns",
            "Turns that ended, by how: open (both answered), stopped, void, left (by the visitor), unstored",
            ["end"],
            registry=self.registry,
        )
        self.votes = Counter("paddock_votes", "Votes that were stored, by outcome", ["outcome"], registry=self.registry)
        self.refusals = Counter(
            "paddock_refusals", "Prompts and votes that were not taken, by why", ["why"], registry=self.registry
        )
        self.line = self._seconds("paddock_line_seconds", "From a prompt to its place, the wait in line included")
        self.first = self._seconds("paddock_first_text_seconds", "From a place to the first text of either answer")
        self.answer = self._seconds("paddock_answer_seconds", "From a place to the end of both answers, as shown")
        self.vote = self._seconds("paddock_vote_seconds", "Of a vote's way into the database", VOTE_SECONDS)

    def text(self) -> bytes:
        """Everything in Prometheus' form."""
        return generate_latest(self.registry)

    def refused(self, error: BaseException) -> None:
        for kind, why in REFUSALS:
            if isinstance(error, kind):
                self.refusals.labels(why).inc()
                return

    def _seconds(self, name: str, meaning: str, buckets: Sequence[float] = ANSWER_SECONDS) -> Histogram:
        return Histogram(name, meaning, buckets=buckets, registry=self.registry)


class MeasuredBattles(Battles):
    """Battles whose ends and times are counted."""

    def __init__(self, metrics: Metrics, *arguments: Any, **options: Any) -> None:
        """The arguments are those of `Battles`."""
        super().__init__(*arguments, **options)
        self._metrics = metrics

    def store(self, ballot: Ballot) -> Future[bool]:
        began = self._metrics.clock()

        def stored(writing: Future[bool]) -> None:
            if error := writing.exception():
                self._metrics.refused(error)
                return
            self._metrics.vote.observe(self._metrics.clock() - began)
            if writing.result():
                self._metrics.votes.labels(ballot.outcome.value).inc()

        writing = super().store(ballot)
        writing.add_done_callback(stored)
        return writing

    def ask(
        self, battle_id: str | None, voter: str, prompt: str, address: str = ""
    ) -> AsyncGenerator[View | Waiting, None]:
        try:
            views = super().ask(battle_id, voter, prompt, address)
        except PromptError as error:
            self._metrics.refused(error)
            raise
        return measured(views, self._metrics)

    def show_question(self, voter: str, language: str, address: str = "") -> AsyncGenerator[View | Waiting, None]:
        return measured(super().show_question(voter, language, address), self._metrics)

    def regenerate(self, battle_id: str, voter: str, address: str = "") -> AsyncGenerator[View | Waiting, None]:
        return measured(super().regenerate(battle_id, voter, address), self._metrics)


async def measured(
    views: AsyncGenerator[View | Waiting, None], metrics: Metrics
) -> AsyncGenerator[View | Waiting, None]:
    """The same views; what they tell of a turn is counted when they end."""
    asked, end = metrics.clock(), "left"
    inside: float | None = None
    spoke = False
    try:
        async for view in views:
            if isinstance(view, View):
                now = metrics.clock()
                if inside is None:
                    inside = now
                    metrics.line.observe(now - asked)
                if not spoke and (view.exchanges[-1].a or view.exchanges[-1].b):
                    spoke = True
                    metrics.first.observe(now - inside)
                if view.status != "generating":
                    end = view.status
            yield view
    except Exception as error:
        end = "unstored"
        metrics.refused(error)
        raise
    finally:
        await views.aclose()
        if inside is not None:
            metrics.turns.labels(end).inc()
            if end == "open":
                metrics.answer.observe(metrics.clock() - inside)


class Now(Collector):
    """How the arena is at the moment it is asked; looks at no database."""

    def __init__(self, arena: Observed) -> None:
        self._arena = arena

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gate = self._arena.battles.gate
        yield GaugeMetricFamily("paddock_battles_running", "Turns that are generated now", gate.inside)
        yield GaugeMetricFamily("paddock_battles_waiting", "Visitors that stand in line", gate.waiting)
        models = GaugeMetricFamily(
            "paddock_model_state", "1 for what each model is doing now", labels=["model", "state"]
        )
        for place in self._arena.pool.status():
            models.add_metric([place.spec.id, place.state], 1)
        yield models
        yield GaugeMetricFamily("paddock_uptime_seconds", "Since the start", time.monotonic() - self._arena.begun)
        if memory := memory_bytes():
            yield GaugeMetricFamily("paddock_memory_bytes", "Of this process, engines not counted", memory)
        yield from self._kept()
        yield from self._reviewed()

    def _kept(self) -> Iterator[GaugeMetricFamily]:
        if self._arena.keeper is None:
            return
        kept = self._arena.keeper.status()
        yield GaugeMetricFamily("paddock_flush_failing", "1 while votes can't be kept elsewhere", bool(kept.problem))
        if kept.age_seconds is not None:
            yield GaugeMetricFamily(
                "paddock_flush_age_seconds", "Since votes were last kept elsewhere", kept.age_seconds
            )

    def _reviewed(self) -> Iterator[GaugeMetricFamily]:
        if self._arena.reviewer is None:
            return
        review = self._arena.reviewer.status()
        yield GaugeMetricFamily("paddock_review_failing", "1 while votes can't be reviewed", bool(review.problem))
        yield GaugeMetricFamily(
            "paddock_voters_biased", "Voters that there is evidence of a bias against", review.biased
        )
        if review.age_seconds is not None:
            yield GaugeMetricFamily("paddock_review_age_seconds", "Since votes were last reviewed", review.age_seconds)


def metrics_route(metrics: Metrics, arena: Observed, scrapers: Peers) -> Route:
    """`/metrics`, for whoever asks the arena itself from one of these addresses; not there for all others."""
    metrics.registry.register(Now(arena))

    async def answer(request: Request) -> Response:
        direct = not any(name in request.headers for name in FORWARDED)
        if not (direct and request.client and scrapers.trusts(request.client.host)):
            return PlainTextResponse("Not found.\n", 404)
        text = await asyncio.to_thread(metrics.text)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    return Route("/metrics", answer, methods=["GET"])
