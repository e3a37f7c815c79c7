"""An administrator sees what the rules decided, and why, and decides otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from arenas import database_with
from playwright.sync_api import Browser, Page, expect
from polled import Poll, honest
from support import Server, canary, serving, wait_for, write_catalog

from browser.tap import TAP
from browser.test_admin import CELLS, TOKEN, enter, row_of
from models.catalog import load_catalog

pytestmark = [pytest.mark.browser, pytest.mark.integrity, pytest.mark.timeout(300)]

TREES = ("alder", "birch", "cedar", "elder", "hazel", "maple")
RIGGER, HASTY = "rigger", "hasty"
STATES = "SELECT DISTINCT status, reason FROM vote WHERE voter = ?"


def poll(folder: Path) -> None:
    """What honest people, a rigger and a hasty one voted before the arena opened, not reviewed yet."""
    specs = load_catalog(folder / "catalog.toml")
    (folder / "data").mkdir()
    with closing(database_with(folder / "data", *specs)) as database:
        rng = np.random.default_rng(3)
        held = Poll(database, specs, np.linspace(0.5, -0.5, len(specs)), rng)
        honest(held, 30, 400)
        rigger = held.person(RIGGER, target=4)
        for _ in range(20):
            held.vote(rigger)
        hasty = held.person(HASTY)
        for number in range(12):
            held.fight(HASTY, number % 3, 3 + number % 2, "a", seconds=1) if number < 4 else held.vote(hasty)
        held.store()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Server]:
    write_catalog(tmp_path / "catalog.toml", *(canary(tree) for tree in TREES))
    poll(tmp_path)
    catalog = tmp_path / "catalog.toml"
    with serving(tmp_path, catalog, ready=6, PACE_CHARS=0, ADMIN_TOKEN=TOKEN, GUARD="on") as server:
        wait_for(lambda: server.rows(STATES, RIGGER) == [("held", "biased")], 60)
        yield server


@pytest.fixture
def page(chromium: Browser, office: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = chromium.new_context(**getattr(request, "param", {}))
    context.add_init_script(TAP)
    page = context.new_page()
    page.goto(f"{office.url}/admin")
    enter(page)
    yield page
    context.close()


def click(page: Page, table: str, text: str) -> None:
    page.locator(f"#{table} {CELLS}", has_text=text).first.click()


def value(page: Page, name: str) -> str:
    return page.locator(f"#{name} textarea, #{name} input").input_value()


def test_what_the_rules_held_is_seen_with_its_evidence_and_reversed(page: Page, office: Server) -> None:
    expect(page.locator("#admin-review")).to_contain_text("by version 1 of the rules")
    biased = row_of(page, "admin-reasons", "biased")
    assert biased[0].startswith("The voter\u2019s votes" if "\u2019" in biased[0] else "The voter's votes")
    assert biased[1:] == ["biased", "held", "20", "1"]
    assert row_of(page, "admin-reasons", "too_fast")[1:] == ["too_fast", "held", "4", "1"]

    click(page, "admin-suspects", RIGGER)
    about = page.locator("#admin-about-voter")
    expect(about).to_contain_text("Votes: 20; of these count: 0.")
    expect(about).to_contain_text("of 1000 needed: biased")
    expect(about).to_contain_text("Quillon Hazel 71: 20 won, 0 lost")
    assert value(page, "admin-voter") == RIGGER

    page.locator("#admin-clear").click()
    expect(about).to_contain_text("Votes: 20; of these count: 20. Cleared since")
    assert office.rows(STATES, RIGGER) == [("counted", None)]
    expect(page.locator("#admin-suspects")).not_to_contain_text(RIGGER)
    expect(page.locator("#admin-reasons")).not_to_contain_text("biased")
    assert f"paddock.admin: token: voter '{RIGGER}' is cleared, votes that count anew: 20" in office.log


def test_a_single_vote_is_counted_and_left_out_again(page: Page, office: Server) -> None:
    click(page, "admin-reasons", "too_fast")
    expect(page.locator("#admin-votes")).not_to_contain_text(RIGGER)
    click(page, "admin-votes", HASTY)
    expect(page.locator("#admin-about-voter")).to_contain_text("too_fast: 4")
    battle = value(page, "admin-battle")
    assert value(page, "admin-voter") == HASTY
    page.locator("#admin-count").click()
    expect(page.get_by_test_id("toast-text")).to_have_text("The vote counts.")
    expect(page.locator("#admin-about-voter")).to_contain_text("too_fast: 3")
    one = "SELECT status, reason, settled FROM vote WHERE battle_id = ?"
    assert office.rows(one, battle) == [("counted", None, 1)]
    page.locator("#admin-leave-out").click()
    expect(page.locator("#admin-about-voter")).to_contain_text("administrator: 1")
    assert office.rows(one, battle) == [("excluded", "administrator", 1)]
    assert office.log.count(f"paddock.admin: token: the vote of battle '{battle}' is") == 2


def test_visitors_are_told_how_many_votes_do_not_count_and_why(page: Page, office: Server) -> None:
    [(uncounted,)] = office.rows("SELECT count(*) FROM vote WHERE status != 'counted'")
    assert uncounted >= 24
    page.goto(f"{office.url}/leaderboard")
    expect(page.locator("#notes")).to_contain_text(f"{uncounted} votes are kept but not counted")
    with page.context.expect_page() as opened:
        page.locator("#notes a").click()
    about = opened.value.locator("#about")
    expect(about).to_contain_text("Whose votes count")
    expect(about).to_contain_text("20 votes of this voter on these two contestants count already")


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}, "locale": "zh-CN"}], indirect=True)
def test_it_fits_a_telephone_in_chinese(page: Page) -> None:
    expect(page.locator("#admin-reasons")).to_contain_text("\u504f\u5411")
    click(page, "admin-suspects", RIGGER)
    expect(page.locator("#admin-about-voter")).to_contain_text("Quillon Hazel 71\uff1a20 \u80dc")
    width = page.evaluate("() => [document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(width) <= 390, width
