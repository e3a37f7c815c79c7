"""The page says when votes are not being kept, and shows them again after the disk was lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, hub_server
from playwright.sync_api import Browser, expect
from support import serving, wait_for

from browser.pages import visiting

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME = "us/votes"
SETTINGS: dict[str, Any] = {"DATASET": NAME, "FLUSH_MINUTES": 0.01, "SECRET": "signs cookies in tests", "PACE_CHARS": 0}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as served:
        for name in [name for name in os.environ if name.startswith("HF_")]:
            monkeypatch.delenv(name)
        for name, value in served.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        yield served


def test_a_store_out_of_reach_is_told_above_the_battle_until_it_is_back(
    chromium: Browser, catalog: Path, hub: Hub, tmp_path: Path
) -> None:
    with serving(tmp_path, catalog, **SETTINGS) as server, visiting(chromium, server.url) as visit:
        battle = visit()
        expect(battle.page.locator("#keeping")).to_be_hidden()
        hub.write_status = 403
        battle.ask_and_wait("Where is this kept?")
        battle.vote("a")
        said = battle.page.locator("#keeping")

        def told() -> bool:
            battle.open(agree=False)
            try:  # the page asks for it once it is there, and a busy machine answers late
                expect(said).to_be_visible(timeout=5_000)
            except AssertionError:
                return False
            return True

        wait_for(told, 60)
        expect(said).to_contain_text("The newest votes are not safe yet.")
        if folder := os.environ.get("PADDOCK_SCREENSHOTS"):
            battle.page.screenshot(path=Path(folder) / "keeping.png")
        hub.write_status = 0
        wait_for(lambda: not told(), 60)


def test_a_lost_disk_shows_the_same_leaderboard(chromium: Browser, catalog: Path, hub: Hub, tmp_path: Path) -> None:
    seen: list[str] = []
    for _ in range(2):
        with serving(tmp_path, catalog, **SETTINGS) as server, visiting(chromium, server.url) as visit:
            battle = visit()
            if not seen:
                for outcome in ("a", "tie"):
                    battle.ask_and_wait("Which of you is it?")
                    battle.vote(outcome)
                    battle.begin_anew()
            battle.go("/leaderboard")
            seen.append(battle.page.locator("#summary").inner_text())
        shutil.rmtree(tmp_path / "data")
    assert "2" in seen[0]
    assert seen[0] == seen[1]
