from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, count, database_with, ready_battle, vote
from postgres import Cluster
from sqlalchemy import text
from test_copy import everything, play

from db.backup import backup, restore
from db.check import check
from db.outcome import Outcome
from db.schema import open_database
from db.session import Database, DatabaseProblem, Session, writer_lock
from db.tables import Battle, Vote

pytestmark = pytest.mark.slow


@pytest.fixture
def url(database_url: str) -> str:
    with closing(database_with(database_url, ANT, BEE)) as database:
        play(database)
    return database_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "backup.db"


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(DatabaseProblem) as raised:
        work()
    sentence = str(raised.value)
    assert "\n" not in sentence
    return sentence


def change(url: str, *statements: str) -> None:
    """Break what the code itself never would."""
    with closing(Database(url, references=False)) as database:
        for statement in statements:
            database.write(partial(Session.execute, statement=text(statement)))


# -- taking one ------------------------------------------------------------------------------------


def test_a_backup_holds_everything_and_nobody_else_may_read_it(url: str, file: Path) -> None:
    assert backup(url, file) == 13
    assert everything(f"sqlite:///{file}") == everything(url)
    assert check(f"sqlite:///{file}") == []
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.integrity
def test_a_backup_beside_a_running_arena_is_of_one_moment(url: str, file: Path) -> None:
    ended = threading.Event()
    with closing(Database(url)) as database, writer_lock(url):

        def go_on() -> None:
            for number in range(10_000):
                if ended.is_set():
                    return
                database.write(partial(ready_battle, battle_id=f"later{number}"))
                database.write(partial(vote, battle_id=f"later{number}", outcome=Outcome.A))

        voting = threading.Thread(target=go_on)
        voting.start()
        try:
            for number in range(20):
                backup(url, file.with_name(f"{number}.db"))
        finally:
            ended.set()
            voting.join()
    for number in range(20):
        assert check(f"sqlite:///{file.with_name(f'{number}.db')}") == []


def test_a_file_that_is_there_is_not_written_over(url: str, file: Path) -> None:
    file.parent.mkdir()
    file.write_text("precious")
    assert refusal(lambda: backup(url, file)) == f"The file {file} is there already; name a new one."
    assert file.read_text() == "precious"


