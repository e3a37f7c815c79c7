"""Contestants, battles and small arenas on a real database, for tests of the house's middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy.orm import Session

from arena.battle import Battles
from arena.enrolment import enrol_all
from arena.gate import Waiting
from arena.turn import Limits
from arena.view import View
from db import queries
from db.outcome import Outcome, Refusal, Refused
from db.queries import Side
from db.schema import open_database
from db.session import Database
from db.tables import Battle, Turn, Vote
from db.url import is_sqlite, sqlite_path
from db.votes import record_vote, vote_on
from models.chat import ChatModel, Event, Message, Sampling
from models.pool import Wait
from models.scripted import ScriptedModel
from models.spec import ModelSpec

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = timedelta(hours=2)
LATE = NOW + WINDOW + timedelta(seconds=1)
WHOLE = Side("an answer", "stop", 2)
MOST_ATTEMPTS = 2
MOST_TURNS = 3
PART = Side("an ans", None, None)


def contestant(model: str, **script: object) -> ModelSpec:
    return ModelSpec(
        id=model, name=f"The {model.title()}", engine="scripted", quantization="Q4_K_M", license="Apache-2.0",
        makers=("us",), url=f"https://example.org/{model}", script={"replies": [f"{model} speaks"], **script},
    )  # fmt: skip


SLOW = {"endless": True, "max_tokens": 100_000, "tokens_per_second": 2000}
ANT, BEE, CAT = contestant("ant"), contestant("bee"), contestant("cat")


def database_with(where: Path | str, *specs: ModelSpec) -> Database:
    """A database that knows these contestants: at an address, or in a file of this folder."""
    url = where if isinstance(where, str) else f"sqlite:///{where}/arena.db"
    # Migrating takes longer than most tests, and has tests of its own (test_schema.py).
    if is_sqlite(url) and not sqlite_path(url).exists():
        sqlite_path(url).parent.mkdir(parents=True, exist_ok=True)
        sqlite_path(url).write_bytes(_migrated())
    database = open_database(url)
    enrol_all(database, specs, NOW)
    return database


@cache
def _migrated() -> bytes:
    """An empty database of today's schema."""
    with TemporaryDirectory() as folder:
        open_database(f"sqlite:///{folder}/arena.db").close()
        return Path(folder, "arena.db").read_bytes()


# -- battles without models: what the state machine sees -------------------------------------------


def first_turn(battle_id: str) -> Turn:
    return Turn(
        battle_id=battle_id, position=0, attempt=0, prompt="Why?", seed=7, status="generating", started_at=NOW
    )  # fmt: skip


def begin(session: Session, battle_id: str, voter: str = "ann", now: datetime = NOW) -> tuple[str, int, int]:
    """A battle that is being generated; the key of its turn."""
    battle = Battle(
        id=battle_id, voter=voter, contestant_a=ANT.fingerprint, contestant_b=BEE.fingerprint, probability=1.0,
        status="generating", created_at=now,
    )  # fmt: skip
    queries.open_battle(session, battle, first_turn(battle_id))
    return battle_id, 0, 0


def ready_battle(session: Session, battle_id: str, voter: str = "ann", now: datetime = NOW) -> None:
    """A battle that is open for its vote."""
    queries.finish_turn(session, begin(session, battle_id, voter, now), WHOLE, WHOLE, now)


def vote(session: Session, battle_id: str, outcome: Outcome, voter: str = "ann", now: datetime = NOW) -> str:
    record_vote(session, battle_id, voter, outcome, now, WINDOW)
    return battle_id


def key_of(session: Session, battle_id: str) -> tuple[str, int, int]:
    last = queries.turns_of(session, battle_id)[-1]
    return battle_id, last.position, last.attempt


def ask_on(session: Session, battle_id: str, voter: str = "ann", prompt: str = "And then?") -> None:
    turn = Turn(prompt=prompt, seed=8, status="generating", started_at=NOW)
    queries.next_turn(session, battle_id, voter, turn, MOST_TURNS)


def again(session: Session, battle_id: str, voter: str = "ann") -> int:
    return queries.regenerate(session, battle_id, voter, 9, NOW, MOST_ATTEMPTS).attempt


def finish(session: Session, battle_id: str) -> None:
    queries.finish_turn(session, key_of(session, battle_id), WHOLE, WHOLE, NOW)


def stop(session: Session, battle_id: str) -> None:
    queries.stop_turn(session, key_of(session, battle_id), PART, PART, NOW)


def fail(session: Session, battle_id: str) -> None:
    queries.fail_turn(session, key_of(session, battle_id), PART, PART, NOW, "out of memory")


