"""The load generator drives a real arena and counts what came of it; its figures of so little work mean nothing."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support import REPO, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def load(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPO / "tests" / "bench" / "load.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def counted(printed: str) -> dict[str, int]:
    """How many of each kind were timed."""
    return {name: int(count) for name, count in re.findall(r"^ *(\S.*?)  +p50 .* of (\d+)$", printed, re.MULTILINE)}


@pytest.mark.integrity
def test_visitors_have_their_battles_or_wait_or_are_told_busy_and_come_back() -> None:
    done = load("--visitors", "6", "--setting", "MAX_BATTLES=2", "--setting", "MAX_WAITING=2")
    assert done.returncode == 0, done.stdout + done.stderr
    found = counted(done.stdout)
    assert found["both answers, whole"] == found["a vote, to the names"] == 6
    assert found["busy"] >= 1
    assert found["a prompt's first sign"] == sum(found.get(kind, 0) for kind in ("text", "line", "busy"))
    assert "errors: 0" in done.stdout
    assert re.search(r"memory of the arena's process: [+-]\d+ MB", done.stdout)


@pytest.mark.integrity
def test_votes_come_at_the_rate_that_was_asked_for() -> None:
    done = load("--rate", "5", "--seconds", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert counted(done.stdout) == {"a vote, to the names": 20}


def test_an_arena_that_takes_no_prompt_is_said_in_a_sentence() -> None:
    done = load("--visitors", "2", "--setting", "MAX_PROMPT_CHARS=10")
    assert done.returncode == 1
    assert done.stderr.startswith("The first visitor was not served: a prompt was answered: ")


def test_trouble_of_some_is_counted_and_ends_no_other() -> None:
    done = load("--visitors", "3", "--battles", "2", "--setting", "VOTE_MINUTES=0.0001")
    assert done.returncode == 1
    assert counted(done.stdout)["both answers, whole"] == 3
    assert "errors: 3" in done.stdout
    assert "a vote was answered: " in done.stdout


def test_an_arena_that_is_not_there_is_said_in_a_sentence() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = load("--url", url)
    assert done.returncode == 1
    assert done.stderr == f"{url} can't be reached (ConnectError); is it running?\n"
