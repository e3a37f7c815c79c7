"""Until the vote is answered, nothing that reaches the browser says who is playing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect
from support import canaries_of

from browser.pages import VOTES, BattlePage, Visit
from browser.tap import Entry, received

pytestmark = [pytest.mark.browser, pytest.mark.integrity, pytest.mark.timeout(300)]

BATTLES = 20
STREAMS = ("/gradio_api/queue/data", "/gradio_api/heartbeat/")


@pytest.fixture
def canaries(catalog: Path) -> tuple[str, ...]:
    # The trees alone too: they are part of every name, maker, license and identifier.
    return (*canaries_of(catalog), "alder", "birch")


def test_twenty_battles_tell_nothing_before_their_votes_and_the_names_after(
    visit: Visit, canaries: tuple[str, ...]
) -> None:
    page = visit()
    for number in range(BATTLES):
        done = len(received(page.page))
        _play(page, number)
        assert not _found(canaries, _state(page)), f"battle {number}: the page itself"
        votable = len(received(page.page))
        page.vote(VOTES[number % len(VOTES)])
        before, after = _cut_at_vote(received(page.page)[done:], votable - done)
        assert not _found(canaries, before), f"battle {number}: what was received"
        # Controls: the collector saw both answers before the vote, and both names after it.
        assert all(f"Quagga answer {side}" in "".join(before) for side in ("al", "bi"))
        for everything in ("".join(after), page.page.content()):
            assert "Quillon Alder 71" in everything
            assert "Quillon Birch 71" in everything
        page.begin_anew()
        expect(page.pane("a")).not_to_contain_text("Quillon")


def test_no_file_of_the_page_names_a_contestant(visit: Visit, canaries: tuple[str, ...]) -> None:
    page = visit(agree=False)
    answers: list[Response] = []
    page.page.context.on("response", lambda answer: answers.append(answer))
    page.page.reload()
    page.consent.check()
    page.ask_and_wait("Hello")
    seen = {answer.url.removeprefix(page.url): answer for answer in answers}
    texts = {url: one.body().decode("utf-8", "replace") for url, one in seen.items() if not url.startswith(STREAMS)}
    config = page.page.request.get(f"{page.url}/config").text()
    info = page.page.request.get(f"{page.url}/gradio_api/info").text()
    assert any(url.startswith("/assets/") for url in texts)
    assert "vote-both-bad" in texts["/"]
    trees = len(canaries) - 2  # programs of strangers may well talk of trees
    for url, text in {**texts, "/config": config, "/gradio_api/info": info}.items():
        assert not _found(canaries[:trees], [text]), url


def test_the_page_fetches_in_no_other_way_than_the_one_that_is_watched(visit: Visit) -> None:
    page = visit(agree=False)
    page.page.goto("about:blank")  # what the first visit asked for is no more
    kinds: list[tuple[str, str]] = []
    page.page.on("request", lambda request: kinds.append((request.resource_type, request.url)))
    page.page.on("websocket", lambda socket: kinds.append(("websocket", socket.url)))
    page.open().ask_and_wait("Hello")
    page.vote("a")
    sent = [url for kind, url, _ in received(page.page) if kind == "sent"]
    fetched = [url for kind, url in kinds if kind == "fetch"]
    assert len(fetched) == len(sent) > 4
    assert {kind for kind, _ in kinds} <= {"document", "script", "stylesheet", "font", "image", "fetch"}
    assert not page.page.workers
    assert not page.page.context.service_workers


def _play(page: BattlePage, number: int) -> None:
    page.ask_and_wait(f"Question number {number}")
    if number % 5 == 0:
        page.button("regenerate").click()
        expect(page.button("regenerate")).to_be_disabled()
        page.wait_votable()
    if number % 10 == 1:
        page.ask_and_wait("And on")


def _state(page: BattlePage) -> list[str]:
    """What the browser holds beside what it received."""
    stored = page.page.evaluate(
        "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, document.title,"
        " location.href, history.state, Object.keys(window)])"
    )
    cookies = json.dumps([dict(cookie) for cookie in page.page.context.cookies()])
    return [page.page.content(), _deep_html(page.page), stored, cookies, *page.console]


def _deep_html(page: Page) -> str:
    """The values typed into boxes are no part of the markup."""
    return str(page.evaluate("() => [...document.querySelectorAll('input, textarea')].map(e => e.value).join()"))


def _cut_at_vote(entries: list[Entry], votable: int) -> tuple[list[str], list[str]]:
    """The texts before the vote was sent, and those after it: the first event after the page was `votable`."""
    sent = [place for place, (kind, url, _) in enumerate(entries) if kind == "sent" and "/queue/join" in url]
    vote = next(place for place in sent if place >= votable)
    texts = [" ".join(entry) for entry in entries]
    return texts[:vote], texts[vote:]


def _found(canaries: Iterable[str], texts: Iterable[str]) -> list[str]:
    everything = "\n".join(texts).casefold()
    return [canary for canary in canaries if canary.casefold() in everything]
