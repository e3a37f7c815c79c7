"""What administrators do, on a real database and with battles drawn by it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from math import inf, nan
from pathlib import Path

import pytest
from arenas import ANT, BEE, CAT, NOW, Arena, arena_of, ready_battle, vote

from arena.administration import Administration
from arena.exchange.exports import votes_rows
from arena.integrity.appeals import MOST_REASON, PAGE, NotDone
from arena.ui.admin_tables import about_voter, battles_table, excluded_table, health_table, lineup_table
from arena.ui.texts import Language, say
from db.outcome import Outcome
from db.tables import Vote


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    made = arena_of(tmp_path, ANT, BEE, CAT)
    with closing(made.database):
        yield made


@pytest.fixture
def office(arena: Arena) -> Administration:
    return Administration(arena.database, arena.battles.refresh, now=lambda: NOW)


def drawn(arena: Arena, voter: str) -> set[str]:
    """The names of who meets in a battle."""

    async def fight() -> set[str]:
        battle_id = (await arena.ask(voter=voter))[-1].battle_id
        view = await arena.battles.vote(battle_id, voter, Outcome.TIE)
        assert view.revealed is not None
        return {one.name for one in view.revealed}

    return asyncio.run(fight())


def voted(arena: Arena, number: int, voter: str = "ann") -> None:
    battle_id = f"{number:032x}"
    moment = NOW + timedelta(seconds=number)
    arena.database.write(lambda session: ready_battle(session, battle_id, voter, moment))
    arena.database.write(lambda session: vote(session, battle_id, Outcome.A, voter, moment))


def statuses(arena: Arena) -> list[str]:
    with arena.database.read() as session:
        return [one.status for one in session.query(Vote).order_by(Vote.sequence)]


@pytest.mark.parametrize("state", ["off", "archived"])
def test_who_is_put_off_is_not_drawn_from_then_on(arena: Arena, office: Administration, state: str) -> None:
    assert drawn(arena, "before")
    office.place("token", CAT.fingerprint, state, 1)
    assert [drawn(arena, f"voter {number}") for number in range(12)] == [{ANT.name, BEE.name}] * 12
    office.place("token", CAT.fingerprint, "on", 1000)
    assert any(CAT.name in drawn(arena, f"another {number}") for number in range(12))


def test_the_line_up_shows_what_was_set(arena: Arena, office: Administration) -> None:
    office.place("token", BEE.fingerprint, "archived", 2.5)
    (bee,) = [one for one in office.contestants() if one.name == BEE.name]
    assert (bee.state, bee.weight) == ("archived", 2.5)
    assert bee.label == f"The Bee · scripted Q4_K_M · {BEE.fingerprint[:8]}"
    assert [bee.label, "archived", "2.5"] in lineup_table(office.contestants(), "en")["data"]


def test_what_is_said_of_a_weight_is_what_was_kept(office: Administration, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert office.place("token", ANT.fingerprint, "on", 0.0004) == 0
    assert "is on, weight 0\n" in caplog.text
    assert office.place("token", ANT.fingerprint, "on", 2.0004) == 2
    assert [one.weight for one in office.contestants() if one.name == ANT.name] == [2]


@pytest.mark.parametrize(
    ("fingerprint", "state", "weight", "said"),
    [
        ("", "on", 1, "admin_no_contestant"),
        ("0" * 64, "on", 1, "admin_no_contestant"),
        (ANT.fingerprint, "", 1, "admin_no_state"),
        (ANT.fingerprint, "deleted", 1, "admin_no_state"),
        (ANT.fingerprint, "on", None, "admin_no_weight"),
        (ANT.fingerprint, "on", -1, "admin_no_weight"),
        (ANT.fingerprint, "on", nan, "admin_no_weight"),
        (ANT.fingerprint, "on", inf, "admin_no_weight"),
        (ANT.fingerprint, "on", 1001, "admin_no_weight"),
    ],
)
def test_what_can_not_be_set_changes_nothing(
    office: Administration, fingerprint: str, state: str, weight: float | None, said: str
) -> None:
    before = office.contestants()
    with pytest.raises(NotDone) as raised:
        office.place("token", fingerprint, state, weight)
    assert raised.value.key == said
    assert office.contestants() == before


def test_an_excluded_voter_counts_no_more_until_included_again(arena: Arena, office: Administration) -> None:
    for number, voter in enumerate(["ann", "bob", "ann"], start=1):
        voted(arena, number, voter)
    assert office.appeals.exclude("token", " ann ", " votes \n for A only ") == 2
    voted(arena, 4, "ann")
    assert statuses(arena) == ["excluded", "counted", "excluded", "excluded"]
    assert [(one.id, one.reason) for one in office.appeals.excluded()] == [("ann", "votes for A only")]
    said = about_voter(office.appeals.voter("ann"), "en")
    assert said == "Votes: 3; of these count: 0. Excluded since 2026-03-01 12:00:00: votes for A only."
    assert excluded_table(office.appeals.excluded(), "en")["data"] == [
        ["2026-03-01 12:00:00", "ann", "votes for A only"]
    ]
    assert office.appeals.include("token", "ann") == 3
    assert statuses(arena) == ["counted"] * 4
    assert office.appeals.excluded() == []
    assert about_voter(office.appeals.voter("ann"), "en") == "Votes: 3; of these count: 3."


def test_whoever_gives_a_reason_is_told_that_the_files_tell_it(arena: Arena, office: Administration) -> None:
    voted(arena, 1)
    office.appeals.exclude("token", "ann", "votes for A only")
    assert [row["reason"] for row in votes_rows(arena.database, [], b"key")] == ["votes for A only"]
    assert "public" in say("en", "admin_reason")
    assert "\u516c\u5f00" in say("zh", "admin_reason")


@pytest.mark.parametrize(
    ("voter", "reason", "said"),
    [
        ("", "why", "admin_no_voter"),
        ("  ", "why", "admin_no_voter"),
        ("ann", "", "admin_no_reason"),
        ("ann", " \n ", "admin_no_reason"),
        ("ann", "x" * (MOST_REASON + 1), "admin_no_reason"),
    ],
)
def test_an_exclusion_needs_a_voter_and_a_reason(
    arena: Arena, office: Administration, voter: str, reason: str, said: str
) -> None:
    voted(arena, 1)
    with pytest.raises(NotDone) as raised:
        office.appeals.exclude("token", voter, reason)
    assert raised.value.key == said
    assert statuses(arena) == ["counted"]


def test_to_include_nobody_is_said(office: Administration) -> None:
    with pytest.raises(NotDone):
        office.appeals.include("token", " ")
    assert office.appeals.include("token", "never seen") == 0


def test_battles_come_page_by_page_the_latest_first(arena: Arena, office: Administration) -> None:
    for number in range(PAGE + 3):
        voted(arena, number)
    first = office.battles()
    second = office.battles(first[-1].created_at)
    assert [int(one.battle_id, 16) for one in first] == list(range(PAGE + 2, 2, -1))
    assert [int(one.battle_id, 16) for one in second] == [2, 1, 0]
    row = battles_table(second, "en")["data"][-1]
    assert row == ["2026-03-01 12:00:00", "The Ant", "The Bee", "voted", "👈 A is better", "yes", "ann"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_table_has_a_heading_for_every_column(arena: Arena, office: Administration, language: Language) -> None:
    voted(arena, 1)
    office.appeals.exclude("token", "ann", "why")
    health = {"status": "ok", "models": {"each": [{"id": "ant", "name": "Ant", "state": "ready", "reason": ""}]}}
    for table in (
        lineup_table(office.contestants(), language),
        battles_table(office.battles(), language),
        excluded_table(office.appeals.excluded(), language),
        health_table(health, language),
    ):
        assert table["data"]
        assert {len(row) for row in table["data"]} == {len(table["headers"])}


def test_health_is_told_line_by_line() -> None:
    each = [{"id": "ant", "name": "Ant", "state": "failed", "reason": "no memory"}]
    health = {"status": "degraded", "journal": None, "models": {"ready": 1, "each": each}}
    assert health_table(health, "en")["data"] == [
        ["status", "degraded"],
        ["journal", "–"],
        ["models.ready", "1"],
        ["models.each", "Ant: ant, failed, no memory"],
    ]
    assert each[0]["name"] == "Ant", "what was given is left as it was"


def test_every_deed_is_logged_with_who_did_it(
    arena: Arena, office: Administration, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paddock.admin")
    voted(arena, 1)
    office.place("bea", ANT.fingerprint, "off", 2)
    office.appeals.exclude("cid", "ann", "why\nnot")
    office.appeals.include("dan", "ann")
    assert [record.getMessage() for record in caplog.records] == [
        f"bea: contestant {ANT.fingerprint[:12]} is off, weight 2",
        "cid: voter 'ann' is excluded ('why not'), votes that count no more: 1",
        "dan: voter 'ann' is included, votes that count anew: 1",
    ]
