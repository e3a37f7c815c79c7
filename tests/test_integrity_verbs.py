"""The verbs `integrity review` and `integrity show`, as somebody types them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from polled import honest, poll_in, states
from simulate import spaced
from typer.testing import CliRunner

from arena.cli import app
from db.session import Database

pytestmark = pytest.mark.integrity


@pytest.fixture
def arena(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A thousand honest votes, and a rigger's."""
    with poll_in(tmp_path, spaced(8, 140), rng) as poll:
        honest(poll, 50, 1000)
        rigger = poll.person("rigger", target=3)
        for _ in range(12):
            poll.vote(rigger)
        poll.store()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_DATA", str(tmp_path))
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["integrity", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def status_of_the_rigger(arena: Path) -> set[tuple[str, str | None]]:
    with closing(Database(f"sqlite:///{arena}/arena.db")) as database:
        return set(states(database, "rigger"))


def test_a_dry_review_counts_by_reason_and_the_real_one_holds_them(arena: Path) -> None:
    said = run("review", "--dry-run")
    assert "biased\t12" in said
    assert "counted\t1000" in said
    assert "nothing was written" in said
    assert status_of_the_rigger(arena) == {("counted", None)}
    assert "12 votes have another status" in run("review")
    assert status_of_the_rigger(arena) == {("held", "biased")}


def test_what_there_is_against_a_voter_is_said_contestant_by_contestant(arena: Path) -> None:
    said = run("show", "rigger")
    assert "biased" in said.splitlines()[0]
    assert said.splitlines()[2].startswith("The Model-3: won 12, lost 0, ")
    assert "no bias is shown" in run("show", "honest-1")
    assert "has voted here" in run("show", "nobody", code=1)
