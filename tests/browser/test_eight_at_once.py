"""Two real models stream to eight visitors at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support import serving

from browser.pages import visiting

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

VISITORS = 8
# Beside other proofs sixteen answers may take three times as long as alone: they are short, and may take that long.
SHORT: dict[str, Any] = {"MAX_ANSWER_CHARS": 500, "ANSWER_SECONDS": 600}
PATIENCE = 600_000
# Characters of both answers together from which they must have come in many steps: a small model may say very little.
LONG = 500
# Notes, four times a second, how much of both answers is to be seen (0 before both have begun), and the hint.
WATCH = """
window.seen = [];
setInterval(() => {
  const panes = [...document.querySelectorAll("#pane-a [data-testid=bot], #pane-b [data-testid=bot]")];
  const hint = document.querySelector("#hint");
  const texts = panes.map(pane => pane.innerText.trim());
  const size = texts.some(text => text.endsWith("…") && text.length < 40) ? 0 : texts.join("").length;
  window.seen.push([performance.now(), size, hint ? hint.innerText : ""]);
}, 250);
"""


def test_two_real_models_stream_to_eight_browser_contexts_at_once(chromium: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, seconds=300, **SHORT) as server, visiting(chromium, server.url) as visit:
        pages = [visit(script=WATCH) for _ in range(VISITORS)]
        for number, page in enumerate(pages):
            page.ask(f"Tell me a long story about {number + 2} horses.")
        for page in pages:
            page.page.wait_for_function("() => !document.querySelector('#vote-a').disabled", timeout=PATIENCE)
        turns = server.rows("select started_at, finished_at, status, answer_a, answer_b from turn order by started_at")
        assert [row[2] for row in turns] == ["finished"] * VISITORS
        assert max(row[0] for row in turns) < min(row[1] for row in turns), "all eight were answered at the same time"
        long = 0
        for page in pages:
            seen = page.page.evaluate("() => window.seen")
            assert not any("place in line" in hint for _, _, hint in seen), "nobody has to stand in line"
            if seen[-1][1] < LONG:
                continue
            long += 1
            grew = [at for (at, size, _), (_, before, _) in zip(seen[1:], seen, strict=False) if size > before]
            pauses = [later - earlier for earlier, later in pairwise(grew)]
            print(f"{len(grew)} steps in {(grew[-1] - grew[0]) / 1000:.0f} s, pauses up to {max(pauses):.0f} ms")
            assert len(grew) > 10
            assert max(pauses) < (grew[-1] - grew[0]) / 2, "an answer that stands still for half its time has stalled"
        assert long >= VISITORS / 2
