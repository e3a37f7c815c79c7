from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from others import VOTES, refused, take_in, told, write
from voted import arena_in, records

from arena.exchange import cells
from db.session import Database


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    with arena_in(tmp_path) as database:
        yield database


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1700000000", "2023-11-14T22:13:20+00:00"),
        ("1700000000.75", "2023-11-14T22:13:20+00:00"),
        ("2026-01-31T12:00:00", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31 12:00:00+02:00", "2026-01-31T10:00:00+00:00"),
        ("", "2026-05-01T12:00:00+00:00"),
    ],
)
def test_times_are_read_as_people_write_them(board: Database, tmp_path: Path, said: str, meant: str) -> None:
    take_in(board, write(tmp_path / "v.csv", [{**VOTES[0], "tstamp": said}]))
    assert told(board, "time") == [(meant,)]


@pytest.mark.parametrize("said", ["yesterday", "1700000000000", "nan", "inf", "2026-13-01"])
def test_a_time_that_is_none_is_an_error(board: Database, tmp_path: Path, said: str) -> None:
    assert "is no time" in refused(board, write(tmp_path / "v.csv", [{**VOTES[0], "tstamp": said}]))


def test_times_of_parquet_and_json_need_no_text(board: Database, tmp_path: Path) -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    take_in(board, write(tmp_path / "v.parquet", [{**VOTES[0], "tstamp": moment}]))
    take_in(board, write(tmp_path / "v.jsonl", [{**VOTES[0], "tstamp": moment.timestamp()}]))
    assert told(board, "time") == [("2026-01-31T12:00:00+00:00",)] * 2


def test_dates_of_parquet_are_times(board: Database, tmp_path: Path) -> None:
    take_in(board, write(tmp_path / "v.parquet", [{**VOTES[0], "tstamp": date(2026, 1, 31)}]))
    assert told(board, "time") == [("2026-01-31T00:00:00+00:00",)]


def test_a_time_that_leaves_the_calendar_in_utc_is_an_error() -> None:
    for moment in (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))), "0001-01-01T00:00:00+09:00"):
        with pytest.raises(cells.Unreadable, match=r"'0001-01-01.* is no time"):
            cells.moment(moment)


TURN: dict[str, object] = {"prompt": "p", "answer_a": "x", "answer_b": "y"}


@pytest.mark.parametrize("number", [10**30, 2**63, -1, 1.5, True, float("nan"), float("inf"), "1"])
def test_a_count_that_no_database_keeps_is_an_error(board: Database, tmp_path: Path, number: object) -> None:
    path = write(tmp_path / "v.jsonl", [{**VOTES[0], "conversation": [TURN | {"tokens_a": number}]}])
    assert "line 1: the conversation can't be read (tokens_a of a turn can't be '" in refused(board, path)


@pytest.mark.parametrize("number", [10**400, -0.5, -1, True, float("nan"), float("inf"), "1"])
def test_seconds_that_are_none_are_an_error(board: Database, tmp_path: Path, number: object) -> None:
    path = write(tmp_path / "v.jsonl", [{**VOTES[0], "conversation": [TURN | {"seconds_b": number}]}])
    assert "seconds_b of a turn can't be '" in refused(board, path)


def test_the_largest_numbers_are_kept(board: Database, tmp_path: Path) -> None:
    turn = TURN | {"tokens_a": 2**63 - 1, "tokens_b": 0, "seconds_a": 10**22, "seconds_b": 0.0}
    take_in(board, write(tmp_path / "v.jsonl", [{**VOTES[0], "conversation": [turn]}]))
    (vote,) = records(board, texts=True)
    assert turn.items() <= vote["conversation"][0].items()  # type: ignore[index]


@pytest.mark.parametrize(
    ("cell", "column"),
    [
        ({"winner": "?"}, "column 'winner'"),
        ({"model_b": ["x"]}, "column 'model_b'"),
        ({"judge": ["x"]}, "column 'judge'"),
        ({"tstamp": "?"}, "column 'tstamp'"),
        ({"turn": "?"}, "column 'turn'"),
        ({"anony": "?"}, "column 'anony'"),
        ({"category": {}}, "column 'category'"),
        ({"conversation": 1}, "column 'conversation'"),
        ({"messages_a": 1, "messages_b": 1}, "columns 'messages_a', 'messages_b'"),
    ],
)
def test_a_cell_that_can_not_be_read_is_named_by_its_column(
    board: Database, tmp_path: Path, cell: dict[str, Any], column: str
) -> None:
    assert f"({column})" in refused(board, write(tmp_path / "v.jsonl", [VOTES[0] | cell]))
