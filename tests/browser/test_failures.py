"""A side that fails or says nothing: one sentence on both sides, no vote, and on with the next battle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support import Server, canary, serving, write_catalog

from browser.pages import BattlePage, Visit, visiting

pytestmark = [pytest.mark.browser, pytest.mark.integrity, pytest.mark.timeout(180)]

SENTENCE = "One of the two answers could not be completed, so this battle does not count."
HALF = "Half an answer and then"


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three contestants of which every pair has one that fails in the middle or says nothing."""
    folder = tmp_path_factory.mktemp("failing")
    catalog = write_catalog(
        folder / "catalog.toml",
        canary("alder", replies=["A whole answer."]),
        canary("birch", replies=[HALF + " silence"], fail_after=len(HALF), tokens_per_second=20),
        canary("cedar", replies=[""]),
    )
    with serving(folder, catalog, ready=3, PACE_CHARS=0) as server:
        yield server


@pytest.fixture
def visit(chromium: Browser, failing: Server) -> Iterator[Visit]:
    with visiting(chromium, failing.url) as visit:
        yield visit


def test_every_failure_looks_the_same_on_both_sides_and_can_not_be_voted_on(visit: Visit, failing: Server) -> None:
    page = visit()
    seen: set[tuple[str, ...]] = set()
    while len(seen) < 3:  # until every pair has met
        page.ask("Can you finish?")
        expect(page.hint).to_contain_text("can't be voted on")
        seen.add(_shown_as_void(page, failing))
        page.leave_box()
        page.page.keyboard.press("n")
        expect(page.answers("a")).to_have_count(0)
        expect(page.prompt).to_be_editable()
    reasons = {failure for (failure,) in failing.rows("select failure from turn")}
    assert any("script fails" in reason for reason in reasons)
    assert any("answered nothing" in reason for reason in reasons)
    assert failing.rows("select distinct status from battle") == [("void",)]
    assert failing.rows("select count(*) from vote") == [(0,)]


def _shown_as_void(page: BattlePage, server: Server) -> tuple[str, ...]:
    """Check what a failed battle shows; who played it."""
    for side in "ab":
        expect(page.answer(side)).to_have_text(SENTENCE)
        expect(page.pane(side)).not_to_contain_text("Half an answer")
        expect(page.pane(side)).not_to_contain_text("script")
    page.expect_votes(enabled=False)
    expect(page.button("regenerate")).to_be_disabled()
    expect(page.prompt).not_to_be_editable()
    expect(page.button("new-battle")).to_be_enabled()
    [pair] = server.rows("select contestant_a, contestant_b from battle order by created_at desc limit 1")
    return tuple(sorted(pair))
