"""The Leaderboard page at a million votes: how soon it shows on a warm server, and what readers cost voters.

    python tests/bench/bench_leaderboard.py [--votes N] [--contestants N] [--voters N] [--keep FILE]

The page is opened in a real Chromium beside the page about the arena, which reads no votes; votes go through HTTP,
first alone, then while somebody reads the board again and again as it changes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from measured import machine, milliseconds, percentile, ratio

# isort: split
from bench_ledger import Filler
from browser.pages import launch
from playwright.sync_api import Browser, sync_playwright
from support import Visitor, canary, serving, write_catalog

from db.schema import open_database
from db.votes import newest_vote

VISITS = 5
VOTES = 24


def database_of(folder: Path, arguments: argparse.Namespace) -> Path:
    """A database with so many invented votes, where a server of `folder` looks for it."""
    (folder / "data").mkdir()
    path = folder / "data" / "arena.db"
    made = arguments.keep or path
    with closing(open_database(f"sqlite:///{made}")) as database:
        filler = Filler(database, arguments.contestants, arguments.voters)
        with database.read() as session:
            missing = arguments.votes - newest_vote(session)
        if missing > 0:
            filler.add(missing)
    if made != path:
        shutil.copy(made, path)
    return path


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def shown(browser: Browser, address: str, text: str) -> float:
    """Seconds from asking for a page until it says `text`, its scripts in the browser's cache."""
    said = f"document.body && document.body.innerText.includes({text!r})"
    with closing(browser.new_page()) as page:
        page.goto(address)
        page.wait_for_function(said)
        return seconds(lambda: (page.reload(wait_until="commit"), page.wait_for_function(said)))


def voting(url: str) -> list[float]:
    """Seconds from vote to reveal of one visitor after another."""
    visitor, took = Visitor(url), []
    for _ in range(VOTES):
        visitor.ask("Why is the sky blue?")
        took.append(seconds(lambda: visitor.vote("a")))
        visitor.call("new-battle.click")
    return took


def reading(url: str, ended: threading.Event, took: list[float]) -> None:
    while not ended.is_set():
        took.append(seconds(lambda: httpx.get(f"{url}/api/leaderboard", timeout=120).raise_for_status()))


def beside_readers(url: str) -> tuple[list[float], list[float]]:
    """What votes take while the board is read all the time, and what the readings take."""
    ended, took = threading.Event(), list[float]()
    reader = threading.Thread(target=reading, args=(url, ended, took))
    reader.start()
    try:
        return voting(url), took
    finally:
        ended.set()
        reader.join()


def measure(url: str) -> None:
    api: Callable[[], Any] = lambda: httpx.get(f"{url}/api/leaderboard", timeout=120).raise_for_status()  # noqa: E731
    print(f"{'the first reader after the start':<52} {seconds(api):8.2f} s")
    again = [seconds(api) for _ in range(VISITS)]
    with sync_playwright() as playwright, closing(launch(playwright)) as browser:
        pages = [shown(browser, f"{url}/leaderboard", "imported") for _ in range(VISITS)]
        about = [shown(browser, f"{url}/about", "Bradley") for _ in range(VISITS)]
    alone = voting(url)
    beside, readings = beside_readers(url)
    print(milliseconds("the board as JSON, nothing new", again))
    print(milliseconds("the Leaderboard page in Chromium", pages))
    print(milliseconds("the About page in Chromium", about))
    print(milliseconds("vote to reveal through HTTP, nobody reads", alone))
    print(milliseconds("vote to reveal, the board read all the time", beside))
    print(milliseconds("those readings, with new votes in between", readings))
    print(ratio("Leaderboard page / About page, median", percentile(pages, 0.5), percentile(about, 0.5)))
    print(ratio("vote beside readers / alone, median", percentile(beside, 0.5), percentile(alone, 0.5)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--contestants", type=int, default=100)
    parser.add_argument("--voters", type=int, default=50_000)
    parser.add_argument("--keep", type=Path, help="a database to make once and to use again")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as name:
        folder = Path(name)
        database_of(folder, arguments)
        catalog = write_catalog(
            folder / "catalog.toml", *(canary(tree, replies=["An answer. " * 20], chunk=200) for tree in ("oak", "elm"))
        )
        with serving(folder, catalog, PACE_CHARS=0) as server:
            measure(server.url)


if __name__ == "__main__":
    main()
