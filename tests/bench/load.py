"""Drives N scripted visitors through real HTTP, against an arena at --url or one with scripted models that it starts.

    python tests/bench/load.py [--url URL | --database-url URL] [--visitors 200] [--battles 1]
    python tests/bench/load.py --rate 50 --seconds 60

First: all visitors send a prompt at the same moment; who is told "busy" comes back a little later, until each has
had and voted on so many battles. With --rate: votes at a fixed rate on battles that were fought before; each vote's
time counts from the moment it was to happen, so that a server that falls behind can't hide it.

An arena at --url must trust this much traffic: its prompts and votes are real ones and stay in its database.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
from measured import machine, percentile
from support import canary, serving, write_catalog
from visitors import Arena, Noted, Trouble, Visitor

OUTCOMES = ("a", "b", "tie", "both-bad")
PROMPT = "Why is the sky blue? Please explain it to a child of six."
WORDS = "The light of the sun holds all colours, and the air scatters the blue ones most. "
PAGES = 10  # of one voter, where battles are fought to be voted on later
TOGETHER = 24  # voters that fight them at the same time
LOST = (httpx.HTTPError, Trouble)


@contextmanager
def arena_at(url: str, settings: dict[str, Any]) -> Iterator[tuple[str, Callable[[], str]]]:
    """The address of an arena, and what reads its log ("" for one that we did not start)."""
    if url:
        yield url, lambda: ""
        return
    with tempfile.TemporaryDirectory(prefix="paddock-load-") as name:
        folder = Path(name)
        # Some two seconds an answer, in pieces as a small model writes them.
        script = {"replies": [WORDS * 2], "chunk": 5, "tokens_per_second": 30}
        catalog = write_catalog(folder / "catalog.toml", *(canary(tree, **script) for tree in ("oak", "elm", "fir")))
        with serving(folder, catalog, **settings) as server:
            yield server.url, lambda: server.log


async def crowd(arena: Arena, visitors: int, battles: int, noted: Noted) -> None:
    """Everybody opens the page, then everybody asks at the same moment."""
    rng = Random(1)
    pages = [await arena.newcomer(noted) for _ in range(visitors)]

    async def visit(visitor: Visitor) -> None:
        for number in range(battles):
            await visitor.ask_until_served(PROMPT, rng)
            await visitor.show()
            await visitor.vote(OUTCOMES[number % len(OUTCOMES)])
            await visitor.show()
            await visitor.new()

    await everybody([visit(page) for page in pages], noted)


async def votes_at(arena: Arena, rate: float, seconds: float, noted: Noted) -> None:
    """Fight battles first, then vote on them, `rate` a second."""
    fought: list[Visitor] = []
    rng = Random(1)
    line = asyncio.Semaphore(TOGETHER)
    count = int(rate * seconds)

    async def fight(pages: int) -> None:
        async with line:
            visitor = await arena.newcomer(Noted())
            for _ in range(pages):
                page = visitor.another_page()
                await page.ask_until_served(PROMPT, rng)
                page.noted = noted
                fought.append(page)

    began = time.perf_counter()
    await everybody([fight(min(PAGES, count - first)) for first in range(0, count, PAGES)], noted)
    print(f"{len(fought)} battles were fought in {time.perf_counter() - began:.0f} s", flush=True)
    rng.shuffle(fought)
    start = time.perf_counter() + 1

    async def vote(number: int, page: Visitor) -> None:
        planned = start + number / rate
        await asyncio.sleep(planned - time.perf_counter())
        await page.vote(OUTCOMES[number % len(OUTCOMES)], planned)

    await everybody([vote(number, page) for number, page in enumerate(fought)], noted)


async def everybody(visits: Sequence[Awaitable[None]], noted: Noted) -> None:
    """All at once; a visit that ends in trouble is noted and ends no other."""
    for came in await asyncio.gather(*visits, return_exceptions=True):
        if isinstance(came, LOST):
            noted.errors.append(f"{type(came).__name__}: {came}")
        elif isinstance(came, BaseException):
            raise came


async def drive(url: str, arguments: argparse.Namespace, noted: Noted) -> tuple[float, int]:
    """The seconds it took, and by how many bytes the arena's process has grown."""
    arena = Arena(url)
    await arena.learn()
    await (await arena.newcomer(Noted())).ask(PROMPT)  # what is done once is done before
    before, began = await arena.memory(), time.perf_counter()
    if arguments.rate:
        await votes_at(arena, arguments.rate, arguments.seconds, noted)
    else:
        await crowd(arena, arguments.visitors, arguments.battles, noted)
    took = time.perf_counter() - began
    grown = await arena.memory() - before
    await arena.http.aclose()
    return took, grown


def report(noted: Noted, took: float, grown: int, log: str) -> None:
    first = [second for seconds in noted.signs.values() for second in seconds]
    for name, seconds in (
        ("a prompt's first sign", first),
        *((f"    {kind}", seconds) for kind, seconds in noted.signs.items()),
        ("a prompt's first text", noted.texts),
        ("both answers, whole", noted.answers),
        ("a vote, to the names", noted.votes),
    ):
        if seconds:
            shares = "   ".join(f"p{share * 100:.0f} {percentile(seconds, share):7.3f}" for share in (0.5, 0.95, 0.99))
            print(f"{name:<24} {shares}   most {max(seconds):7.3f} s   of {len(seconds)}")
    print(f"{len(noted.answers) / took:.1f} battles and {len(noted.votes) / took:.1f} votes a second, {took:.0f} s")
    print(f"memory of the arena's process: {grown / 1e6:+.0f} MB")
    print(f"errors: {len(noted.errors)}")
    for error, times in Counter(noted.errors).most_common(5):
        print(f"    {times} × {error}")
    for word in ("database is locked", "Traceback"):
        if times := log.count(word):
            print(f"    {times} × {word!r} in the arena's log")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="", help="the arena; without it one is started")
    parser.add_argument("--database-url", default="", help="for the arena that is started; default: SQLite")
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--battles", type=int, default=1, help="of each visitor")
    parser.add_argument("--rate", type=float, default=0, help="votes a second, in place of visitors")
    parser.add_argument("--seconds", type=float, default=60, help="how long, with --rate")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the started arena")
    arguments = parser.parse_args()
    settings: dict[str, Any] = dict(one.split("=", 1) for one in arguments.setting)
    if arguments.rate:  # the battles are not what is measured
        settings = {"MAX_BATTLES": TOGETHER, "PACE_CHARS": 0} | settings
    if arguments.database_url:
        settings["DATABASE_URL"] = arguments.database_url
    print(machine())
    noted = Noted()
    try:
        with arena_at(arguments.url.rstrip("/"), settings) as (url, log):
            took, grown = asyncio.run(drive(url, arguments, noted))
            report(noted, took, grown, log())
    except Trouble as trouble:
        sys.exit(f"The first visitor was not served: {trouble}")
    except httpx.HTTPError as error:
        sys.exit(f"{arguments.url or 'The arena'} can't be reached ({type(error).__name__}); is it running?")
    sys.exit(1 if noted.errors else 0)


if __name__ == "__main__":
    main()
