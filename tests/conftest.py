"""Shared fixtures: data of the project's shared folder, a seeded random generator, and both kinds of database."""

from __future__ import annotations

import functools
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer.main
import typer.testing
from postgres import Cluster, cluster, programs


def pytest_configure() -> None:
    """Let Ctrl-C end what tests start: a shell ignores it in the background, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: $PADDOCK_SHARED, or shared/data beside the repository."""
    named = os.environ.get("PADDOCK_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        if named is not None:
            pytest.fail(f"PADDOCK_SHARED names {folder}, which is no folder.")
        pytest.skip(f"No shared data at {folder}; set PADDOCK_SHARED to have these tests run.")
    return folder


@pytest.fixture(scope="session", autouse=True)
def verbs_are_read_once() -> Iterator[None]:
    """Reading the signatures of all verbs takes a tenth of a second, which every one of 250 calls would pay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20250101)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server for the whole run."""
    found = programs()
    if found is None:
        pytest.skip("No PostgreSQL on this machine; Debian's package postgresql has it.")
    with cluster(found) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the server is a slow proof: not everybody has one, and starting it takes longer than most tests."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Leave what is imported out of every later search for garbage: a million objects that all stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh database: the test runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/arena.db"
    else:
        with request.getfixturevalue("postgres").fresh() as url:
            yield url
