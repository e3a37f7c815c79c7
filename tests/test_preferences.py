from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from support import REPO
from voted import CAST, arena_in, battle_id, cast, records

from arena.exchange.fields import PREFERENCE, names
from arena.exchange.files import write_rows
from arena.exchange.preferences import Wanted, preference_rows
from db.outcome import Outcome
from db.session import Database
from db.voters import exclude_voter

TRAIN_SECONDS = 600.0


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    with arena_in(tmp_path) as database:
        yield database


def pairs(database: Database, wanted: Wanted | None = None) -> tuple[list[dict[str, Any]], Counter[str]]:
    left_out: Counter[str] = Counter()
    rows = preference_rows(records(database, texts=True), wanted or Wanted(), left_out)
    return list(rows), left_out


def test_a_decided_vote_is_a_prompt_and_what_was_preferred_to_what(board: Database) -> None:
    cast(board, 1, Outcome.A, ("Why?", "good", "bad"))
    cast(board, 2, Outcome.B, ("How?", "bad", "good"), category="writing", language=None)
    (first, second), left_out = pairs(board)
    assert first == {
        "prompt": [{"role": "user", "content": "Why?"}],
        "chosen": [{"role": "assistant", "content": "good"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
        "battle": battle_id(1),
        "model_chosen": "ant",
        "model_rejected": "bee",
        "outcome": "a",
        "category": "coding",
        "language": "en",
    }
    assert tuple(first) == names(PREFERENCE)
    assert second["chosen"] == [{"role": "assistant", "content": "good"}]
    assert [second[name] for name in ("model_chosen", "model_rejected", "outcome", "category", "language")] == [
        "bee", "ant", "b", "writing", None,
    ]  # fmt: skip
    assert not left_out


def test_people_judged_what_they_saw_so_reasoning_is_left_out(board: Database) -> None:
    cast(board, 1, Outcome.A, ("Why?", "<think>hm</think>good", "bad<think>and never closed"))
    ((row,), _) = pairs(board)
    assert [row[name][0]["content"] for name in ("chosen", "rejected")] == ["good", "bad"]


def test_whatever_prefers_nothing_is_left_out_and_counted_by_its_reason(board: Database) -> None:
    cast(board, 1, Outcome.TIE)
    cast(board, 2, Outcome.BOTH_BAD)
    cast(board, 3, Outcome.A, ("p", "same", "<think>no</think>same"))
    cast(board, 4, Outcome.A, ("p", "x", "<think>all of it"))
    cast(board, 5, Outcome.A, ("p", "x", "y"), ("q", "z", "u"))
    rows, left_out = pairs(board)
    assert rows == []
    assert left_out == {
        "ties": 1, "both bad": 1, "twice the same answer": 1, "an empty answer": 1, "several turns": 1,
    }  # fmt: skip


def test_a_vote_that_does_not_count_prefers_nothing(board: Database) -> None:
    cast(board, 1, voter="ann")
    cast(board, 2, voter="bob")
    board.write(lambda session: exclude_voter(session, "ann", "spam", CAST))
    rows, left_out = pairs(board)
    assert [row["battle"] for row in rows] == [battle_id(2)]
    assert left_out == {"not counted": 1}


def test_ties_and_both_bad_are_kept_in_the_order_of_the_sides_when_asked_for(board: Database) -> None:
    cast(board, 1, Outcome.TIE)
    cast(board, 2, Outcome.BOTH_BAD)
    rows, left_out = pairs(board, Wanted(ties=True, both_bad=True))
    assert [(row["outcome"], row["model_chosen"], row["chosen"][0]["content"]) for row in rows] == [
        ("tie", "ant", "x"),
        ("both_bad", "ant", "x"),
    ]
    assert not left_out


def test_of_several_turns_everything_after_the_first_prompt_is_chosen_or_rejected(board: Database) -> None:
    cast(board, 1, Outcome.B, ("p", "x", "y"), ("q", "z", "u"))
    ((row,), _) = pairs(board, Wanted(turns="all"))
    assert row["prompt"] == [{"role": "user", "content": "p"}]
    assert [(one["role"], one["content"]) for one in row["chosen"]] == [
        ("assistant", "y"), ("user", "q"), ("assistant", "u"),
    ]  # fmt: skip
    assert [one["content"] for one in row["rejected"]] == ["x", "q", "z"]


def test_categories_and_languages_are_chosen(board: Database) -> None:
    cast(board, 1, category="coding", language="en")
    cast(board, 2, category="writing", language="en")
    cast(board, 3, category="coding", language="de")
    cast(board, 4, category=None, language=None)
    rows, left_out = pairs(board, Wanted(categories=("coding",), languages=("en", "fr")))
    assert [row["battle"] for row in rows] == [battle_id(1)]
    assert left_out == {"another category": 2, "another language": 1}


def test_both_files_hold_the_same_pairs(board: Database, tmp_path: Path) -> None:
    cast(board, 1, Outcome.A, ("Why\x00?", "\u202egood 🐜", "bad"))
    rows, _ = pairs(board)
    for ending in ("jsonl", "parquet"):
        write_rows(tmp_path / f"p.{ending}", PREFERENCE, rows)
    assert [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()] == rows
    assert parquet.read_table(tmp_path / "p.parquet").to_pylist() == rows


# -- TRL -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_trl_trains_on_the_pairs(board: Database, tmp_path: Path, ending: str) -> None:
    for package in ("torch", "transformers", "trl", "datasets"):
        pytest.importorskip(package, reason=f"{package} isn't installed (make test TORCH=yes)")
    for number in range(12):
        winner = Outcome.A if number % 2 else Outcome.B
        more = [("And then?", "more", "less")] if number % 3 == 0 else []
        cast(board, number, winner, (f"What is {number}?", "a good answer", "bad one"), *more)
    rows, _ = pairs(board, Wanted(turns="all"))
    path = tmp_path / f"p.{ending}"
    assert write_rows(path, PREFERENCE, rows) == 12
    variables = {"PYTHONPATH": f"{REPO}:{REPO / 'tests'}", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, REPO / "tests" / "train_dpo.py", path, tmp_path / "trained"],
        capture_output=True, text=True, check=False, timeout=TRAIN_SECONDS, cwd=tmp_path,
        env={**os.environ, **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["rows"] == 12
    assert len(told["losses"]) == 4
    assert all(0 < loss < 10 for loss in told["losses"])
    assert all(isinstance(margin, float) for margin in told["margins"])
    assert told["margins"][-1] != told["margins"][0]
