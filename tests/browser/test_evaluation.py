"""The Evaluation page: the announcement's table from its published files, and judges that people must not believe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from arenas import ANT, BEE, database_with
from evaluated import QUESTIONS, evaluate_pair, grade, judge_battles
from playwright.sync_api import Browser, Locator, expect
from support import Server, canary, environment, serving, write_catalog

from browser.pages import BattlePage, Visit, visiting
from browser.test_hostile import PAYLOADS, RUN, elsewhere

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

__all__ = ["elsewhere"]  # a fixture: another site, and what it was asked for

# Model, ratio, both totals, wins, losses, ties: the table of Vicuna's announcement.
ANNOUNCED = {
    "llama-13b": ("135.3 %", "694.0", "513.0", "77", "3", "0"),
    "alpaca-13b": ("120.8 %", "704.0", "583.0", "76", "3", "1"),
    "bard": ("98.7 %", "655.5", "664.0", "40", "30", "10"),
    "gpt-3.5-turbo": ("92.1 %", "638.0", "693.0", "14", "44", "22"),
}
COLUMNS = (2, 4, 5, 6, 7, 8)


@pytest.fixture(scope="module")
def announced(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An arena that has imported the published files, as anybody would."""
    folder = tmp_path_factory.mktemp("announced")
    catalog = write_catalog(folder / "catalog.toml", canary("alder"), canary("birch"))
    command = [sys.executable, "-m", "arena", "judge", "import-reviews", str(shared_data / "vicuna-eval")]
    subprocess.run(command, env=environment(folder, catalog), cwd=folder, timeout=120, check=True)
    with serving(folder, catalog) as server:
        yield server


