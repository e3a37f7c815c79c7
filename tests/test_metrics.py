from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from arenas import ANT, BEE, SLOW, Residents, contestant, database_with, until_text
from prometheus_client.parser import text_string_to_metric_families as parsed
from starlette.applications import Starlette
from starlette.testclient import TestClient
from test_health import Kept, Places, Seen, Whole

from arena.gate import Closed, Waiting
from arena.metrics import MeasuredBattles, Metrics, metrics_route
from arena.peers import Peers
from arena.prompts import PromptError
from arena.stored import NoQuestion
from arena.turn import Limits
from arena.view import View
from db.outcome import Outcome, Refused
from db.session import Database
from models.residency import Residency
from models.spec import ModelSpec


@dataclass
class Measured:
    database: Database
    battles: MeasuredBattles
    metrics: Metrics = field(default_factory=Metrics)

    async def ask(self, prompt: str = "Why?") -> list[View | Waiting]:
        return [view async for view in self.battles.ask(None, "ann", prompt)]

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


Make = Callable[..., Measured]


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Make]:
    made: list[Measured] = []

    def make(*specs: ModelSpec, **limits: object) -> Measured:
        rules = Limits(**{"pace_chars": 0, "tick_seconds": 0.005, "answer_seconds": 20, **limits})  # type: ignore[arg-type]
        database, metrics = database_with(tmp_path, *specs), Metrics()
        battles = MeasuredBattles(metrics, database, Residents(list(specs)), rules, Random(1))
        made.append(Measured(database, battles, metrics))
        return made[-1]

    yield make
    for one in made:
        one.database.close()


def run(visit: Callable[[], object]) -> None:
    asyncio.run(asyncio.wait_for(visit(), 60))  # type: ignore[arg-type]


def test_a_question_that_is_not_there_is_counted_as_such(arena: Make) -> None:
    ours = arena(ANT, BEE)

    async def visit() -> None:
        with pytest.raises(NoQuestion):
            await anext(ours.battles.show_question("ann", "en"))

    run(visit)
    assert ours.value("paddock_refusals_total", why="no_question") == 1
    assert ours.value("paddock_line_seconds_count") == 0


def test_a_battle_and_its_vote_are_counted_with_their_times(arena: Make) -> None:
    ours = arena(contestant("ant", first_token_seconds=0.1), contestant("bee", first_token_seconds=0.1))

    async def visit() -> None:
        view = (await ours.ask())[-1]
        assert isinstance(view, View)
        await ours.battles.vote(view.battle_id, "ann", Outcome.TIE)

    run(visit)
    assert ours.value("paddock_turns_total", end="open") == 1
    assert ours.value("paddock_votes_total", outcome="tie") == 1
    for name in ("line", "first_text", "answer", "vote"):
        assert ours.value(f"paddock_{name}_seconds_count") == 1
    first, answer = ours.value("paddock_first_text_seconds_sum"), ours.value("paddock_answer_seconds_sum")
    assert 0.1 <= first <= answer


def test_the_same_vote_sent_again_is_one_vote(arena: Make) -> None:
    ours = arena(ANT, BEE)

    async def visit() -> None:
        view = (await ours.ask())[-1]
        assert isinstance(view, View)
        for _ in range(2):
            await ours.battles.vote(view.battle_id, "ann", Outcome.TIE)

    run(visit)
    assert ours.value("paddock_votes_total", outcome="tie") == 1


def test_ends_are_told_apart(arena: Make) -> None:
    endless = contestant("ant", **SLOW), contestant("bee", **SLOW)
    ours = arena(*endless)

    async def visit() -> None:
        async with aclosing(ours.battles.ask(None, "ann", "Stop me")) as views:
            view = await until_text(views)
            await ours.battles.stop(view.battle_id, "ann")
            async for _ in views:
                pass
        async with aclosing(ours.battles.ask(None, "ann", "I leave")) as views:
            await until_text(views)

    run(visit)
    assert ours.value("paddock_turns_total", end="stopped") == 1
    assert ours.value("paddock_turns_total", end="left") == 1
    assert ours.value("paddock_answer_seconds_count") == 0, "only whole answers tell how long answers take"


def test_a_battle_that_fails_is_void(arena: Make) -> None:
    ours = arena(ANT, contestant("bee", fail_after=2))
    run(ours.ask)
    assert ours.value("paddock_turns_total", end="void") == 1


def test_refusals_are_counted_by_why(arena: Make) -> None:
    ours = arena(ANT, BEE)

    async def visit() -> None:
        with pytest.raises(PromptError):
            await ours.ask("  ")
        with pytest.raises(Refused):
            await ours.battles.vote("no such battle", "ann", Outcome.A)
        ours.battles.gate.close()
        with pytest.raises(Closed):
            await ours.ask()

    run(visit)
    for why in ("prompt", "refused", "stopping"):
        assert ours.value("paddock_refusals_total", why=why) == 1
    assert ours.value("paddock_votes_total", outcome="a") == 0


def test_the_regenerated_turn_is_a_turn_too(arena: Make) -> None:
    ours = arena(ANT, BEE)

    async def visit() -> None:
        view = (await ours.ask())[-1]
        assert isinstance(view, View)
        async for _ in ours.battles.regenerate(view.battle_id, "ann"):
            pass

    run(visit)
    assert ours.value("paddock_turns_total", end="open") == 2


def page(database: Database, trusted: str = "10.1.1.1", **parts: object) -> TestClient:
    whole = Whole(database, **parts)  # type: ignore[arg-type]
    app = Starlette(routes=[metrics_route(Metrics(), whole, Peers([trusted]))])
    return TestClient(app, client=("10.1.1.1", 5000))


def test_the_page_is_what_prometheus_reads(tmp_path: Path) -> None:
    database = database_with(tmp_path, ANT, BEE)
    database.close()  # nothing of it is needed
    places = Places((Residency(ANT, "ready"), Residency(BEE, "failed", reason="no memory")))
    site = page(database, pool=places, keeper=Kept(problem="refused"), reviewer=Seen(problem="locked"))
    with site:
        text = site.get("/metrics").text
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in parsed(text)
        for sample in family.samples
    }
    assert found["paddock_model_state", "ant", "ready"] == 1
    assert found["paddock_model_state", "bee", "failed"] == 1
    assert found["paddock_battles_running",] == 0
    assert found["paddock_flush_failing",] == 1
    assert found["paddock_flush_age_seconds",] == 61.4
    assert found["paddock_review_failing",] == 1
    assert found["paddock_voters_biased",] == 2
    assert found["paddock_review_age_seconds",] == 4.2
    assert found["paddock_uptime_seconds",] >= 0


@pytest.mark.parametrize(
    ("trusted", "headers", "code"),
    [
        ("10.1.1.1", {}, 200),
        ("10.0.0.0/8", {}, 200),
        ("127.0.0.1", {}, 404),
        ("10.1.1.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("10.1.1.1", {"X-Real-IP": "10.1.1.1"}, 404),
        ("10.1.1.1", {"Forwarded": "for=127.0.0.1"}, 404),
    ],
)
def test_only_who_asks_directly_from_a_trusted_address_gets_it(
    trusted: str, headers: dict[str, str], code: int, tmp_path: Path
) -> None:
    database = database_with(tmp_path, ANT, BEE)
    with page(database, trusted) as site:
        assert site.get("/metrics", headers=headers).status_code == code
    database.close()
