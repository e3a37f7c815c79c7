"""A Chromium, an arena of two scripted contestants, and visitors whose pages must stay clean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright
from support import Server, canary, serving, write_catalog

from browser.pages import Visit, launch, visiting

# The first turn is over soon after the first beat; the second streams for some seconds.
SHORT = "Quagga answer {0}, the first one."
LONG = "Quagga answer {0}, the second one, is longer. " + "Word after word it goes on and on. " * 12
LAST = "Quagga answer {0}, the third one."


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium or Playwright's own; without either the test is skipped, in CI it fails."""
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Error as error:
            reason = f"There is no Chromium that starts: {str(error).splitlines()[0]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = [
        canary(tree, replies=[text.format(tree[:2]) for text in (SHORT, LONG, LAST)]) for tree in ("alder", "birch")
    ]
    return write_catalog(tmp_path_factory.mktemp("catalog") / "catalog.toml", *models)


@pytest.fixture(scope="package")
def arena(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("arena"), catalog, PACE_CHARS=160) as server:
        yield server


@pytest.fixture
def visit(chromium: Browser, arena: Server) -> Iterator[Visit]:
    """Opens the Battle page as somebody new; a page that complains in its console fails the test."""
    with visiting(chromium, arena.url) as visit:
        yield visit
