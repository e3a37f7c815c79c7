"""A vote that is taken back, or not, in a real browser: before the names, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support import Server, canaries_of, serving, wait_for

from browser.pages import BattlePage, Visit, visiting
from browser.tap import SETTLED, received

pytestmark = [pytest.mark.browser, pytest.mark.integrity, pytest.mark.timeout(120)]

PRIMARY = re.compile(r"\bprimary\b")
SECONDS = 6.0  # long enough for a busy machine to press a button in


@pytest.fixture(scope="module")
def arena(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("undo"), catalog, PACE_CHARS=0, UNDO_SECONDS=SECONDS) as server:
        yield server


@pytest.fixture
def visit(chromium: Browser, arena: Server) -> Iterator[Visit]:
    with visiting(chromium, arena.url) as visit:
        yield visit


def test_a_choice_is_seen_at_once_and_the_names_some_seconds_later(visit: Visit, arena: Server, catalog: Path) -> None:
    page = _votable(visit, "Seen at once")
    page.vote_button("a").click()
    _expect_chosen(page, "You found A better.")
    expect(page.vote_button("a")).to_have_class(PRIMARY)
    expect(page.vote_button("b")).not_to_have_class(PRIMARY)
    assert _votes(arena, "Seen at once") == []
    seen = page.page.content() + "".join(" ".join(entry) for entry in received(page.page))
    assert not [name for name in canaries_of(catalog) if name in seen]
    expect(page.reveal).to_contain_text("Quillon")
    expect(page.button("undo")).to_be_hidden()
    assert _votes(arena, "Seen at once") == ["a"]
    page.begin_anew()
    for button in page.votes:
        expect(button).not_to_have_class(PRIMARY)


def test_undo_gives_the_page_back_and_the_next_vote_counts(visit: Visit, arena: Server) -> None:
    page = _votable(visit, "Think better of it")
    before = page.pane("a").inner_text()
    page.vote_button("a").click()
    page.button("undo").click()
    expect(page.hint).to_contain_text("Both answers are complete")
    page.expect_votes(enabled=True)
    expect(page.button("undo")).to_be_hidden()
    expect(page.prompt).to_be_editable()
    page.page.wait_for_function(SETTLED)  # until then Gradio counts seconds, unseen, in the pane of a running event
    expect(page.pane("a")).to_have_text(before, use_inner_text=True)
    page.vote("b")
    expect(page.reveal).to_contain_text("You found B better.")
    assert _votes(arena, "Think better of it") == ["b"]
    assert not page.toasts.count()


def test_after_an_undo_the_conversation_goes_on(visit: Visit, arena: Server) -> None:
    page = _votable(visit, "Ask on instead")
    page.vote_button("tie").click()
    page.button("undo").click()
    page.expect_votes(enabled=True)
    page.ask_and_wait("And on")
    expect(page.answers("a")).to_have_count(2)
    page.page.wait_for_timeout(SECONDS * 1000)
    assert _votes(arena, "Ask on instead") == []


def test_the_keys_choose_and_take_back(visit: Visit, arena: Server) -> None:
    page = _votable(visit, "By keyboard")
    page.leave_box()
    page.page.keyboard.press("u")  # nothing to take back yet
    page.page.keyboard.press("4")
    _expect_chosen(page, "You found both bad.")
    page.page.keyboard.press("1")  # off
    page.page.keyboard.press("u")
    page.expect_votes(enabled=True)
    page.page.wait_for_function(SETTLED)
    page.page.keyboard.press("3")
    expect(page.reveal).to_contain_text("You called it a tie.")
    assert _votes(arena, "By keyboard") == ["tie"]


def test_a_new_battle_does_not_wait_for_the_names(visit: Visit, arena: Server) -> None:
    page = _votable(visit, "In a hurry")
    page.leave_box()
    page.page.keyboard.press("1")
    _expect_chosen(page, "You found A better.")
    page.page.keyboard.press("n")
    expect(page.answers("a")).to_have_count(0)
    wait_for(lambda: _votes(arena, "In a hurry") == ["a"], SECONDS / 2)
    page.ask_and_wait("The next one")
    page.page.wait_for_timeout(SECONDS * 1000)
    expect(page.reveal).to_be_hidden()
    expect(page.pane("a")).to_contain_text("The next one")
    page.expect_votes(enabled=True)


@pytest.mark.parametrize("way", ["reload", "close"])
def test_who_leaves_the_page_has_voted(visit: Visit, arena: Server, way: str) -> None:
    page = _votable(visit, f"Left by {way}")
    page.vote_button("b").click()
    _expect_chosen(page, "You found B better.")
    if way == "close":
        page.page.close()
    else:
        page.page.reload()
        expect(page.hint).to_contain_text("Type a prompt to begin.")
    wait_for(lambda: _votes(arena, f"Left by {way}") == ["b"])


def test_a_second_tab_neither_votes_again_nor_ends_the_first_ones_seconds(visit: Visit, arena: Server) -> None:
    page = _votable(visit, "Two tabs")
    other = BattlePage(page.page.context.new_page(), arena.url).open(agree=False)
    other.wait_votable()
    page.vote_button("a").click()
    _expect_chosen(page, "You found A better.")
    other.vote_button("b").click()
    expect(other.toasts).to_contain_text("This battle has its vote; the first one counts.")
    expect(other.button("undo")).to_be_visible()
    expect(other.hint).to_contain_text("You found A better.")
    other.button("undo").click()
    for tab in (page, other):
        tab.expect_votes(enabled=True)
    page.page.wait_for_function(SETTLED)
    page.vote("tie")
    assert _votes(arena, "Two tabs") == ["tie"]
    assert not other.complaints


def test_it_is_said_in_chinese_too(visit: Visit) -> None:
    page = visit(locale="zh-CN")
    page.ask_and_wait("\u4f60\u597d")
    page.vote_button("a").click()
    expect(page.hint).to_contain_text("\u60a8\u8ba4\u4e3a A \u66f4\u597d")
    expect(page.button("undo")).to_contain_text("\u64a4\u9500")
    page.button("undo").click()
    page.expect_votes(enabled=True)


def _votable(visit: Visit, prompt: str) -> BattlePage:
    page = visit()
    page.ask_and_wait(prompt)
    page.page.wait_for_function(SETTLED)
    return page


def _expect_chosen(page: BattlePage, said: str) -> None:
    expect(page.hint).to_contain_text(said)
    expect(page.button("undo")).to_be_visible()
    page.expect_votes(enabled=False)
    for one in (page.prompt, page.button("send"), page.button("regenerate")):
        expect(one).to_be_disabled()
    expect(page.button("new-battle")).to_be_enabled()
    expect(page.reveal).to_be_hidden()


def _votes(server: Server, prompt: str) -> list[str]:
    found = server.rows("select outcome from vote join turn using (battle_id) where prompt = ?", prompt)
    return [str(outcome) for (outcome,) in found]