def refusal(database: Database, work: Callable[[Session], object]) -> Refusal:
    with pytest.raises(Refused) as raised:
        database.write(work)
    return raised.value.reason


def prepared(database: Database, state: str) -> str:
    """A battle of ann's in the given state."""
    works: dict[str, list[Callable[[Session, str], object]]] = {
        "generating": [begin],
        "open": [ready_battle],
        "stopped": [begin, stop],
        "void": [begin, fail],
        "voted": [ready_battle, partial(vote, outcome=Outcome.A)],
        "asked on": [ready_battle, ask_on],
        "regenerating": [ready_battle, again],
        "second turn stopped": [ready_battle, ask_on, stop],
    }
    for work in works[state]:
        database.write(partial(work, battle_id=state))  # type: ignore[call-arg]
    return state


def status_of(database: Database, battle_id: str) -> str:
    with database.read() as session:
        return session.get_one(Battle, battle_id).status


def vote_of(database: Database, battle_id: str) -> Vote | None:
    with database.read() as session:
        return vote_on(session, battle_id)


# -- battles with models ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """What one model was asked."""

    model: str
    messages: tuple[Message, ...]
    seed: int


class Listening(ScriptedModel):
    """A scripted model that notes what it was asked."""

    def __init__(self, spec: ModelSpec, heard: list[Heard]) -> None:
        super().__init__(spec)
        self._heard = heard

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        self._heard.append(Heard(self.spec.id, tuple(messages), seed))
        async for event in super().stream(messages, sampling, seed, conversation):
            yield event


@dataclass
class Residents:
    """Every contestant given can be had; `instead` names whose script a contestant follows, if not its own.

    Who reserves is served once `there` is set; `trouble` is raised instead. `held` counts who holds whom.
    """

    specs: list[ModelSpec]
    heard: list[Heard] = field(default_factory=list)
    instead: dict[str, ModelSpec] = field(default_factory=dict)
    there: bool = True
    trouble: Exception | None = None
    held: Counter[str] = field(default_factory=Counter)

    def ready(self) -> tuple[ModelSpec, ...]:
        return tuple(self.specs)

    def pairs(self) -> list[tuple[ModelSpec, ModelSpec, Wait]]:
        return [(a, b, Wait.NOT) for a, b in combinations(self.specs, 2)]

    @contextmanager
    def reserve(self, spec_ids: Sequence[str]) -> Iterator[Callable[[], bool]]:
        self.held.update(spec_ids)

        def there() -> bool:
            if self.trouble:
                raise self.trouble
            return self.there

        try:
            yield there
        finally:
            self.held.subtract(spec_ids)

    def model(self, spec_id: str) -> ChatModel:
        own = next(spec for spec in self.specs if spec.id == spec_id)
        return Listening(self.instead.get(spec_id, own), self.heard)


async def until_text(views: AsyncIterator[View | Waiting]) -> View:
    """Read until both answers show something; the stream stays open."""
    async for view in views:
        if isinstance(view, View) and view.exchanges[-1].a and view.exchanges[-1].b:
            return view
    raise AssertionError("no text came")


@dataclass
class Arena:
    """A database, contestants that answer, and the battles between them; shown as fast as they come."""

    database: Database
    residents: Residents
    battles: Battles

    async def ask(self, prompt: str = "Why?", battle_id: str | None = None, voter: str = "ann") -> list[View]:
        """Every view that was shown, without the wait for a place."""
        views = self.battles.ask(battle_id, voter, prompt)
        return [view async for view in views if isinstance(view, View)]

    def settle(self) -> None:
        """Return when what was submitted is written, and what that led to."""
        for _ in range(2):
            self.database.write(lambda session: None)

    def turns(self, battle_id: str) -> list[Turn]:
        """Every turn that was ever stored, superseded ones too, in order."""
        with self.database.read() as session:
            rows = session.query(Turn).filter_by(battle_id=battle_id).order_by(Turn.position, Turn.attempt)
            return list(rows)


def arena_of(where: Path | str, *specs: ModelSpec, undo_seconds: float = 0, **limits: object) -> Arena:
    rules = Limits(**{"pace_chars": 0, "tick_seconds": 0.005, "answer_seconds": 20, **limits})  # type: ignore[arg-type]
    database, residents = database_with(where, *specs), Residents(list(specs))
    return Arena(database, residents, Battles(database, residents, rules, Random(1), undo_seconds=undo_seconds))


def count(database: Database, table: type[Battle] | type[Turn] | type[Vote]) -> int:
    with database.read() as session:
        return session.query(table).count()
