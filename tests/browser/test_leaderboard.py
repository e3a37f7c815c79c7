"""The Leaderboard on imported votes: what one reads, filters, sorts, hovers and takes away."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect
from support import Server

from arena.figures.plots import PLOTS
from browser.invented import voted_arena
from browser.pages import BattlePage, Visit, visiting

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

HOSTILE = "<img src=x onerror=window.__pwned=1> **[x](javascript:window.__pwned=1)**"
NAMES = ("Aspen 9", "Balsa 8", "Cedar 7", "Dogwood 6", "Elm 5", HOSTILE)


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with voted_arena(tmp_path_factory.mktemp("voted"), NAMES) as server:
        yield server


@pytest.fixture
def visit(chromium: Browser, voted: Server) -> Iterator[Visit]:
    with visiting(chromium, voted.url) as visit:
        yield visit


@pytest.fixture
def page(visit: Visit) -> BattlePage:
    opened = visit(agree=False, viewport={"width": 1280, "height": 1000})
    opened.go("/leaderboard")
    return opened


def cells(page: BattlePage, column: int) -> list[str]:
    """What a column of the table shows, from the top."""
    return page.page.locator(f"#standings [role=gridcell][data-col='{column}']").all_inner_texts()


def choose(page: BattlePage, name: str, choice: str) -> None:
    page.page.locator(f"#filter-{name} input").click()
    page.page.locator(f"#filter-{name}").get_by_role("option", name=choice, exact=True).click()


def look_at(page: BattlePage, place: int) -> None:
    page.page.locator("#views label").nth(place).click()
    expect(page.page.locator("#plot-files a").first).to_have_attribute("href", f"/download/{PLOTS[place]}.html")
    expect(page.page.locator("#plot .main-svg").first).to_be_visible()


def test_one_reads_who_leads_but_not_who_voted_and_sorts_and_searches(page: BattlePage, voted: Server) -> None:
    expect(page.page.locator("#summary")).to_contain_text("Aspen 9 leads")
    expect(page.page.locator("#summary")).to_contain_text("Votes: 600. Voters: 40.")
    assert cells(page, 1)[0] == "Aspen 9"
    seen = page.page.content()
    assert not [voter for (voter,) in voted.rows("select distinct voter from vote") if voter in seen]
    heading = page.page.locator("#standings th", has_text="Rating")
    heading.hover()
    heading.locator(".cell-menu-button").click()
    page.page.get_by_role("menuitem", name="Sort ascending").click()
    expect(heading.locator(".sort-indicator")).to_be_visible()
    ratings = [int(text) for text in cells(page, 3)]
    assert ratings == sorted(ratings)
    assert min(ratings) < 1000 < max(ratings)
    page.page.locator("#standings input").first.fill("cedar")
    expect(page.page.locator("#standings [role=gridcell][data-col='1']")).to_have_text(["Cedar 7"])


def test_a_hostile_name_of_an_imported_model_is_text_everywhere(page: BattlePage) -> None:
    assert HOSTILE in cells(page, 1)
    for place in range(len(PLOTS)):
        look_at(page, place)
    assert page.page.evaluate("() => window.__pwned") is None
    expect(page.page.locator("#standings img")).to_have_count(0)


def test_a_filter_changes_everything_on_the_page(page: BattlePage) -> None:
    choose(page, "category", "coding")
    expect(page.page.locator("#summary")).to_contain_text("Votes: 120.")
    # In coding the last is the first.
    assert cells(page, 1)[0] == HOSTILE
    expect(page.page.locator("#plot-files a").first).to_have_attribute(
        "href", "/download/intervals.html?category=coding"
    )
    choose(page, "ties", "decisive only")
    link = page.page.locator("#downloads").get_by_text("leaderboard.csv", exact=True)
    expect(link).to_have_attribute("href", "/download/leaderboard.csv?category=coding&ties=left_out")
    with page.page.expect_download() as download:
        link.click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8").splitlines()))
    assert rows[0]["name"] == HOSTILE
    assert sum(int(row["votes"]) for row in rows) < 240
    choose(page, "since", "last 7 days")
    expect(page.page.locator("#summary")).not_to_contain_text("Votes: 120.")
    choose(page, "turns", "several")
    expect(page.page.locator("#summary")).to_contain_text("No votes match these filters")
    expect(page.page.locator("#plot")).to_contain_text("nothing to show")


def test_hovering_a_cell_of_the_matrix_tells_how_often_one_beat_the_other(page: BattlePage) -> None:
    look_at(page, PLOTS.index("win_rates"))
    page.page.locator("#plot .heatmaplayer image").scroll_into_view_if_needed()
    box = page.page.locator("#plot .heatmaplayer image").bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + 1.5 * box["width"] / len(NAMES), box["y"] + box["height"] / len(NAMES) / 2)
    hover = page.page.locator("#plot .hoverlayer")
    expect(hover).to_contain_text("Aspen 9 beat Balsa 8")
    expect(hover).to_contain_text("battles (predicted ")


def test_every_plot_can_be_taken_away_as_a_picture_a_page_and_numbers(page: BattlePage, tmp_path: Path) -> None:
    starts = {"PNG": b"\x89PNG", "SVG": b"<svg"}
    for place, plot in enumerate(PLOTS):
        look_at(page, place)
        for form, start in starts.items():
            with page.page.expect_download() as download:
                page.page.locator("#plot-files button", has_text=form).click()
            assert download.value.suggested_filename == f"paddock-{plot}.{form.lower()}"
            assert Path(download.value.path()).read_bytes().startswith(start)
        for number in range(2):
            with page.page.expect_download() as download:
                page.page.locator("#plot-files a").nth(number).click()
            assert Path(download.value.path()).stat().st_size > 100
            if number == 0:
                download.value.save_as(tmp_path / f"{plot}.html")


def test_a_page_that_was_taken_away_draws_itself_offline(chromium: Browser, voted: Server, tmp_path: Path) -> None:
    path = tmp_path / "win_rates.html"
    path.write_bytes(httpx.get(f"{voted.url}/download/win_rates.html", timeout=60).content)
    with chromium.new_context(offline=True) as context:
        alone = context.new_page()
        alone.goto(path.as_uri())
        expect(alone.locator(".heatmaplayer image")).to_be_visible()
        expect(alone.locator(".main-svg").first).to_contain_text("Aspen 9")


def test_on_a_telephone_only_tables_and_maps_scroll_sideways(visit: Visit) -> None:
    page = visit(agree=False, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page.go("/leaderboard")
    for place in range(len(PLOTS)):
        look_at(page, place)
        width = page.page.evaluate("() => [document.documentElement.scrollWidth, document.body.scrollWidth]")
        assert max(width) <= 390, PLOTS[place]


def test_it_is_chinese_for_who_reads_chinese(visit: Visit) -> None:
    page = visit(agree=False, locale="zh-CN")
    page.go("/leaderboard")
    expect(page.page.locator("#summary")).to_contain_text("领先")
    expect(page.page.locator("#views")).to_contain_text("胜率")
    choose(page, "category", "编程")
    expect(page.page.locator("#summary")).to_contain_text("共 120 票")
