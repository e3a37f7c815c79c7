"""Students that join a running arena."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from pools import PATIENCE, scripted

from arena.newcomers import Newcomers
from arena.roster import Roster
from arena.settings import Settings
from arena.ui.services import open_services
from db.session import DatabaseProblem
from models.spec import ModelSpec
from models.students import as_toml, enlist


def newcomers(path: Path, roster: Roster) -> Newcomers:
    return Newcomers(path, roster, roster.add, seconds=0.01)


def test_who_is_registered_while_the_arena_runs_joins_it(tmp_path: Path) -> None:
    path, roster = tmp_path / "students.toml", Roster([scripted("teacher"), scripted("base")])
    following = newcomers(path, roster)
    following.look()
    assert len(roster) == 2
    enlist(path, scripted("student"))
    following.look()
    assert [spec.id for spec in roster] == ["teacher", "base", "student"]
    following.look()
    assert len(roster) == 3


def test_who_was_there_at_the_start_does_not_join_twice(tmp_path: Path) -> None:
    path = tmp_path / "students.toml"
    enlist(path, scripted("student"))
    roster = Roster([scripted("base"), scripted("student")])
    following = newcomers(path, roster)
    enlist(path, scripted("another"))
    following.look()
    assert [spec.id for spec in roster] == ["base", "student", "another"]


def test_a_base_that_is_there_for_comparison_alone_does_not_join(tmp_path: Path) -> None:
    path, roster = tmp_path / "students.toml", Roster([scripted("one"), scripted("two")])
    following = newcomers(path, roster)
    enlist(path, scripted("base").model_copy(update={"plays": False}))
    following.look()
    assert len(roster) == 2


def test_a_file_that_can_t_be_read_is_told_and_everybody_plays_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, roster = tmp_path / "students.toml", Roster([scripted("one"), scripted("two")])
    following = newcomers(path, roster)
    path.write_text("[[model]", encoding="utf-8")
    following.look()
    assert len(roster) == 2
    assert "students.toml" in caplog.text
    assert "plays on" in caplog.text


def test_a_change_of_who_plays_already_waits_for_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, roster = tmp_path / "students.toml", Roster([scripted("one"), scripted("two")])
    following = newcomers(path, roster)
    enlist(path, scripted("two").model_copy(update={"name": "Another name"}))
    following.look()
    assert [spec.id for spec in roster] == ["one", "two"]
    assert "counts after a restart" in caplog.text


def test_a_newcomer_is_let_in_later_where_the_database_was_busy(tmp_path: Path) -> None:
    path, roster = tmp_path / "students.toml", Roster([scripted("one"), scripted("two")])
    busy = [True]

    def let_in(spec: ModelSpec) -> None:
        if busy:
            busy.pop()
            raise DatabaseProblem("The disk is full.")
        roster.add(spec)

    following = Newcomers(path, roster, let_in)
    enlist(path, scripted("student"))
    following.look()
    assert len(roster) == 2
    following.look()
    assert len(roster) == 3


def test_a_newcomer_is_let_in_later_whatever_went_wrong_the_first_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, roster = tmp_path / "students.toml", Roster([scripted("one"), scripted("two")])
    broken = [True]

    def let_in(spec: ModelSpec) -> None:
        if broken:
            broken.pop()
            raise RuntimeError("nobody foresaw this")
        roster.add(spec)

    following = Newcomers(path, roster, let_in, seconds=0.01)
    enlist(path, scripted("student"))
    following.begin()
    for _ in range(500):
        if len(roster) == 3:
            break
        time.sleep(0.01)
    following.close()
    assert len(roster) == 3
    assert "nobody foresaw this" in caplog.text


def test_the_thread_follows_by_itself_and_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, roster = tmp_path / "students.toml", Roster([scripted("one"), scripted("two")])
    following = newcomers(path, roster)
    with caplog.at_level(logging.INFO):
        following.begin()
        enlist(path, scripted("student"))
        for _ in range(500):
            if len(roster) == 3:
                break
            time.sleep(0.01)
        following.close()
        following.close()
    assert len(roster) == 3
    assert not following._recurring.running


@pytest.mark.slow
def test_a_running_arena_offers_who_is_registered_on_the_board_and_for_battles(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.toml"
    catalog.write_text("\n".join(map(as_toml, (scripted("one"), scripted("two")))), encoding="utf-8")
    settings = Settings(data=tmp_path / "data", catalog=catalog, cache=tmp_path / "cache")
    with open_services(settings) as services:
        services.pool.start()
        assert services.pool.wait_ready(2, PATIENCE)
        student = scripted("student")
        enlist(settings.students, student)
        assert services.pool.wait_ready(3, PATIENCE)
        assert {row.model for row in services.leaderboard.refresh()} == {"one", "two", "student"}
        assert student.fingerprint in {one.fingerprint for one in services.administration.contestants()}
