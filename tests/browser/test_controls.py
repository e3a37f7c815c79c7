"""Keyboard, consent, unusable prompts, and the other language."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect
from support import Server

from browser.pages import VOTES, BattlePage, Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SHOWN = {"a": "You found A better.", "b": "You found B better.", "tie": "You called it a tie."}


def test_enter_sends_digits_vote_and_n_starts_anew(visit: Visit, arena: Server) -> None:
    page = visit()
    for key, outcome in enumerate(VOTES, start=1):
        page.ask_and_wait(f"By keyboard {outcome}")
        page.leave_box()
        page.page.keyboard.press(str(key))
        expect(page.reveal).to_contain_text(SHOWN.get(outcome, "You found both bad."))
        page.leave_box()
        expect(page.button("new-battle")).to_be_enabled()
        page.page.keyboard.press("n")
        expect(page.reveal).to_be_hidden()
        expect(page.prompt).to_be_editable()
    found = arena.rows(
        "select prompt, outcome from vote join turn using (battle_id) "
        "where prompt like 'By keyboard%' order by sequence"
    )
    assert found == [(f"By keyboard {vote}", vote.replace("-", "_")) for vote in VOTES]


def test_keys_type_text_while_the_prompt_box_has_the_focus(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("Before typing")
    page.prompt.click()
    page.page.keyboard.type("1n2N34")
    expect(page.prompt).to_have_value("1n2N34")
    expect(page.answers("a")).to_have_count(1)
    expect(page.reveal).to_be_hidden()
    page.wait_votable()


def test_keys_do_nothing_with_a_modifier_or_while_votes_are_off(visit: Visit) -> None:
    page = visit()
    page.leave_box()
    for key in ("1", "4", "n"):
        page.page.keyboard.press(key)
    page.ask_and_wait("Not by accident")
    page.leave_box()
    for key in ("Control+1", "Alt+2", "Meta+3"):
        page.page.keyboard.press(key)
    # A change of the page that comes after all of them: had one voted, this would be refused.
    page.ask_and_wait("And on")
    expect(page.answers("a")).to_have_count(2)
    expect(page.reveal).to_be_hidden()


def test_shift_enter_makes_a_new_line(visit: Visit) -> None:
    page = visit()
    page.prompt.fill("one")
    page.prompt.press("Shift+Enter")
    page.page.keyboard.type("two")
    expect(page.prompt).to_have_value("one\ntwo")
    expect(page.answers("a")).to_have_count(0)


def test_consent_comes_before_the_first_prompt_and_is_remembered(visit: Visit, arena: Server) -> None:
    page = visit(agree=False)
    page.ask("Without consent")
    expect(page.toasts).to_have_text(["Please tick the box about storage first."])
    expect(page.prompt).to_have_value("Without consent")
    assert not arena.rows("select 1 from turn where prompt = 'Without consent'")
    page.consent.check()
    page.page.reload()
    expect(page.consent).to_be_checked()
    page.ask_and_wait("With consent")


UNUSABLE = {
    "nothing": ("", "The prompt is empty"),
    "blanks": ("  \n\t ", "The prompt is empty"),
    "control characters": ("\x01\x02\x07\x1b", "The prompt is empty"),
    "no visible character": ("\u200b\u200e\u2060", "The prompt is empty"),
    "four thousand and one characters": ("x" * 4001, "The prompt is too long; at most 4000 characters fit."),
    "ten thousand emoji": ("🐎" * 10_000, "The prompt is too long; at most 4000 characters fit."),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_prompt_gets_one_sentence_and_stays_in_the_box(visit: Visit, arena: Server, kind: str) -> None:
    prompt, sentence = UNUSABLE[kind]
    page = visit()
    before = arena.rows("select count(*) from battle")
    page.ask(prompt)
    expect(page.toasts).to_have_count(1)
    expect(page.toasts).to_contain_text(sentence)
    expect(page.prompt).to_have_value(prompt)
    expect(page.answers("a")).to_have_count(0)
    assert arena.rows("select count(*) from battle") == before
    page.ask_and_wait("Something usable")


def test_a_prompt_of_a_hundred_thousand_characters_is_not_even_read(visit: Visit, arena: Server) -> None:
    page = visit()
    before = arena.rows("select count(*) from battle")
    page.ask("x" * 100_000)
    expect(page.toasts).to_have_text(["The prompt is too long; please shorten it."])
    expect(page.prompt).to_have_value("x" * 100_000)
    assert arena.rows("select count(*) from battle") == before
    page.ask_and_wait("Something shorter")
    assert all("413" in complaint for complaint in page.complaints)
    page.complaints.clear()


def test_a_visitor_from_china_reads_chinese(visit: Visit) -> None:
    page = visit(agree=False, locale="zh-CN")
    expect(page.page.get_by_label("您的提问")).to_be_visible()
    for outcome, words in zip(VOTES, ("A 更好", "B 更好", "平局", "都不好"), strict=True):
        expect(page.vote_button(outcome)).to_contain_text(words)
    expect(page.button("send")).to_have_text("发送")
    page.ask("你好")
    expect(page.toasts).to_have_text(["请先勾选关于保存数据的选项。"])
    page.consent.check()
    page.ask_and_wait("你好")
    expect(page.hint).to_contain_text("两个回答都已完成")
    expect(page.pane("a")).to_contain_text("模型 A")
    page.vote("a")
    expect(page.reveal).to_contain_text("您认为 A 更好。")
    _no_english(page, page.page.locator("button:visible, #hint, #reveal, label:visible"))


def test_the_leaderboard_and_the_rules_are_chinese_too(visit: Visit) -> None:
    page = visit(locale="zh-CN")
    page.ask_and_wait("你好")
    page.vote("b")
    page.go("/leaderboard")
    expect(page.page.locator("#summary")).to_contain_text("位投票者共")
    expect(page.page.locator("#standings")).to_contain_text("名次")
    page.go("/about")
    expect(page.page.locator("#about")).to_contain_text("对战规则")


# Gradio's own words while an event runs ("queue: 1/1") are in the text, but nobody sees them.
SEEN = """elements => elements.map(element => {
    const copy = element.cloneNode(true)
    copy.querySelectorAll("[data-testid=status-tracker]").forEach(words => words.remove())
    return copy.textContent
})"""


def _no_english(page: BattlePage, where: Locator) -> None:
    """Names, engines and the page's own titles aside, no English word is left."""
    words = re.sub(r"Quillon \w+ 71|VX9-\w+|Thornwood-[\w.-]+|Python|scripted", "", " ".join(where.evaluate_all(SEEN)))
    assert not re.findall(r"[A-Za-z]{3,}", words)
