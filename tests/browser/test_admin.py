"""The page for administrators, as one of them uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support import Server, Visitor, canary, serving, write_catalog

from browser.tap import TAP, received

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

TOKEN = "hunter2-hunter2-hunter2"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
CELLS = "[role=gridcell]"
WHO_MET = """SELECT battle.id, a.name, b.name FROM battle
    JOIN contestant a ON a.fingerprint = contestant_a JOIN contestant b ON b.fingerprint = contestant_b"""
# A wrong token is answered with 403, which Chromium notes by itself.
EXPECTED = "Failed to load resource: the server responded with a status of 403"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("office")
    models = [canary(tree) for tree in ("alder", "birch", "cedar")]
    catalog = write_catalog(folder / "catalog.toml", *models)
    with serving(folder, catalog, ready=3, PACE_CHARS=0, ADMIN_TOKEN=TOKEN) as server:
        yield server


@pytest.fixture
def door(chromium: Browser, office: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page as somebody new sees it; a browser that complains fails the test."""
    context = chromium.new_context(**getattr(request, "param", {}))
    context.add_init_script(TAP)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda one: complaints.append(one.text) if one.type == "error" and EXPECTED not in one.text else None,
    )
    page.goto(f"{office.url}/admin")
    expect(page.locator("#admin-token input")).to_be_visible()
    yield page
    context.close()
    assert not complaints


def enter(page: Page) -> None:
    page.locator("#admin-token input").fill(TOKEN)
    page.locator("#admin-token input").press("Enter")
    expect(page.locator("#admin-panel")).to_be_visible()
    expect(page.locator("#admin-health")).to_contain_text("process.uptime_seconds")


def voted(office: Server, outcome: str = "a") -> Visitor:
    visitor = Visitor(office.url)
    visitor.ask("Why is the sky blue?")
    assert visitor.vote(outcome).success
    return visitor


def row_of(page: Page, table: str, text: str) -> list[str]:
    row = page.locator(f"#{table} tr, #{table} [role=row]").filter(has=page.locator(CELLS)).filter(has_text=text).first
    return [text.strip() for text in row.locator(CELLS).all_inner_texts()]


def test_without_the_token_there_is_a_door_and_nothing_behind_it(door: Page, office: Server) -> None:
    voted(office)
    expect(door.locator("#admin-panel")).not_to_be_visible()
    expect(door.locator("nav, .navbar, [role=navigation]").get_by_text("Administration")).to_have_count(0)
    door.locator("#admin-token input").fill("a token that is wrong")
    door.locator("#admin-open").click()
    expect(door.locator("#admin-refused")).to_have_text("That is not the token.")
    expect(door.locator("#admin-token input")).to_have_value("")
    expect(door.locator("#admin-panel")).not_to_be_visible()
    seen = door.content() + json.dumps(received(door))
    assert "Quillon" not in seen
    assert "process.uptime" not in seen


