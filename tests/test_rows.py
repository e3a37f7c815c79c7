from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from others import VOTES, refused, write
from pyarrow import parquet
from voted import arena_in

from arena.exchange.rows import RowFile
from db.session import Database


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    with arena_in(tmp_path) as database:
        yield database


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("v.txt", b"", "must end in .csv, .tsv, .jsonl or .parquet"),
        ("v.csv", b"", "has no column 'model_a'; there are: none"),
        ("v.csv", b"model_a,model_b,winner\nant,owl\n", "line 2: 2 cells under 3 columns"),
        ("v.csv", b'model_a,model_b,winner\nant,"owl"x,a\n', "is no table of such cells"),
        ("v.csv", b"model_a,model_b,winner,winner\n", "has two columns 'winner'"),
        ("v.csv", b"model_a,model_b,winner\nant,\xff,a\n", "is not in UTF-8"),
        ("v.csv", b"model_a,model_b,winner\nant,,a\n", "line 2: the name of a model is empty (column 'model_b')"),
        ("v.jsonl", b'{"model_a": 1}\n{"b": 1}\n', "has no column 'model_b'; there are: 'model_a', 'b'"),
        ("v.jsonl", b'{"model_a": "x", "model_b": "y", "winner": "a"}\n{\n', "line 2 is no JSON"),
        ("v.jsonl", b"[1]\n", "line 1: an object was expected"),
        ("v.jsonl", b'{"model_a": "\\ud800", "model_b": "y", "winner": "a"}\n', "line 1: holds half of a surrogate"),
        ("v.jsonl", b'{"model_a": ["x"], "model_b": "y", "winner": "a"}\n', "line 1: a text was expected"),
        ("v.jsonl", b'{"model_a": "x", "model_b": "y", "winner": "a", "anony": "?"}\n', "line 1: '?' is neither true"),
        ("v.jsonl", b'{"model_a": "x", "model_b": "y", "winner": "a", "turn": 1.5}\n', "line 1: '1.5' is no number of"),
        ("v.jsonl", b'{"model_a": "x", "model_b": "y", "winner": "a", "conversation": 1}\n', "can't be read (a list"),
        ("v.jsonl", b"[" * 100_000 + b"\n", "line 1 is no JSON"),
        ("v.parquet", b"PAR1 or not", "v.parquet can't be read"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_votes_is_said_in_a_sentence(
    board: Database, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert said in refused(board, tmp_path / name)


def test_a_file_that_is_not_there_is_said_in_a_sentence(board: Database, tmp_path: Path) -> None:
    for name in ("gone.csv", "gone.parquet"):
        assert "can't be read (" in refused(board, tmp_path / name)


def test_whoever_waits_hears_how_much_is_read(tmp_path: Path) -> None:
    for ending in ("csv", "jsonl", "parquet"):
        path, shares = write(tmp_path / f"v.{ending}", [VOTES[0]] * 5000), list[float]()
        assert sum(1 for _ in RowFile(path).read(shares.append)) == 5000
        assert len(shares) >= 5
        assert shares == sorted(shares)
        assert 0 <= shares[0] <= shares[-1] <= 1


def test_parquet_with_two_columns_of_one_name_is_refused(board: Database, tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    names = ["model_a", "model_b", "winner", "winner"]
    parquet.write_table(pa.Table.from_arrays([pa.array(["a"])] * 4, names=names), path)
    assert "has two columns 'winner'; rename one." in refused(board, path)


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("seconds", [10**15, -(10**12), 253402300799 + 3600])
def test_a_time_that_parquet_holds_and_no_calendar_does_is_said_in_a_sentence(
    board: Database, tmp_path: Path, seconds: int, zone: str | None
) -> None:
    path = tmp_path / "v.parquet"
    columns = {name: pa.array([cell]) for name, cell in VOTES[0].items()}
    parquet.write_table(pa.table({**columns, "tstamp": pa.array([seconds], pa.timestamp("s", tz=zone))}), path)
    assert "can't be read (" in refused(board, path)