@pytest.fixture(scope="module")
def doubtful(elsewhere: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Judges of hostile answers in every form: one that reads them, one that takes whatever is first."""
    folder = tmp_path_factory.mktemp("doubtful")
    (folder / "data").mkdir()
    with closing(database_with(f"sqlite:///{folder}/data/arena.db", ANT, BEE)) as database:
        database.write(lambda session: evaluate_pair(session, lambda number: _hostile(number, elsewhere[0])))
        database.write(grade)
        database.write(judge_battles)
    catalog = write_catalog(folder / "catalog.toml", canary("alder"), canary("birch"))
    with serving(folder, catalog) as server:
        yield server


@pytest.fixture(scope="module")
def unjudged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("unjudged")
    with serving(folder, write_catalog(folder / "catalog.toml", canary("alder"), canary("birch"))) as server:
        yield server


def _hostile(number: int, site: str) -> str:
    """Every payload is in one of the answers."""
    texts = [payload.format(RUN, site) for payload in PAYLOADS[number % QUESTIONS :: QUESTIONS]]
    return f"Answer {number}: " + "\n\n".join(texts) + "\n\nEnd."


@pytest.fixture
def visit(chromium: Browser, announced: Server) -> Iterator[Visit]:
    with visiting(chromium, announced.url) as visit:
        yield visit


def opened(visit: Visit, **options: Any) -> BattlePage:
    page = visit(agree=False, **{"viewport": {"width": 1280, "height": 1000}, **options})
    page.go("/evaluation")
    expect(page.page.locator("#plot .main-svg").first).to_be_visible()
    expect(page.page.locator("#reading")).not_to_be_empty()
    return page


def row(page: BattlePage, baseline: str) -> list[str]:
    """What the table of pairs shows of the pair against `baseline`."""
    shown = [
        page.page.locator(f"#pairs [role=gridcell][data-col='{column}']").all_inner_texts() for column in range(11)
    ]
    place = shown[1].index(baseline)
    return [column[place].strip() for column in shown]


def choose(page: BattlePage, name: str, choice: str | re.Pattern[str]) -> None:
    page.page.locator(f"#evaluation-{name} input").click()
    exact = isinstance(choice, str)
    page.page.locator(f"#evaluation-{name}").get_by_role("option", name=choice, exact=exact).click()


def summary(page: BattlePage) -> Locator:
    return page.page.locator("#summary")


# -- the published files -------------------------------------------------------------------------


def test_the_published_files_give_the_announcement_s_table(visit: Visit) -> None:
    page = opened(visit)
    for baseline, told in ANNOUNCED.items():
        found = row(page, baseline)
        assert tuple(found[column] for column in COLUMNS) == told
    expect(page.page.locator("#columns-note")).to_contain_text(
        re.compile(r"Of gpt-3.5-turbo, .*bard 93 %.*alpaca-13b 76 %.*llama-13b 68 %")
    )
    expect(summary(page)).to_contain_text("Asked in one order only")


def test_a_pair_that_is_looked_at_closely_is_the_whole_page_s(visit: Visit) -> None:
    page = opened(visit)
    choose(page, "pair", "vicuna-13b against gpt-3.5-turbo")
    expect(summary(page)).to_contain_text("vicuna-13b reaches 92.1 % of gpt-3.5-turbo, as gpt-4-0328 scores")
    expect(summary(page)).to_contain_text("vicuna-13b wins 14, gpt-3.5-turbo wins 44, ties 22.")
    fermi = page.page.locator("#by-category tr", has_text="Fermi")
    expect(fermi.locator("td")).to_have_text(["Fermi", "65.0", "82.0", "79.3 %", "0", "10", "0", "0"])
    expect(page.page.locator("#plot .legendtext")).to_have_text(["vicuna-13b", "gpt-3.5-turbo"])
    expect(page.page.locator("#pane-a")).to_contain_text("gpt-3.5-turbo · 9.0")
    choose(page, "baseline", "bard")
    expect(page.page.locator("#pairs [role=gridcell][data-col='1']")).to_have_text(["bard"])
    expect(summary(page)).to_contain_text("of bard")


def test_one_reads_question_answers_and_explanation_by_category_and_verdict(visit: Visit) -> None:
    page = opened(visit)
    choose(page, "pair", "vicuna-13b against gpt-3.5-turbo")
    reading, place = page.page.locator("#reading"), page.page.locator("#reading-place")
    choose(page, "category", "mathematics (3)")
    expect(place).to_contain_text("1 of 3")
    expect(reading).to_contain_text("Question 68 · mathematics · gpt-3.5-turbo is better")
    for number in (69, 70):
        page.page.locator("#reading-next").click()
        expect(reading).to_contain_text(f"Question {number}")
    expect(place).to_contain_text("3 of 3")
    page.page.locator("#reading-before").click()
    expect(reading).to_contain_text("Question 69")
    expect(page.page.locator("#said")).to_contain_text("gpt-4-0328 · gpt-3.5-turbo shown first")
    choose(page, "way", re.compile(r"vicuna-13b wins \(14\)"))
    expect(reading).to_contain_text("Nothing matches")
    choose(page, "category", "all")
    expect(place).to_contain_text("1 of 14")
    expect(reading).to_contain_text("vicuna-13b is better")


def test_report_and_radar_can_be_taken_away(visit: Visit, chromium: Browser, tmp_path: Path) -> None:
    page = opened(visit)
    choose(page, "baseline", "gpt-3.5-turbo")
    expect(summary(page)).to_contain_text("92.1 %")
    saved: dict[str, str] = {}
    for name in ("evaluation.md", "evaluation.json", "interactive page"):
        with page.page.expect_download() as download:
            page.page.get_by_role("link", name=name).click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_text(encoding="utf-8")
    (pair,) = json.loads(saved["evaluation.json"])
    assert (pair["total_baseline"], pair["total_model"], round(pair["ratio"], 4)) == (693.0, 638.0, 0.9206)
    assert "gpt-3.5-turbo" in saved["evaluation.md"]
    for form, start in {"PNG": b"\x89PNG", "SVG": b"<svg"}.items():
        with page.page.expect_download() as download:
            page.page.locator("#plot-files button", has_text=form).click()
        assert Path(download.value.path()).read_bytes().startswith(start)
    (tmp_path / "radar.html").write_text(saved["radar.html"], encoding="utf-8")
    with chromium.new_context(offline=True) as context:
        alone = context.new_page()
        alone.goto((tmp_path / "radar.html").as_uri())
        expect(alone.locator(".main-svg").first).to_contain_text("counterfactual")


def test_on_a_telephone_only_tables_scroll_sideways(visit: Visit) -> None:
    page = opened(visit, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    width = page.page.evaluate("() => [document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(width) <= 390
    ratio = page.page.locator("#pairs [role=gridcell][data-col='2']").first.bounding_box()
    assert ratio is not None
    assert ratio["x"] + ratio["width"] <= 390, "who reaches how much is seen without scrolling"


def test_it_is_chinese_for_who_reads_chinese(visit: Visit) -> None:
    page = opened(visit, locale="zh-CN")
    expect(summary(page)).to_contain_text("只按一种顺序询问")
    expect(page.page.locator("#by-category")).to_contain_text("费米估算")
    expect(page.page.locator("#said")).to_contain_text("先出示")


# -- judges that people must not believe -----------------------------------------------------------


def test_a_judge_that_takes_whatever_is_first_is_called_none(chromium: Browser, doubtful: Server) -> None:
    with visiting(chromium, doubtful.url, strict=False) as visit:
        page = opened(visit)
        choose(page, "judge", "Senseless")
        expect(summary(page)).to_contain_text("Senseless is no judge")
        expect(summary(page)).to_contain_text("All 48 verdicts go to the answer that it was shown first.")
        expect(page.page.locator("#trust tr", has_text="Consistency").locator("td").nth(1)).to_have_text("0 %")
        expect(page.page.locator("#said section")).to_have_count(2)
        choose(page, "judge", "Careful")
        expect(page.page.locator("#evaluation-form input")).to_have_value("A, B or tie")
        expect(page.page.locator("#people")).to_contain_text("In 12 battles that people voted on and Careful judged")
        for form, shown in (("two scores", "reaches"), ("one score", "leads with 8.00 of 10")):
            choose(page, "form", form)
            expect(summary(page)).to_contain_text(shown)
        expect(page.page.locator("#reading")).to_contain_text("8.0 of 10")
        expect(page.page.locator("#pane-a")).to_be_hidden()


def test_markup_in_stored_answers_neither_runs_nor_fetches(
    chromium: Browser, doubtful: Server, elsewhere: tuple[str, list[str]]
) -> None:
    _, asked = elsewhere
    # The page's policy refuses what sanitizing left over, and the console tells so.
    with visiting(chromium, doubtful.url, strict=False) as visit:
        page = opened(visit)
        choose(page, "judge", "Senseless")
        expect(page.page.locator("#said")).to_contain_text("Senseless")
        for number in range(QUESTIONS):
            expect(page.page.locator("#reading-place")).to_contain_text(f"{number + 1} of {QUESTIONS}")
            expect(page.page.locator("#pane-b")).to_contain_text(f"Answer {number}:")
            assert page.page.evaluate("() => window.__pwned") is None
            assert len(page.page.frames) == 1
            assert not asked, "another site was asked"
            page.page.locator("#reading-next").click()
        bad = [one for one in page.complaints if one.startswith(("dialog", "error", "response"))]
        assert not [one for one in bad if f"404 {doubtful.url}/x" not in one], bad  # <img src=x> asks the arena itself


def test_the_leaderboard_shows_a_judge_s_rating_to_whoever_wants_it(chromium: Browser, doubtful: Server) -> None:
    with visiting(chromium, doubtful.url) as visit:
        page = visit(agree=False, viewport={"width": 1400, "height": 1000})
        page.go("/leaderboard")
        headings = page.page.locator("#standings thead").first
        expect(headings).not_to_contain_text("Judge")
        page.page.locator("#judge-column input").check()
        expect(headings).to_contain_text("Judge")
        expect(page.page.locator("#notes")).to_contain_text("rating of Careful's verdicts alone")
        page.page.locator("#judge-column input").uncheck()
        expect(headings).not_to_contain_text("Judge")


def test_without_judgments_it_says_what_to_run(chromium: Browser, unjudged: Server) -> None:
    with visiting(chromium, unjudged.url) as visit:
        page = visit(agree=False)
        page.go("/evaluation")
        expect(summary(page)).to_contain_text("No judge has said anything yet")
        expect(summary(page)).to_contain_text("python -m arena judge run --judge JUDGE")
        expect(page.page.locator("#evaluation")).to_be_hidden()
        page.go("/leaderboard")
        expect(page.page.locator("#judge-column")).to_be_hidden()
