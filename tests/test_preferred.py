from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from conversations import said
from voted import arena_in, cast, records

from arena.exchange.exports import battle_rows
from arena.exchange.preferences import Wanted, preference_rows
from db.outcome import Outcome
from models.chat import Message
from models.distill.clean.preferred import read_votes
from models.distill.clean.rule import Dropped
from models.distill.conversation import Conversation
from models.distill.files import write_rows
from models.distill.problem import DistillProblem


@pytest.fixture
def exports(tmp_path: Path) -> tuple[Path, Path]:
    """Battles and preferences, with ties, as the arena exports them."""
    with arena_in(tmp_path) as database:
        cast(database, 1, Outcome.A, ("Why?", "good", "bad"))
        cast(database, 2, Outcome.B, ("How?", "bad", "<think>hm</think>good"))
        cast(database, 3, Outcome.TIE, ("Who?", "this", "that"))
        cast(database, 4, Outcome.BOTH_BAD, ("When?", "never", "always"))
        cast(database, 5, Outcome.A, ("Why?", "bad", "good"))
        cast(database, 6, Outcome.A, ("Why?", "good", "worse"))
        cast(database, 7, Outcome.B, ("One?", "1", "one"), ("Two?", "2", "two"))
        battles, preferences = tmp_path / "battles.jsonl", tmp_path / "preferences.jsonl"
        write_rows(battles, battle_rows(records(database, texts=True), Counter()))
        wanted = Wanted(ties=True, turns="all")
        write_rows(preferences, preference_rows(records(database, texts=True), wanted, Counter()))
    return battles, preferences


def stays(path: Path, *texts: str, ties: bool = True) -> bool | str:
    verdict = read_votes([path], ties=ties).rule(said(*texts))
    return verdict.detail if isinstance(verdict, Dropped) else True


def test_who_won_more_often_than_lost_stays(exports: tuple[Path, Path]) -> None:
    for path in exports:
        assert stays(path, "Why?", "good") is True
        assert stays(path, "How?", "good") is True
        assert stays(path, "How?", "<think>another</think> good") is True
        assert stays(path, "One?", "one", "Two?", "two") is True


def test_who_lost_more_often_goes_and_both_bad_is_lost_by_both(exports: tuple[Path, Path]) -> None:
    battles, _ = exports
    for path in exports:
        assert stays(path, "How?", "bad") == "people's votes: won 0, lost 1, tied 0"
        assert stays(path, "Why?", "worse") == "people's votes: won 0, lost 1, tied 0"
        assert stays(path, "One?", "1", "Two?", "2") == "people's votes: won 0, lost 1, tied 0"
    assert stays(battles, "When?", "never") == "people's votes: won 0, lost 1, tied 0"
    assert stays(battles, "When?", "always") == "people's votes: won 0, lost 1, tied 0"


def test_ties_stay_unless_they_are_not_wanted(exports: tuple[Path, Path]) -> None:
    for path in exports:
        assert stays(path, "Who?", "that") is True
        assert stays(path, "Who?", "that", ties=False) == "people's votes: won 0, lost 0, tied 1"
        assert stays(path, "Why?", "bad") is True
        assert stays(path, "Why?", "bad", ties=False) == "people's votes: won 1, lost 1, tied 0"


def test_what_was_in_no_battle_stays(exports: tuple[Path, Path]) -> None:
    for path in exports:
        assert stays(path, "Why?", "something else", ties=False) is True
        one = Conversation("c", (Message("system", "s"), Message("user", "How?"), Message("assistant", "bad")))
        assert read_votes([path]).rule(one) is one


def test_votes_that_do_not_count_in_the_arena_do_not_count_here(tmp_path: Path, exports: tuple[Path, Path]) -> None:
    rows = [json.loads(line) for line in exports[0].read_text(encoding="utf-8").splitlines()]
    path = tmp_path / "held.jsonl"
    write_rows(path, [{**row, "status": "held"} for row in rows])
    assert stays(path, "How?", "bad") is True


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"id": "c", "messages": []}, r"votes.jsonl, line 1: outcome None is none of a, b, tie, both_bad"),
        ({"outcome": "a", "battle": "1"}, r"votes.jsonl, line 1 has no texts; `python -m arena export battles"),
        (
            {"outcome": "a", "messages_a": [{"role": "bot", "content": "x"}], "messages_b": []},
            r"votes.jsonl, line 1: role 'bot' is unknown",
        ),
    ],
)
def test_what_is_no_export_with_texts_is_refused(tmp_path: Path, row: dict[str, object], told: str) -> None:
    path = tmp_path / "votes.jsonl"
    write_rows(path, [row])
    with pytest.raises(DistillProblem, match=told):
        read_votes([path])
