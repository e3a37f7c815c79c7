"""A battle in a real browser: streaming, votes, stop, regenerate, several turns, reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support import Server

from browser.pages import Visit
from browser.tap import PANE_A, PANE_B, answer, received, replies

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_both_answers_stream_and_votes_wait_until_both_are_complete(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("A short one")
    page.ask("A longer one")
    page.wait_streaming("Quagga")
    page.expect_votes(enabled=False)
    page.wait_votable()
    page.expect_votes(enabled=True)
    for side in "ab":
        expect(page.answer(side)).to_contain_text("on and on.")


def test_both_answers_begin_in_the_same_frame_of_one_stream(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("A short one")
    page.ask_and_wait("A longer one")
    turns = [reply for reply in replies(received(page.page)) if len(reply.frames(PANE_A)) > 1]
    assert len(turns) == 2, "one event a turn carries both sides"
    for reply in turns:
        frames = zip(reply.frames(PANE_A), reply.frames(PANE_B), strict=True)
        begun = [("Quagga" in answer(a), "Quagga" in answer(b)) for a, b in frames]
        assert (True, True) in begun
        assert (True, False) not in begun
        assert (False, True) not in begun


def test_stop_ends_both_and_only_regenerating_makes_the_vote_possible(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("A short one")
    page.ask("A longer one")
    page.wait_streaming("the second")  # the last answer is the first turn's until the second one begins
    page.button("stop").click()
    expect(page.hint).to_contain_text("Stopped")
    page.expect_votes(enabled=False)
    stopped = [page.answer(side).inner_text() for side in "ab"]
    assert all("the second" in text for text in stopped)
    page.leave_box()
    page.page.keyboard.press("1")
    expect(page.reveal).to_be_hidden()
    page.button("regenerate").click()
    page.wait_votable()
    page.vote("tie")
    expect(page.reveal).to_contain_text("You called it a tie.")


def test_answers_are_regenerated_at_most_twice(visit: Visit, arena: Server) -> None:
    page = visit()
    page.ask_and_wait("Regenerate me twice")
    for _ in range(2):
        expect(page.button("regenerate")).to_be_enabled()
        page.button("regenerate").click()
        expect(page.button("regenerate")).to_be_disabled()
        page.wait_votable()
    expect(page.button("regenerate")).to_be_disabled()
    attempts = arena.rows("select attempt, superseded from turn where prompt = 'Regenerate me twice' order by attempt")
    assert attempts == [(0, 1), (1, 1), (2, 0)]


def test_a_battle_has_several_turns_and_one_vote(visit: Visit, arena: Server) -> None:
    page = visit()
    for number, said in enumerate(("the first one", "on and on", "the third one")):
        page.ask_and_wait(f"Several turns, {number}")
        for side in "ab":
            expect(page.answers(side)).to_have_count(number + 1)
            expect(page.answer(side)).to_contain_text(said)
    page.vote("b")
    expect(page.prompt).not_to_be_editable()
    found = arena.rows(
        "select b.status, v.outcome, count(*) from battle b join vote v on v.battle_id = b.id "
        "join turn t on t.battle_id = b.id where t.prompt like 'Several turns,%'"
    )
    assert found == [("voted", "b", 3)]


def test_a_new_battle_starts_from_nothing(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("Before")
    page.vote("a")
    expect(page.pane("a")).to_contain_text("Quillon")
    page.begin_anew()
    for side in "ab":
        expect(page.answers(side)).to_have_count(0)
        expect(page.pane(side)).not_to_contain_text("Quillon")
    expect(page.button("new-battle")).to_be_disabled()
    expect(page.prompt).to_be_focused()
    page.ask_and_wait("After")
    expect(page.pane("a")).not_to_contain_text("Before")


def test_an_unvoted_battle_can_be_left_for_a_new_one(visit: Visit) -> None:
    page = visit()
    page.ask_and_wait("To be left")
    page.button("new-battle").click()
    expect(page.answers("a")).to_have_count(0)
    page.expect_votes(enabled=False)


def test_a_reload_goes_on_with_the_open_battle(visit: Visit, arena: Server) -> None:
    page = visit()
    page.ask_and_wait("Survive a reload")
    before = [page.answer(side).inner_text() for side in "ab"]
    page.page.reload()
    page.wait_votable()
    assert [page.answer(side).inner_text() for side in "ab"] == before
    page.vote("both-bad")
    found = arena.rows("select outcome from vote join turn using (battle_id) where prompt = 'Survive a reload'")
    assert found == [("both_bad",)]
