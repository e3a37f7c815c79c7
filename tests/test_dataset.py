from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arenas import ANT, BEE
from boards import board as board_of
from boards import standing
from huggingface_hub import DatasetCard
from pyarrow import parquet
from voted import CAST, arena_in, cast, records

from arena.boards.board import Board
from arena.exchange.card import Contents, card_text
from arena.exchange.dataset import write_dataset
from arena.exchange.files import ExportError
from db.outcome import Outcome
from db.session import Database
from db.voters import exclude_voter

BOARD = board_of(
    standing("Ant", 1, fingerprint=ANT.fingerprint, license="MIT", url="https://example.org/ant"),
    standing("Bee | <b>", 2, fingerprint=BEE.fingerprint, license="", votes=7),
    standing("Cat", None, votes=0, license="Secret-1.0"),
)


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Database]:
    with arena_in(tmp_path / "arena") as database:
        cast(database, 1, Outcome.A, ("Why?", "<think>hm</think>good", "bad"), voter="ann")
        cast(database, 2, Outcome.B, ("Why?", "bad", "good"), voter="bob", language="de")
        cast(database, 3, Outcome.TIE, voter="ann", language=None)
        yield database


def front_of(contents: Contents) -> dict[str, Any]:
    """What the Hub's own library reads of a card."""
    data: Any = DatasetCard(card_text(contents)).data
    return dict(data.to_dict())


def write(database: Database, folder: Path, board: Board = BOARD, **options: Any) -> Contents:
    return write_dataset(
        folder, lambda texts: records(database, texts=texts), board, **{"texts": False, **options}
    )  # fmt: skip


def test_a_data_set_holds_no_texts_unless_they_are_asked_for(arena: Database, tmp_path: Path) -> None:
    contents = write(arena, tmp_path / "set")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        "README.md", "leaderboard.parquet", "votes.parquet",
    ]  # fmt: skip
    assert contents.rows == {"votes": 3, "leaderboard": 3}
    everything = b"".join(path.read_bytes() for path in (tmp_path / "set").iterdir())
    assert b"good" not in everything
    assert b"Prompts and answers are not in it." in everything


def test_with_texts_battles_and_preferences_come_along(arena: Database, tmp_path: Path) -> None:
    contents = write(arena, tmp_path / "set", texts=True)
    assert contents.rows == {"votes": 3, "leaderboard": 3, "battles": 3, "preferences": 2}
    for name, count in contents.rows.items():
        assert parquet.read_table(tmp_path / "set" / f"{name}.parquet").num_rows == count
    votes = parquet.read_table(tmp_path / "set" / "votes.parquet").to_pylist()
    assert [row["voter"] for row in votes] == [row["voter"] for row in records(arena)]
    best = parquet.read_table(tmp_path / "set" / "leaderboard.parquet").to_pylist()[0]
    assert (best["model"], best["rank"], best["interval"]) == ("ant", 1, "confidence_95")


def test_a_data_set_holds_what_counts(arena: Database, tmp_path: Path) -> None:
    arena.write(lambda session: exclude_voter(session, "ann", "a secret", CAST))
    contents = write(arena, tmp_path / "set", texts=True)
    assert contents.rows == {"votes": 1, "leaderboard": 3, "battles": 1, "preferences": 1}
    assert (contents.voters, contents.languages) == (1, {"de": 1})
    for name in ("votes", "battles"):
        (row,) = parquet.read_table(tmp_path / "set" / f"{name}.parquet").to_pylist()
        assert (row["status"], row["reason"], row["verified"]) == ("counted", None, False)


def test_the_card_s_front_is_what_the_hub_reads(arena: Database, tmp_path: Path) -> None:
    write(arena, tmp_path / "set", texts=True, license_id="CC-BY-SA-4.0")
    data: Any = DatasetCard.load(tmp_path / "set" / "README.md").data
    front = data.to_dict()
    assert front["license"] == "cc-by-sa-4.0"
    assert front["language"] == ["de", "en"]
    assert front["size_categories"] == ["n<1K"]
    assert "dpo" in front["tags"]
    assert front["configs"] == [
        {"config_name": "votes", "data_files": "votes.parquet", "default": True},
        {"config_name": "leaderboard", "data_files": "leaderboard.parquet"},
        {"config_name": "battles", "data_files": "battles.parquet"},
        {"config_name": "preferences", "data_files": "preferences.parquet"},
    ]


def test_the_card_says_what_people_need_to_know(arena: Database, tmp_path: Path) -> None:
    write(arena, tmp_path / "set", texts=True)
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert "| votes.parquet | 3 | one row a vote |" in card
    assert "2 voters." in card
    assert "| ant | Ant | MIT | 100 | https://example.org/ant |" in card
    assert "| bee \\| \\<b\\> | Bee \\| \\<b\\> | not known | 7 |" in card
    assert "Secret-1.0" not in card, "nobody voted on it, so nothing of it is inside"
    assert "| outcome | text | a, b, tie or both\\_bad |" in card
    assert "| messages\\_a | list of role, content |" in card


@pytest.mark.parametrize(
    ("votes", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (5 * 10**5, "100K<n<1M"), (10**8, "10M<n<100M")],
)
def test_the_size_is_one_of_the_hub_s(votes: int, size: str) -> None:
    assert front_of(Contents({"votes": votes, "leaderboard": 1}, 1, {}, (), "MIT"))["size_categories"] == [size]


def test_nothing_given_can_break_out_of_the_card_s_front() -> None:
    front = front_of(Contents({"votes": 1}, 1, {"no": 1, "x\ny": 1, "": 4, "english": 1}, (), 'x"\nprivate: {}'))
    assert (front["license"], front["language"]) == ('x"\nprivate: {}', ["no"])
    assert "private" not in front


def test_a_folder_that_holds_something_is_refused(arena: Database, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "battles.parquet").touch()
    with pytest.raises(ExportError, match="set is not empty; choose another"):
        write(arena, tmp_path / "set")
    with pytest.raises(ExportError, match="can't be made"):
        write(arena, tmp_path / "set" / "battles.parquet" / "deeper")


@pytest.mark.slow
def test_the_datasets_library_loads_every_part(arena: Database, tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="datasets isn't installed (make test TORCH=yes)")
    contents = write(arena, tmp_path / "set", texts=True)
    program = (
        "import json, sys\nfrom datasets import load_dataset\n"
        "print(json.dumps({name: load_dataset(sys.argv[1], name, split='train').to_list()"
        " for name in sys.argv[2:]}, default=str))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "set"), *contents.rows],
        capture_output=True, text=True, check=True, cwd=tmp_path, timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert {name: len(rows) for name, rows in loaded.items()} == contents.rows
    assert [row["battle"] for row in loaded["votes"]] == [row["battle"] for row in records(arena)]
    assert loaded["preferences"][0]["chosen"] == [{"role": "assistant", "content": "good"}]
