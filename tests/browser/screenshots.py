"""Take the pictures of the documentation: `python tests/browser/screenshots.py docs/`. The votes are invented.

With `leaderboard` as a second argument only those of the Leaderboard.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright  # noqa: E402
from support import Server, canary, serving  # noqa: E402

from browser.invented import voted_arena  # noqa: E402
from browser.pages import BattlePage, launch  # noqa: E402
from browser.tap import TAP  # noqa: E402

PROMPT = "Explain why the sky is blue to a child of six."
NAMES = tuple(
    f"{tree} {size}B"
    for tree, size in zip(
        ("Aspen", "Balsa", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper"),
        (9, 14, 8, 7, 4, 7, 3, 2, 1, 1),
        strict=True,
    )
)
LOOKS = {"quantization": "Q4_K_M", "license": "Apache-2.0", "url": "https://example.org"}
NEWCOMERS = tuple(canary(tree.lower()) | LOOKS | {"name": f"{tree} 2B"} for tree in ("Kapok", "Larch"))
DESK: ViewportSize = {"width": 1280, "height": 960}
PHONE: ViewportSize = {"width": 390, "height": 844}


def main(folder: Path, only: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=240_000)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        with tempfile.TemporaryDirectory() as data, voted_arena(Path(data), NAMES, 3000, NEWCOMERS) as server:
            _leaderboard(browser, server, folder)
        if not only:
            with tempfile.TemporaryDirectory() as data, serving(Path(data), ready=3, seconds=600) as server:
                _battle(browser, server, folder)
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


def _leaderboard(browser: Browser, server: Server, folder: Path) -> None:
    page = BattlePage(browser.new_page(viewport=DESK), server.url)
    page.go("/leaderboard")
    _shoot(page.page, folder / "leaderboard.png", whole=True)
    page = BattlePage(browser.new_page(viewport=DESK, color_scheme="dark"), server.url)
    page.go("/leaderboard")
    page.page.locator("#views label").nth(1).click()
    expect(page.page.locator("#plot .heatmaplayer image")).to_be_visible()
    page.page.mouse.move(0, 0)
    page.page.locator("#plot .svg-container").screenshot(path=folder / "leaderboard-matrix.png", animations="disabled")


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
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"), sys.argv[2] if len(sys.argv) > 2 else "")
