"""Speed and reasoning give nobody away: both panes grow alike, and what a model thinks is not shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support import Server, canary, serving, write_catalog

from browser.pages import Visit, visiting

pytestmark = [pytest.mark.browser, pytest.mark.integrity, pytest.mark.timeout(180)]

PACE = 60
STEP = PACE // 4  # a tick is a quarter of a second
FAST = "fast " * 60
SLOW = "slow " * 30
THOUGHT = "<think>Secretly I think of marmalade.</think>Openly I speak of bread."


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One contestant is twenty times as fast as the other; in the second turn both think first."""
    folder = tmp_path_factory.mktemp("uneven")
    catalog = write_catalog(
        folder / "catalog.toml",
        canary("alder", replies=[FAST, THOUGHT], tokens_per_second=200, chunk=4),
        canary("birch", replies=[SLOW, THOUGHT], tokens_per_second=10, chunk=4, first_token_seconds=1),
    )
    with serving(folder, catalog, PACE_CHARS=PACE) as server:
        yield server


@pytest.fixture
def visit(chromium: Browser, uneven: Server) -> Iterator[Visit]:
    with visiting(chromium, uneven.url) as visit:
        yield visit


def test_a_fast_and_a_slow_model_can_not_be_told_apart_while_they_stream(visit: Visit) -> None:
    page = visit(script=_MEASURE)
    page.ask_and_wait("Who is faster?")
    samples = [(int(a), int(b)) for a, b in page.page.evaluate("() => window.__lengths")]
    ends = samples[-1]
    assert sorted(ends) == [len(SLOW.strip()), len(FAST.strip())]
    running = [(a, b) for a, b in samples if a < ends[0] and b < ends[1]]
    assert len(set(running)) > 5, "the sampling saw them grow"
    assert [pair for pair in running if abs(pair[0] - pair[1]) > STEP] == []
    # Both had their first text at once: no drawn picture had one of them empty.
    assert [pair for pair in samples if min(pair) == 0 < max(pair)] == []


def test_nobody_sees_what_a_model_thinks(visit: Visit, uneven: Server) -> None:
    page = visit(script=_MEASURE)
    page.ask_and_wait("First")
    page.ask_and_wait("And what do you think?")
    for side in "ab":
        expect(page.answer(side)).to_have_text("Openly I speak of bread.")
    for everything in (page.page.content(), *page.page.evaluate("() => window.__texts")):
        assert "marmalade" not in everything
        assert "think>" not in everything
    kept = uneven.rows("select answer_a, answer_b from turn where prompt = 'And what do you think?'")
    assert kept == [(THOUGHT, THOUGHT)]


# Takes down the length of both last answers, and each different text, whenever the page changed.
_MEASURE = """
window.__lengths = []; window.__texts = [];
const last = (side) => {
  const found = [...document.querySelectorAll(`#pane-${side} [data-testid=bot] .message-content`)].pop();
  const text = found ? found.textContent.trim() : '';
  if (text && window.__texts.at(-1) !== text) window.__texts.push(text);
  return text === '…' ? 0 : text.length;
};
// A picture is drawn only after all changes of one frame, so it is looked at then.
const look = () => {
  const pair = [last('a'), last('b')];
  if (String(pair) !== String(window.__lengths.at(-1))) window.__lengths.push(pair);
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