def test_a_backup_that_can_not_be_written_leaves_no_part_of_it(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "can't be written" in refusal(lambda: backup(url, tmp_path / "file" / "backup.db"))
    missing = f"sqlite:///{tmp_path}/nowhere.db"
    assert refusal(lambda: backup(missing, tmp_path / "kept.db")) == f"There is no database {tmp_path}/nowhere.db."
    assert sorted(path.name for path in tmp_path.iterdir() if "kept" in path.name or "nowhere" in path.name) == []


# -- putting it back -------------------------------------------------------------------------------


def test_a_backup_restores_a_lost_database(url: str, file: Path, tmp_path: Path) -> None:
    backup(url, file)
    lost = f"sqlite:///{tmp_path}/elsewhere/arena.db"
    assert restore(file, lost) == (13, None)
    assert everything(lost) == everything(url)
    assert file.exists()


def test_a_backup_of_either_kind_restores_to_postgresql(url: str, file: Path, postgres: Cluster) -> None:
    backup(url, file)
    with postgres.empty() as target:
        assert restore(file, target) == (13, None)
        assert everything(target) == everything(url)


def test_votes_are_replaced_only_when_that_is_said_and_are_kept_then(url: str, file: Path) -> None:
    backup(url, file)
    with closing(Database(url)) as database:
        database.write(partial(vote, battle_id="open", outcome=Outcome.TIE))
    newer = everything(url)
    assert "has 14 votes, 4 judgments, 5 answers in it, and nothing was restored" in refusal(lambda: restore(file, url))
    assert everything(url) == newer
    votes, kept = restore(file, url, replace=True)
    assert (votes, everything(url)) == (13, everything(f"sqlite:///{file}"))
    assert kept is not None
    assert everything(f"sqlite:///{kept}") == newer


def test_judgments_and_answers_are_not_replaced_unsaid_either(url: str, file: Path) -> None:
    backup(url, file)
    change(url, "DELETE FROM vote", "UPDATE battle SET status = 'open' WHERE status = 'voted'")
    paid = everything(url)
    assert "has 4 judgments, 5 answers in it, and nothing was restored" in refusal(lambda: restore(file, url))
    assert everything(url) == paid
    votes, kept = restore(file, url, replace=True)
    assert (votes, everything(url)) == (13, everything(f"sqlite:///{file}"))
    assert kept is not None
    assert everything(f"sqlite:///{kept}") == paid


def test_a_restored_arena_goes_on_voting(url: str, file: Path) -> None:
    backup(url, file)
    restore(file, url, replace=True)
    with closing(open_database(url)) as database:
        database.write(partial(vote, battle_id="open", outcome=Outcome.A))
        assert count(database, Vote) == 14
    assert check(url) == []


def voted_late(url: str) -> None:
    with closing(Database(url)) as database:
        database.write(partial(vote, battle_id="open", outcome=Outcome.TIE))


def test_a_vote_that_is_cast_while_the_others_are_kept_is_not_replaced(
    file: Path, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.fresh() as url:
        with closing(database_with(url, ANT, BEE)) as database:
            play(database)
        backup(url, file)

        def beside_a_running_arena(url: str, kept: Path) -> int:
            votes = backup(url, kept)
            voted_late(url)
            return votes

        monkeypatch.setattr("db.backup.backup", beside_a_running_arena)
        assert "meanwhile, and nothing was restored" in refusal(lambda: restore(file, url, replace=True))
        assert len(everything(url)["vote"]) == 14


def test_a_vote_that_is_cast_after_none_was_found_is_not_replaced(
    file: Path, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.fresh() as url:
        with closing(database_with(url, ANT, BEE)) as database:
            database.write(partial(ready_battle, battle_id="open"))
        backup(url, file)

        def none_yet(_url: str) -> str:
            voted_late(url)
            return ""

        monkeypatch.setattr("db.backup._held_in", none_yet)
        assert "meanwhile, and nothing was restored" in refusal(lambda: restore(file, url))
        assert len(everything(url)["vote"]) == 1


@pytest.mark.integrity
def test_a_damaged_backup_is_refused_and_nothing_is_touched(url: str, file: Path) -> None:
    backup(url, file)
    whole, before = file.read_bytes(), everything(url)
    page = len(whole) // 2 // 4096 * 4096
    for content in (
        b"no database at all" * 500,
        whole[: len(whole) // 2],
        whole[:page] + b"\xff" * 4096 + whole[page + 4096 :],
    ):
        file.write_bytes(content)
        assert str(file) in refusal(lambda: restore(file, url, replace=True))
        assert everything(url) == before
        assert file.read_bytes() == content
    assert (
        refusal(lambda: restore(file.with_name("none.db"), url)) == f"There is no backup {file.with_name('none.db')}."
    )


def test_a_backup_whose_rows_contradict_each_other_is_refused(url: str, file: Path, tmp_path: Path) -> None:
    backup(url, file)
    change(f"sqlite:///{file}", "DELETE FROM vote WHERE battle_id = 'b1'")
    sentence = refusal(lambda: restore(file, f"sqlite:///{tmp_path}/other.db"))
    assert sentence == (
        f"The backup {file} can't be used, and nothing was restored: 1 battles marked as voted without a vote: b1."
    )
    assert not (tmp_path / "other.db").exists()


def test_a_running_arena_on_a_file_is_stopped_first(url: str, file: Path, tmp_path: Path) -> None:
    backup(url, file)
    running = f"sqlite:///{tmp_path}/running.db"
    with writer_lock(running):
        assert "in use by a running arena" in refusal(lambda: restore(file, running))


# -- looking for damage ----------------------------------------------------------------------------


def test_a_whole_database_has_no_findings(url: str) -> None:
    assert check(url) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE battle SET status = 'voted' WHERE id = 'void'", "1 battles marked as voted without a vote: void."),
        ("UPDATE battle SET status = 'open' WHERE id = 'b3'", "1 battles with a vote that are not marked as voted: b"),
        ("UPDATE vote SET voter = 'eve' WHERE battle_id = 'b4'", "1 battles whose vote names another voter or other"),
        ("UPDATE vote SET contestant_a = contestant_b", "13 battles whose vote names another voter or other contest"),
        ("UPDATE counter SET value = 9 WHERE name = 'votes'", "The newest vote has the number 13, but only 9 are"),
        ("UPDATE counter SET value = 15 WHERE name = 'votes'", "15 votes are counted, but the newest has the number"),
        ("UPDATE vote SET sequence = sequence + 100", "There are no votes with the numbers 1–100."),
        ("UPDATE vote SET sequence = sequence * 100", "There are no votes with the numbers 1–99, 101–199, 201–299"),
        ("UPDATE judgment SET outcome = NULL, score_a = NULL", "3 judgments are done and have no verdict."),
        (
            "UPDATE judgment SET contestant_a = contestant_b, contestant_b = contestant_a WHERE form <> 'single'",
            "3 judgments name their contestants in the wrong order.",
        ),
        ("UPDATE judgment SET answer_a = answer_b WHERE form = 'score'", "2 judgments are of an answer by another con"),
        (
            "UPDATE judgment SET question_id = 'question 3' WHERE form = 'single'",
            "1 judgments are of an answer by another contestant or to another question.",
        ),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_named(url: str, statement: str, finding: str) -> None:
    change(url, statement)
    found = check(url)
    assert any(one.startswith(finding) for one in found), found


def test_references_to_nothing_are_named(tmp_path: Path) -> None:
    """PostgreSQL takes none, whoever asks."""
    url = f"sqlite:///{tmp_path}/arena.db"
    with closing(database_with(url, ANT, BEE)) as database:
        play(database)
    change(url, "DELETE FROM battle WHERE id = 'b5'", "DELETE FROM contestant")
    found = check(url)
    assert "4 rows of judgment name a contestant that is not there." in found
    assert "1 rows of vote name a battle that is not there." in found
    assert "20 rows of battle name a contestant that is not there." in found


def test_what_is_no_database_of_ours_is_named(tmp_path: Path, postgres: Cluster) -> None:
    assert check(f"sqlite:///{tmp_path}/none.db") == [f"There is no database {tmp_path}/none.db."]
    (tmp_path / "text.db").write_bytes(b"This is no database at all. " * 1000)
    (finding,) = check(f"sqlite:///{tmp_path}/text.db")
    assert "is damaged (file is not a database)" in finding
    with postgres.empty() as url:
        (finding,) = check(url)
        assert "is empty or of an older schema" in finding
    (finding,) = check(url)
    assert "does not exist" in finding


def test_checking_changes_nothing(url: str) -> None:
    before = everything(url)
    check(url)
    with closing(Database(url)) as database, database.read() as session:
        assert session.query(Battle).count() == len(before["battle"])
    assert everything(url) == before
