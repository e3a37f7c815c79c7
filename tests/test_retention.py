"""Texts are kept as long as the arena says, and no longer."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from arenas import ANT, BEE, NOW, begin, database_with, ready_battle
from sqlalchemy.orm import Session
from support import wait_for

from arena import recurring
from arena.privacy import retention
from arena.privacy.retention import Retention
from db.forget import older_battles
from db.queries import turns_of
from db.session import Database, DatabaseProblem
from db.tables import Battle
from db.url import sqlite_path

pytestmark = pytest.mark.integrity

DAYS = 30


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, ANT, BEE)) as database:
        yield database


def add(database: Database, number: int, age: timedelta, **more: Any) -> str:
    battle_id = f"{number:032x}"

    def work(session: Session) -> None:
        ready_battle(session, battle_id, now=NOW - age)
        for name, value in more.items():
            setattr(session.get_one(Battle, battle_id), name, value)

    database.write(work)
    return battle_id


def has_texts(database: Database, battle_id: str) -> bool:
    with database.read() as session:
        return all(turn.prompt and turn.answer_a and turn.answer_b for turn in turns_of(session, battle_id))


def kept(database: Database, now: datetime = NOW) -> Retention:
    return Retention(database, DAYS, now=lambda: now)


def test_texts_go_when_they_are_too_old_and_not_a_day_earlier(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    old = [add(database, number, timedelta(days=DAYS, seconds=1 + number // 2)) for number in range(5)]
    young = add(database, 9, timedelta(days=DAYS))
    assert kept(database).empty_old() == 5
    assert not any(has_texts(database, one) for one in old)
    assert has_texts(database, young)
    assert kept(database).empty_old() == 0
    assert kept(database, NOW + timedelta(seconds=1)).empty_old() == 1
    assert not has_texts(database, young)


def test_what_others_voted_elsewhere_and_what_is_being_answered_stays(database: Database) -> None:
    imported = add(database, 1, timedelta(days=900), source="votes.csv")
    database.write(partial(begin, battle_id="f" * 32, now=NOW - timedelta(days=900)))
    assert kept(database).empty_old() == 0
    assert has_texts(database, imported)


def test_copies_of_before_a_migration_go_after_a_week_and_nothing_else_goes(tmp_path: Path) -> None:
    """Nor a copy that somebody made by hand."""
    with closing(database_with(tmp_path, ANT, BEE)) as database:
        file = sqlite_path(database.url)
        names = {"before-0006": 8, "before-0005": 6, "aside-1": 99, "before-upgrade": 99}
        for ending, days in names.items():
            copy = Path(shutil.copy(file, f"{file}.{ending}"))
            os.utime(copy, times=((NOW - timedelta(days=days)).timestamp(),) * 2)
        assert kept(database).delete_old_copies() == [f"{file.name}.before-0006"]
        assert not Path(f"{file}.before-0006").exists()
        assert all(Path(f"{file}.{name}").exists() for name in list(names)[1:])
        assert Retention(database, 5, now=lambda: NOW).delete_old_copies() == [f"{file.name}.before-0005"]
        assert file.exists()


def test_the_thread_empties_at_once_and_again_after_a_failure(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, failures = add(database, 1, timedelta(days=31)), iter([True])
    look = older_battles

    def fails_once(*given: Any) -> Any:
        if next(failures, False):
            raise DatabaseProblem("The disk is full.")
        return look(*given)

    monkeypatch.setattr(retention, "older_battles", fails_once)
    with closing(Retention(database, DAYS, seconds=0.02, now=lambda: NOW)) as thread:
        thread.begin()
        wait_for(lambda: not has_texts(database, first))
        second = add(database, 2, timedelta(days=31))
        wait_for(lambda: not has_texts(database, second))
    assert "still there: The disk is full." in caplog.text
    assert "whose texts are now emptied" in caplog.text


def test_closing_does_not_wait_for_a_storage_that_takes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, over = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        busy.set()
        over.wait(30)
        return []

    assert recurring.CLOSE_SECONDS <= 10
    monkeypatch.setattr(retention, "older_battles", hang)
    monkeypatch.setattr(recurring, "CLOSE_SECONDS", 0.05)
    thread = kept(database)
    thread.begin()
    assert busy.wait(10)
    began = time.monotonic()
    thread.close()
    assert time.monotonic() - began < 10
    over.set()
    thread.close()
