"""Take the pictures of the documentation on real models: `python tests/browser/screenshots.py docs/`."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright  # noqa: E402
from support import Server, Visitor, serving  # noqa: E402

from browser.pages import BattlePage, launch  # noqa: E402
from browser.tap import TAP  # noqa: E402

PROMPT = "Explain why the sky is blue to a child of six."
QUESTIONS = (
    "What is the capital of France?",
    "Name three colours.",
    "Is water wet? Answer yes or no.",
    "What is two plus three?",
    "Say hello in Spanish.",
    "Name one planet.",
    "Which animal barks?",
)
VOTES = 14
DESK: ViewportSize = {"width": 1280, "height": 960}
PHONE: ViewportSize = {"width": 390, "height": 844}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        serving(Path(data), ready=3, seconds=600) as server,
        sync_playwright() as playwright,
    ):
        expect.set_options(timeout=240_000)
        browser = launch(playwright)
        _battle(browser, server, folder)
        _votes(server)
        _leaderboard(browser, server, folder)
        _phone(browser, server, folder)
        browser.close()


def _battle(browser: Browser, server: Server, folder: Path) -> None:
    page = BattlePage(_tapped(browser.new_page(viewport=DESK)), server.url).open()
    page.ask(PROMPT)
    # Both are well under way and neither is over.
    page.page.wait_for_function(
        "() => document.querySelectorAll('#panes [data-testid=bot]').length == 2"
        " && [...document.querySelectorAll('#panes [data-testid=bot]')].every((one) => one.innerText.length > 150)"
    )
    _shoot(page.page, folder / "battle-streaming.png")
    page.wait_votable()
    page.vote("a")
    _shoot(page.page, folder / "battle-voted.png", whole=True)


def _votes(server: Server) -> None:
    rng = random.Random(7)
    voters = [Visitor(server.url) for _ in range(4)]
    for number in range(VOTES):
        voter = rng.choice(voters)
        voter.call("new-battle.click")
        voter.ask(rng.choice(QUESTIONS))
        voter.vote(rng.choice(("a", "b", "a", "b", "tie", "both_bad")))
        print(f"{number + 1} of {VOTES} votes", flush=True)


def _leaderboard(browser: Browser, server: Server, folder: Path) -> None:
    page = BattlePage(browser.new_page(viewport=DESK), server.url)
    page.go("/leaderboard")
    _shoot(page.page, folder / "leaderboard.png")


def _phone(browser: Browser, server: Server, folder: Path) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme="dark", device_scale_factor=2, is_mobile=True)
    page = BattlePage(_tapped(context.new_page()), server.url).open()
    page.ask("What is the capital of France?")
    expect(page.answers("b")).to_have_count(1)
    page.wait_votable()
    _shoot(page.page, folder / "phone.png", down_to="#votes")


def _tapped(page: Page) -> Page:
    """The page as the tests watch it: they know from its own requests when it is done with an event."""
    page.add_init_script(TAP)
    return page


def _shoot(page: Page, path: Path, *, whole: bool = False, down_to: str = "body") -> None:
    page.evaluate(
        "(last) => { document.activeElement.blur(); scrollTo(0, 0);"
        " if (last != 'body') document.querySelector(last).scrollIntoView({block: 'end', behavior: 'instant'}); }",
        down_to,
    )
    page.screenshot(path=path, animations="disabled", full_page=whole)
    print(path, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
