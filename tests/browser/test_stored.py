"""Questions with stored answers: shown on request, paced and voted on as blindly as any battle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from arenas import database_with
from judged_rows import judge, judgment
from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session
from stored import answer_of, question, store
from support import Server, canaries_of, canary, serving, write_catalog

from browser.pages import BattlePage, Visit, visiting
from browser.tap import PANE_A, PANE_B, SETTLED, answer, received, replies
from browser.test_layout import PHONE
from db.judging import answers_of, record_judgment
from models.catalog import load_catalog
from models.spec import ModelSpec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PACE = 160
STEP = PACE // 4  # a tick is a quarter of a second
ENGLISH = [question("one"), question("two"), question("talk", "Who are you?", "And what do you like?")]
CHINESE = question("zh", "天空为什么是蓝色的？", language="zh")
SAID = "Quagga {0} has answered this before. " + "Word after word it goes on and on. " * 6


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No model of it answers anything by itself: one needs an hour, the other fails."""
    return write_catalog(
        tmp_path_factory.mktemp("catalog") / "catalog.toml",
        canary("alder", first_token_seconds=3600),
        canary("birch", fail_after=0),
    )


@pytest.fixture(scope="module")
def answered(mute: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("answered")
    (folder / "data").mkdir()
    alder, birch = load_catalog(mute)
    database = database_with(folder / "data", alder, birch)
    questions = [*ENGLISH, CHINESE]
    answers = [
        answer_of(spec, one, *(SAID.format(spec.id[3:5]) + "so long " * more for _ in one.turns))
        for spec, more in ((alder, 0), (birch, 8))
        for one in questions
    ]
    store(database, questions, answers)
    database.write(lambda session: _judged(session, alder, birch))
    database.close()
    with serving(folder, mute, PACE_CHARS=PACE) as server:
        yield server


def _judged(session: Session, alder: ModelSpec, birch: ModelSpec) -> None:
    """A judge has compared the two over each English question."""
    a, b = sorted((alder.fingerprint, birch.fingerprint))
    session.add(judge())
    session.flush()
    for one in ENGLISH:
        ids = {answer.contestant: answer.id for answer in answers_of(session, questions=[one.id])}
        row = judgment(0, key=one.number, question_id=one.id, contestant_a=a, contestant_b=b, answer_a=ids[a])
        row.answer_b = ids[b]
        record_judgment(session, row)


@pytest.fixture
def visit(chromium: Browser, answered: Server) -> Iterator[Visit]:
    with visiting(chromium, answered.url) as visit:
        yield visit


def ask_for_a_question(page: BattlePage) -> None:
    page.button("question").click()
    page.wait_streaming()


def test_a_question_is_answered_by_two_who_are_unknown_until_the_vote(
    visit: Visit, answered: Server, mute: Path
) -> None:
    page = visit()
    page.prompt.fill("Half of a prompt")
    ask_for_a_question(page)
    page.expect_votes(enabled=False)
    expect(page.hint).to_contain_text("given before")
    page.wait_votable()
    expect(page.hint).to_contain_text("Which is better?")
    for button in ("regenerate", "send"):
        expect(page.button(button)).to_be_disabled()
    expect(page.prompt).not_to_be_editable()
    expect(page.button("question")).to_be_hidden()
    names = [*canaries_of(mute), "alder", "birch", *(one.id for one in ENGLISH)]
    told = "\n".join([*(" ".join(entry) for entry in received(page.page)), page.page.content(), *page.console])
    assert "Quagga al" in told
    assert [name for name in names if name.casefold() in told.casefold()] == []
    page.vote("b")
    for side, name in zip("ab", ("Model A: Quillon", "Model B: Quillon"), strict=True):
        expect(page.pane(side)).to_contain_text(name)
    expect(page.reveal).not_to_contain_text("tokens")
    page.begin_anew()
    expect(page.prompt).to_have_value("Half of a prompt")
    expect(page.button("question")).to_be_visible()
    (kept,) = answered.rows(
        "select b.status, v.outcome, q.number, t.seconds_a from battle b join vote v on v.battle_id = b.id "
        "join question q on q.id = b.question_id join turn t on t.battle_id = b.id and t.position = 0"
    )
    assert (kept[0], kept[1], kept[3]) == ("voted", "b", None)
    assert kept[2] in {one.number for one in ENGLISH}


def test_who_gave_an_answer_cannot_be_looked_up_before_the_vote(visit: Visit) -> None:
    page = visit()
    ask_for_a_question(page)
    page.wait_votable()
    question = page.pane("a").get_by_test_id("user").first.inner_text().strip()
    lookup = BattlePage(page.page.context.new_page(), page.url)
    assert not _looked_up(lookup, question)
    page.vote("a")
    page.page.wait_for_function(SETTLED)
    assert _looked_up(lookup, question)


def _looked_up(page: BattlePage, question: str) -> bool:
    """Whether the question can be read on the Evaluation page; where it can't, one and no more is withheld."""
    page.go("/evaluation")
    withheld = 0
    for place in range(1, len(ENGLISH) + 1):
        expect(page.page.locator("#reading-place")).to_contain_text(f"{place} of {len(ENGLISH)}")
        expect(page.page.locator("#reading")).to_contain_text(re.compile("is better|Vote first"))
        if "Vote first" in page.page.locator("#reading").inner_text():
            withheld += 1
            expect(page.pane("a")).to_be_hidden()
            expect(page.page.locator("#said")).to_be_empty()
        elif question == page.pane("a").get_by_test_id("user").first.inner_text().strip():
            return True
        page.page.locator("#reading-next").click()
    assert withheld == 1
    return False


def test_both_answers_grow_alike_at_the_arena_s_pace(visit: Visit) -> None:
    page = visit()
    ask_for_a_question(page)
    page.wait_votable()
    (reply,) = (one for one in replies(received(page.page)) if len(one.frames(PANE_A)) > 1)
    lengths = [
        (len(answer(a)), len(answer(b)))
        for a, b in zip(reply.frames(PANE_A), reply.frames(PANE_B), strict=True)
        if "Quagga" in answer(a)
    ]
    growing = [pair for pair in lengths if max(pair) < min(lengths[-1])]
    assert len(growing) > 3
    assert [pair for pair in growing if pair[0] != pair[1]] == []
    assert {pair[0] % STEP for pair in growing} == {0}


def test_no_question_comes_twice_and_a_chinese_page_gets_a_chinese_one(visit: Visit) -> None:
    page = visit()
    seen = []
    for _ in ENGLISH:
        ask_for_a_question(page)
        page.wait_votable()
        seen.append(page.pane("a").get_by_test_id("user").first.inner_text().strip())
        page.vote("tie")
        page.page.wait_for_function(SETTLED)
        page.begin_anew()
    assert sorted(seen) == sorted(one.turns[0] for one in ENGLISH)
    page = visit(locale="zh-CN")
    expect(page.button("question")).to_contain_text("给我出一道题")
    ask_for_a_question(page)
    expect(page.pane("b").get_by_test_id("user")).to_contain_text("天空为什么是蓝色的？")


def test_what_was_stopped_can_be_seen_again_and_a_reload_goes_on(visit: Visit) -> None:
    page = visit()
    ask_for_a_question(page)
    page.button("stop").click()
    expect(page.hint).to_contain_text("same answers again")
    page.expect_votes(enabled=False)
    page.button("regenerate").click()
    page.wait_votable()
    before = [page.answer(side).inner_text() for side in "ab"]
    page.page.reload()
    page.wait_votable()
    assert [page.answer(side).inner_text() for side in "ab"] == before
    expect(page.prompt).not_to_be_editable()
    page.vote("a")


def test_without_consent_no_question_is_shown(visit: Visit, answered: Server) -> None:
    before = answered.rows("select count(*) from battle")
    page = visit(agree=False)
    page.button("question").click()
    expect(page.toasts).to_contain_text("tick the box")
    assert answered.rows("select count(*) from battle") == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_telephone_the_button_is_reached_and_the_question_fits(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme, **PHONE)
    page.button("question").scroll_into_view_if_needed()
    page.button("question").tap()
    page.wait_votable()
    width = page.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]


def test_where_nothing_is_stored_there_is_no_such_button(chromium: Browser, arena: Server) -> None:
    with visiting(chromium, arena.url) as visit:
        page = visit()
        expect(page.page.locator("#examples button").first).to_be_visible()
        expect(page.button("question")).to_have_count(0)
