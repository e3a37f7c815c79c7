"""Telephones, light and dark, keyboards and screen readers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.pages import BattlePage, Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LEAST = 44  # pixels a finger needs
PAGES = ("", "/leaderboard", "/about")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_battle_fits_a_telephone(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme, **PHONE)
    _expect_no_sideways_scrolling(page.page)
    page.ask_and_wait("On the phone: " + "averyverylongwordwithoutanyblank" * 8)
    _expect_no_sideways_scrolling(page.page)
    for button in page.votes:
        _expect_reachable(page, button.evaluate("one => one.id"))
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= LEAST
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    for name in ("send", "regenerate", "new-battle"):
        _expect_reachable(page, name)
    page.vote_button("tie").tap()
    expect(page.reveal).to_be_visible()
    _expect_no_sideways_scrolling(page.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_or_complains(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme, **PHONE)
    page.ask_and_wait("One vote for the table")
    page.vote("a")
    for address in PAGES:
        page.go(address)
        expect(page.page.locator("h1")).to_have_text("Paddock")
        _expect_no_sideways_scrolling(page.page)


def test_dark_is_dark_and_light_is_light(visit: Visit) -> None:
    for scheme, dark in (("light", False), ("dark", True)):
        page = visit(color_scheme=scheme)
        ground = str(page.page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        brightness = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) / 3
        assert (brightness < 100) is dark, ground


def test_every_control_has_a_name(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("Names for all")
    for address in PAGES:
        if address:
            page.go(address)
        seen_by_readers = page.page.locator("body").aria_snapshot()
        assert len(re.findall(r'- (?:button|link|textbox|checkbox) "', seen_by_readers)) >= 3
        nameless = re.findall(r'- (?:button|link|textbox|searchbox|checkbox|combobox|radio)(?! ").*', seen_by_readers)
        assert not nameless, f"{address}: {nameless}\n{seen_by_readers}"


def test_tab_reaches_everything_a_battle_needs(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("By tab")
    page.leave_box()
    needed = {"prompt", "send", "vote-a", "vote-b", "vote-tie", "vote-both-bad", "regenerate", "new-battle", "consent"}
    reached: set[str] = set()
    for _ in range(60):
        page.page.keyboard.press("Tab")
        reached.add(str(page.page.evaluate(_FOCUSED)))
    assert needed <= reached


def test_the_focus_is_seen(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("Where am I?")
    page.prompt.focus()
    page.page.keyboard.press("Tab")
    outline = page.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_hint_is_a_status_that_is_read_aloud(visit: Visit) -> None:
    page = visit()
    expect(page.page.get_by_role("status").filter(has_text="Type a prompt to begin.")).to_have_count(1)
    expect(page.hint).to_have_attribute("aria-live", "polite")
    page.ask_and_wait("Tell me when")
    expect(page.page.get_by_role("status").filter(has_text="Both answers are complete.")).to_have_count(1)


def _expect_no_sideways_scrolling(page: Page) -> None:
    width = page.evaluate("() => [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert max(width[:2]) <= 390, width


def _expect_reachable(page: BattlePage, name: str) -> None:
    """It scrolls into view, and nothing lies over its middle."""
    button = page.button(name)
    button.scroll_into_view_if_needed()
    on_top = button.evaluate(
        "one => { const at = one.getBoundingClientRect();"
        " const top = document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2);"
        " return one.contains(top) || top.contains(one); }"
    )
    assert on_top, name


# The control, or what it is inside of, by the names the battle page gives.
_FOCUSED = """() => {
  const named = document.activeElement.closest('[id]');
  return named ? named.id : '';
}"""
