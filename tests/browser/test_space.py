"""The imitated Space takes votes in Chromium, loses its disk, starts again and shows the same leaderboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hub_server import WRITER, Hub, hub_server
from imitated_space import Space, copy_files, lose_disk, started
from playwright.sync_api import Browser, expect
from postgres import Cluster
from support import canary, wait_for, write_catalog

from browser.pages import BattlePage, Visit, visiting
from browser.tap import SETTLED

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

DATASET = "us/arena-votes"
OUTCOMES = ("a", "a", "b", "tie")
OF_THE_HEADER = ("fonts.googleapis.com", "https://huggingface.co/api/spaces/", "Space not found")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as hub:
        yield hub


@pytest.fixture
def home(tmp_path: Path) -> Path:
    copy_files(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, Any]:
    """What the Space is given beside its data set or database; the contestants come from outside of its disk."""
    trees = ("aspen", "beech", "cedar")
    catalog = write_catalog(tmp_path / "catalog.toml", *(canary(tree, replies=[f"{tree}."]) for tree in trees))
    told = {"ARENA_CATALOG": catalog, "ARENA_SECRET": "a secret that outlives the disk", "ARENA_PACE_CHARS": 0}
    return told | {"ARENA_GUARD": "off"}  # votes are kept whether they count or not; here the board shows them


def with_dataset(hub: Hub) -> dict[str, Any]:
    """Flushed every three seconds, so that a test has not to wait for minutes."""
    there = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITER, "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    return {**there, "ARENA_DATASET": DATASET, "ARENA_FLUSH_MINUTES": 0.05}


@contextmanager
def visiting_space(chromium: Browser, space: Space) -> Iterator[Visit]:
    """On a Space Gradio's page asks others for a header and its fonts, which our policy refuses; else it is clean."""
    pages: list[BattlePage] = []
    with visiting(chromium, space.url, strict=False) as visit:

        def noting(**options: Any) -> BattlePage:
            pages.append(visit(**options))
            return pages[-1]

        yield noting
    complaints = [one for page in pages for one in page.complaints if not any(ours in one for ours in OF_THE_HEADER)]
    assert not complaints


def vote(chromium: Browser, space: Space) -> None:
    wait_for(lambda: space.ready() >= 2, 120)
    with visiting_space(chromium, space) as visit:
        page = visit()
        for number, outcome in enumerate(OUTCOMES):
            page.ask_and_wait(f"Question {number}")
            page.vote(outcome)
            page.page.wait_for_function(SETTLED)
            page.begin_anew()


def board(chromium: Browser, space: Space) -> tuple[str, str]:
    """What the Leaderboard says: how many votes, and its table."""
    with visiting_space(chromium, space) as visit:
        page = visit(agree=False)
        seen: list[tuple[str, str]] = []

        def settled() -> bool:  # some of the columns follow the others within seconds
            page.go("/leaderboard")
            expect(page.page.locator("#summary")).to_contain_text(f"Votes: {len(OUTCOMES)}.")
            seen.append((page.page.locator("#summary").inner_text(), page.page.locator("#standings").inner_text()))
            page.page.wait_for_timeout(1000)
            return len(seen) > 2 and seen[-1] == seen[-2]

        wait_for(settled, 60)
        return seen[-1]


def flushed(hub: Hub) -> int:
    """How many voted battles the data set's journals hold."""
    files = hub.dataset(DATASET).files
    return sum(content.count(b"\n") for path, content in files.items() if path.endswith(".jsonl"))


def test_after_an_orderly_stop_every_vote_is_there(
    chromium: Browser, hub: Hub, home: Path, variables: dict[str, Any]
) -> None:
    variables |= with_dataset(hub) | {"ARENA_FLUSH_MINUTES": 60}
    with started(Path(sys.executable), home, **variables) as space:
        vote(chromium, space)
        before = board(chromium, space)
    lose_disk(home)
    with started(Path(sys.executable), home, **variables) as space:
        assert board(chromium, space) == before


def test_after_a_sudden_end_every_flushed_vote_is_there(
    chromium: Browser, hub: Hub, home: Path, variables: dict[str, Any]
) -> None:
    variables |= with_dataset(hub)
    with started(Path(sys.executable), home, kill=True, **variables) as space:
        vote(chromium, space)
        before = board(chromium, space)
        wait_for(lambda: flushed(hub) >= len(OUTCOMES), 60)
    lose_disk(home)
    with started(Path(sys.executable), home, **variables) as space:
        assert board(chromium, space) == before


def test_on_postgresql_even_a_sudden_end_loses_nothing(
    chromium: Browser, postgres: Cluster, home: Path, variables: dict[str, Any]
) -> None:
    with postgres.empty() as url:
        variables |= {"ARENA_DATABASE_URL": url}
        with started(Path(sys.executable), home, kill=True, **variables) as space:
            vote(chromium, space)
            before = board(chromium, space)
        lose_disk(home)
        with started(Path(sys.executable), home, **variables) as space:
            assert board(chromium, space) == before
