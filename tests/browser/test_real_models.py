"""The whole loop on real language models: prompt, two streams, vote, reveal, leaderboard, files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support import Server, serving

from browser.pages import BattlePage, Visit, visiting

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PROMPT = "What is the capital of France? Answer in one word."
MINUTES_FOR_TWO_SMALL_MODELS = 4


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The default catalogue, its weights in the usual cache or fetched into it."""
    with serving(tmp_path_factory.mktemp("real"), seconds=300, PACE_CHARS=0) as server:
        yield server


@pytest.fixture
def visit(chromium: Browser, real: Server) -> Iterator[Visit]:
    with visiting(chromium, real.url) as visit:
        yield visit


def test_a_battle_of_real_models_from_the_prompt_to_the_files(visit: Visit, real: Server, tmp_path: Path) -> None:
    page = visit()
    _play(page)
    page.vote("a")
    [(battle, status, outcome, votes)] = real.rows(
        "select battle.id, battle.status, outcome, count(*) from battle join vote on vote.battle_id = battle.id"
    )
    assert (status, outcome, votes) == ("voted", "a", 1)
    names = real.rows(
        "select a.name, b.name from battle join contestant a on a.fingerprint = contestant_a "
        "join contestant b on b.fingerprint = contestant_b where battle.id = ?",
        battle,
    )[0]
    for side, name in zip("ab", names, strict=True):
        expect(page.reveal).to_contain_text(name)
        expect(page.pane(side)).to_contain_text(name)
    page.go("/leaderboard")
    expect(page.page.locator("#summary")).to_contain_text("Votes: 1. Voters: 1.")
    for name in names:
        expect(page.page.locator("#standings")).to_contain_text(name)
    _expect_same_files(page, real, tmp_path)


def _play(page: BattlePage) -> None:
    page.ask(PROMPT)
    expect(page.answers("a")).to_have_count(1)
    page.expect_votes(enabled=False)
    for side in "ab":
        expect(page.answer(side)).not_to_have_text("…", timeout=60_000)
    enabled = MINUTES_FOR_TWO_SMALL_MODELS * 60_000
    expect(page.vote_button("a")).to_be_enabled(timeout=enabled)
    assert all(page.answer(side).inner_text().strip(" …") for side in "ab")


def _expect_same_files(page: BattlePage, server: Server, folder: Path) -> None:
    """What the page's buttons bring is what the command line writes beside the running server."""
    written = {
        "votes.csv": ("export", "votes", "--out", str(folder / "votes.csv")),
        "votes.jsonl": ("export", "votes", "--out", str(folder / "votes.jsonl")),
        "leaderboard.json": ("leaderboard", "--format", "json", "--out", str(folder / "leaderboard.json")),
        "leaderboard.csv": ("leaderboard", "--format", "csv", "--out", str(folder / "leaderboard.csv")),
    }
    for name, arguments in written.items():
        with page.page.expect_download() as download:
            page.page.locator("#downloads").get_by_text(name, exact=True).click()
        assert download.value.suggested_filename == name
        server.arena(*arguments)
        assert Path(download.value.path()).read_bytes() == (folder / name).read_bytes(), name