def test_the_token_is_in_no_page_no_address_no_event_and_no_log(door: Page, office: Server) -> None:
    addresses: list[str] = []
    door.on("request", lambda request: addresses.append(request.url))
    bodies: list[tuple[str, str]] = []
    door.on("request", lambda request: bodies.append((request.url, request.post_data or "")))
    enter(door)
    door.locator("#admin-refresh").click()
    door.wait_for_timeout(500)
    assert TOKEN not in door.content()
    assert not [address for address in addresses if TOKEN in address]
    assert [url for url, body in bodies if TOKEN in body] == [f"{office.url}/admin/open"]
    assert TOKEN not in json.dumps(received(door))
    assert TOKEN not in office.log
    assert TOKEN not in json.dumps(door.evaluate("() => [document.cookie, {...localStorage}, {...sessionStorage}]"))
    (cookie,) = [one for one in door.context.cookies() if one["name"] == "paddock_admin"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert TOKEN not in cookie["value"]


def test_who_leaves_is_outside_again(door: Page) -> None:
    enter(door)
    door.locator("#admin-close").click()
    expect(door.locator("#admin-token input")).to_be_visible()
    expect(door.locator("#admin-panel")).not_to_be_visible()


def test_a_contestant_that_is_put_off_is_not_drawn(door: Page, office: Server) -> None:
    enter(door)
    door.locator(f"#admin-lineup {CELLS}", has_text="Quillon Cedar 71").click()
    expect(door.get_by_label("on", exact=True)).to_be_checked()
    door.get_by_label("off", exact=True).check()
    door.locator("#admin-weight input").fill("2")
    door.locator("#admin-save").click()
    expect(door.get_by_test_id("toast-text")).to_have_text("Quillon Cedar 71: off, weight 2.")
    assert row_of(door, "admin-lineup", "Quillon Cedar 71")[1:] == ["off", "2"]
    begun = set(office.rows(WHO_MET))
    for _ in range(8):
        Visitor(office.url).ask("Why is the sky blue?")
    met = [names for _, *names in set(office.rows(WHO_MET)) - begun]
    assert len(met) == 8
    assert {name for names in met for name in names} == {"Quillon Alder 71", "Quillon Birch 71"}
    assert "paddock.admin: token: contestant" in office.log


def test_a_voter_found_in_a_battle_can_be_excluded_and_included_again(door: Page, office: Server) -> None:
    voter = voted(office, "b").cookie.split(".")[0]
    enter(door)
    door.locator(f"#admin-battles {CELLS}", has_text=voter).first.click()
    expect(door.locator("#admin-voter textarea, #admin-voter input")).to_have_value(voter)
    expect(door.locator("#admin-about-voter")).to_have_text("Votes: 1; of these count: 1.")
    door.locator("#admin-exclude").click()
    expect(door.get_by_test_id("toast-text")).to_have_text("Excluding needs a reason, of 200 characters at most.")
    door.locator("#admin-reason textarea, #admin-reason input").fill("<b>a machine</b>")
    door.locator("#admin-exclude").click()
    expect(door.locator("#admin-excluded")).to_contain_text("<b>a machine</b>")
    expect(door.locator("#admin-about-voter")).to_contain_text("of these count: 0. Excluded since")
    assert office.rows("SELECT status, reason FROM vote WHERE voter = ?", voter) == [("excluded", "<b>a machine</b>")]
    assert "no" in row_of(door, "admin-battles", voter)
    door.locator("#admin-include").click()
    expect(door.locator("#admin-about-voter")).to_have_text("Votes: 1; of these count: 1.")
    assert office.rows("SELECT status, reason FROM vote WHERE voter = ?", voter) == [("counted", None)]


@pytest.mark.parametrize("door", [{**PHONE, "color_scheme": scheme} for scheme in ("light", "dark")], indirect=True)
def test_it_fits_a_telephone(door: Page, office: Server) -> None:
    voted(office)
    _expect_no_sideways_scrolling(door)
    enter(door)
    _expect_no_sideways_scrolling(door)


@pytest.mark.parametrize("door", [{"locale": "zh-CN"}], indirect=True)
def test_it_speaks_chinese(door: Page) -> None:
    expect(door.locator("#admin-ask")).to_contain_text("\u7ba1\u7406\u5458")
    enter(door)
    expect(door.locator("#admin-lineup")).to_contain_text("\u53c2\u8d5b\u8005")
    expect(door.locator("#admin-save")).to_have_text("\u4fdd\u5b58")


def test_every_control_has_a_name(door: Page) -> None:
    enter(door)
    seen = door.locator("#admin-panel").aria_snapshot()
    assert "textbox" in seen
    assert [line for line in seen.splitlines() if line.strip() in ("- textbox", "- button", "- combobox")] == []


def _expect_no_sideways_scrolling(page: Page) -> None:
    width = page.evaluate("() => [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert max(width[:2]) <= 390, width


def test_the_page_is_not_there_without_administrators(chromium: Browser, arena: Server) -> None:
    page = chromium.new_page()
    answer = page.goto(f"{arena.url}/admin")
    assert answer is not None
    assert answer.status == 404
    page.close()
