"""Files beside the database: nothing is lost by whoever is ended while one takes the other's place."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db.copies import battle_at, is_new, newest_in, put_in_place
from db.session import DatabaseProblem


def write(file: Path, *battles: str) -> None:
    """As one who is killed leaves it: all of it in the log beside the file."""
    written = file.with_name("written.db")
    with closing(sqlite3.connect(written)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE counter (name TEXT, value INTEGER)")
        connection.execute("CREATE TABLE vote (sequence INTEGER, battle_id TEXT)")
        connection.execute("INSERT INTO counter VALUES ('votes', ?)", (len(battles),))
        connection.executemany("INSERT INTO vote VALUES (?, ?)", enumerate(battles, 1))
        connection.commit()
        for ending in ("", "-wal"):
            shutil.copy(f"{written}{ending}", f"{file}{ending}")
    written.unlink()


def test_a_copy_takes_the_place_of_a_database_which_is_kept(tmp_path: Path) -> None:
    file, copy = tmp_path / "arena.db", tmp_path / "copy.db"
    write(file, "old")
    write(copy, "new", "newer")
    with closing(sqlite3.connect(copy)) as whole:
        whole.execute("PRAGMA journal_mode=DELETE")
    aside = put_in_place(copy, file)
    assert aside is not None
    assert (newest_in(file), battle_at(file, 2), battle_at(file, 3)) == (2, "newer", None)
    assert (newest_in(aside), battle_at(aside, 1)) == (1, "old")


def test_whoever_is_ended_before_the_copy_is_in_place_has_the_whole_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, copy = tmp_path / "arena.db", tmp_path / "copy.db"
    write(file, "one", "two")
    write(copy, "other")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        put_in_place(copy, file)
    assert newest_in(file) == 2


def test_a_file_without_a_table_is_new_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "arena.db"
    assert is_new(file)
    file.touch()
    assert is_new(file)
    with closing(sqlite3.connect(file)) as begun:
        begun.execute("PRAGMA journal_mode=WAL")
    assert file.stat().st_size > 0
    assert is_new(file)
    write(file, "one")
    assert not is_new(file)
    (tmp_path / "damaged.db").write_bytes(b"no database" * 1000)
    assert not is_new(tmp_path / "damaged.db")
    with pytest.raises(DatabaseProblem, match="can't be read"):
        battle_at(tmp_path / "damaged.db", 1)
