"""Votes outlive the disk: a data set on a Hub of our own, by the real client, through every kind of trouble."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from arenas import NOW, ready_battle, status_of
from hub_server import READER, Hub, hub_server, speak_to
from huggingface_hub.utils import _http
from sqlalchemy import select
from support import Visitor, canary, serving, wait_for, write_catalog
from voted import CATALOG, battle_id, cast

from arena.enrolment import enrol_all
from arena.keeping import journal as journal_files
from arena.keeping import remote, restore, upkeep
from arena.keeping.keeper import Keeper
from arena.keeping.remote import DataSet
from arena.keeping.restore import kind_of, restore_if_empty
from arena.keeping.snapshots import Note, journals_in, snapshots_in, upload_snapshot
from arena.settings import Settings
from db.copies import newest_in
from db.schema import open_database
from db.session import Database, DatabaseProblem
from db.tables import Contestant, Vote
from db.votes import newest_vote, raise_rules

# A Hub on loopback is asked hundreds of times.
pytestmark = pytest.mark.slow

NAME = "us/votes"
SPACE = {"SPACE_HOST": "us-arena.hf.space", "SPACE_ID": "us/arena"}
# Nothing is flushed by the clock in these tests, but at the start and when they say so.
SELDOM = 60.0


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as served:
        speak_to(served, tmp_path / "home", monkeypatch)
        yield served


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(**{"data": folder / "data", "dataset": NAME, "flush_minutes": SELDOM, **SPACE, **given})


@contextmanager
def opened(given: Settings) -> Iterator[tuple[Database, Keeper]]:
    """The part of an arena that keeps votes, from start to orderly stop."""
    restored = restore_if_empty(given)
    with closing(open_database(given.database)) as database:
        keeper = Keeper(database, given, restored)
        enrol_all(database, CATALOG, NOW)
        with keeper:
            keeper.keep()
            yield database, keeper
        for thread in keeper.threads:
            if thread.is_alive():
                thread.join(5)


@contextmanager
def held_upload(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[str], threading.Event]]:
    """Let the first snapshot stay on its way until the event; its name is in the list then, as are later ones."""
    begun: list[str] = []
    go_on, change = threading.Event(), DataSet.change

    def slow(self: DataSet, added: dict[str, Path | bytes], *given: Any) -> None:
        snapshots = snapshots_in(added)
        begun.extend(snapshot.file for snapshot in snapshots)
        if snapshots and len(begun) == 1:
            assert go_on.wait(60)
        change(self, added, *given)

    monkeypatch.setattr(DataSet, "change", slow)
    try:
        yield begun, go_on
    finally:
        go_on.set()


def wipe(folder: Path) -> None:
    """The disk of a Space after a restart."""
    shutil.rmtree(folder / "data")


def votes(database: Database) -> dict[str, str]:
    """The outcome of each voted battle."""
    with database.read() as session:
        return {vote.battle_id: vote.outcome for vote in session.scalars(select(Vote))}


def ids(*numbers: int) -> set[str]:
    return {battle_id(number) for number in numbers}


def refused(given: Settings) -> str:
    """The one sentence with which a start is refused; nothing of ours may have changed, and no token be said."""
    with pytest.raises(DatabaseProblem) as raised:
        restore_if_empty(given)
    said = str(raised.value)
    assert "hf_" not in said
    assert "\n" not in said
    assert said.endswith(".")
    assert raised.value.__cause__ is None or "hf_" not in str(raised.value.__cause__)
    return said


# -- there and back --------------------------------------------------------------------------------


def test_votes_come_back_after_the_disk_was_wiped(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, _):
        for number in range(4):
            cast(database, number)
        before = votes(database)
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, keeper):
        assert votes(database) == before
        assert keeper.status().flushed_sequence == 4
        cast(database, 4)
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(0, 1, 2, 3, 4)
        with database.read() as session:
            assert newest_vote(session) == 5
    assert hub.dataset(NAME).private


def test_an_arena_that_begins_empty_says_so(hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with opened(settings(tmp_path)):
        pass
    assert "The data set us/votes holds no votes yet; the arena begins empty." in caplog.messages
    caplog.clear()
    with opened(settings(tmp_path)):
        pass
    assert not [said for said in caplog.messages if "begins empty" in said]


def test_what_is_flushed_survives_an_end_without_a_word(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, keeper):
        cast(database, 1)
        assert keeper.flush(20)
        cast(database, 2)
        repo = hub.dataset(NAME)
        flushed = dict(repo.files)
    repo.commit(flushed, "as if it had been killed after the first flush")
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(1)


def test_a_database_that_stayed_is_used_and_told_further(hub: Hub, tmp_path: Path) -> None:
    given = settings(tmp_path)
    with opened(given) as (database, _):
        cast(database, 1)
    with closing(open_database(given.database)) as database:
        cast(database, 2)  # and killed before it was flushed
        database.write(partial(ready_battle, battle_id="open"))
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(1, 2)
        assert status_of(database, "open") == "open"
    wipe(tmp_path)
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(1, 2)


def test_a_database_older_than_the_data_set_steps_aside(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings(tmp_path)
    with opened(given) as (database, _):
        cast(database, 1)
    shutil.copytree(tmp_path / "data", tmp_path / "old")
    with opened(given) as (database, _):
        cast(database, 2)
    with opened(given):  # its first snapshot holds both
        pass
    wipe(tmp_path)
    (tmp_path / "old").rename(tmp_path / "data")
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(1, 2)
    assert "The database that was here does not hold those votes and is kept as arena.db.aside-1." in caplog.messages
    assert newest_in(tmp_path / "data" / "arena.db.aside-1") == 1


def test_votes_of_a_process_that_overlapped_are_kept_too(hub: Hub, tmp_path: Path) -> None:
    """A Space's new container begins before the old one has flushed for the last time."""
    old, new = settings(tmp_path / "old"), settings(tmp_path / "new")
    with opened(old) as (before, _):
        cast(before, 1)
        with opened(new) as (after, _):
            cast(after, 2)
            cast(after, 3)
        cast(before, 4)
    wipe(tmp_path / "new")
    with opened(new) as (database, _):
        assert votes(database).keys() == ids(1, 2, 3, 4)


@pytest.mark.parametrize("snapshots", [1, 3])
def test_snapshots_that_an_old_process_would_take_beside_a_new_one_cost_no_vote(
    hub: Hub, tmp_path: Path, snapshots: int
) -> None:
    """With three of them all that stay would hold the old one's vote, and its journal would go before the new one's."""
    with opened(settings(tmp_path / "old")) as (before, late), opened(settings(tmp_path / "new")) as (after, keeper):
        cast(before, 1)
        for _ in range(snapshots):
            before.write(raise_rules)
            with suppress(DatabaseProblem):
                late.keep()
        for number in (2, 3, 4, 5):
            cast(after, number)
            after.write(raise_rules)
            keeper.keep()
    with opened(settings(tmp_path / "third")) as (database, _):
        assert votes(database).keys() == ids(1, 2, 3, 4, 5)


def test_a_process_that_is_no_more_the_last_to_have_started_says_that_it_takes_no_snapshots(
    hub: Hub, tmp_path: Path
) -> None:
    with opened(settings(tmp_path / "old")) as (before, late):
        with opened(settings(tmp_path / "new")):
            pass
        there = snapshots_in(hub.dataset(NAME).files)
        cast(before, 1)
        before.write(raise_rules)
        with pytest.raises(DatabaseProblem, match="Another arena has started on the data set us/votes since"):
            late.keep()
        assert late.status().problem.endswith("if there is no other arena, start this one again.")
        assert late.status().flushed_sequence == 1
        assert late.flush(20)
        assert late.status().problem, "a flush that succeeds takes no snapshot"
        assert snapshots_in(hub.dataset(NAME).files) == there
    with opened(settings(tmp_path / "old")) as (before, late):
        assert not late.status().problem
        assert snapshots_in(hub.dataset(NAME).files)[0].number == there[0].number + 1


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_snapshot_that_arrives_after_those_of_the_next_process_costs_no_vote(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    with opened(settings(tmp_path / "old")) as (before, late):
        cast(before, 1)
        with held_upload(monkeypatch) as (begun, go_on):
            before.write(raise_rules)
            slow = threading.Thread(target=late.keep)
            slow.start()
            wait_for(lambda: bool(begun))
            with opened(settings(tmp_path / "new")) as (after, keeper):
                cast(before, 2)
                assert late.flush(20)
                for number in range(3, 3 + taken):
                    cast(after, number)
                    after.write(raise_rules)
                    keeper.keep()
                go_on.set()
                slow.join(20)
    assert begun[0] in hub.dataset(NAME).files or taken == 3
    with opened(settings(tmp_path / "third")) as (database, _):
        assert votes(database).keys() == ids(*range(1, 3 + taken))


def test_a_journal_stays_until_every_snapshot_that_is_kept_holds_it(hub: Hub, tmp_path: Path) -> None:
    restored = restore_if_empty(settings(tmp_path))
    assert restored
    everywhere, once = (f"journal/{name}.jsonl" for name in ("everywhere", "once"))
    restored.dataset.change({everywhere: b"", once: b""}, (), "journals")
    with closing(open_database(settings(tmp_path).database)):
        pass
    database, copy = tmp_path / "data" / "arena.db", tmp_path / "copy.db"
    for number, journals in enumerate([(everywhere, once), (everywhere,), (everywhere,)]):
        assert journals_in(hub.dataset(NAME).files) == [everywhere, once]
        copy.write_bytes(database.read_bytes() + bytes(number))
        upload_snapshot(restored.dataset, restored.start, copy, Note(journals), tmp_path / "notes")
    assert journals_in(hub.dataset(NAME).files) == [once]


def test_what_an_admin_changes_is_in_a_snapshot_at_the_next_flush(hub: Hub, tmp_path: Path) -> None:
    def switch_off(session: Any) -> None:
        session.scalars(select(Contestant)).first().license = "changed"

    with opened(settings(tmp_path)) as (database, keeper):
        for change in (raise_rules, switch_off):
            before = snapshots_in(hub.dataset(NAME).files)
            keeper.keep()
            assert snapshots_in(hub.dataset(NAME).files) == before
            database.write(change)
            keeper.keep()
            assert snapshots_in(hub.dataset(NAME).files)[0].number == before[0].number + 1


def test_a_snapshot_is_due_by_time_only_if_there_are_new_votes(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path, snapshot_minutes=1e-9)) as (database, keeper):
        first = snapshots_in(hub.dataset(NAME).files)[0]
        keeper.keep()
        assert snapshots_in(hub.dataset(NAME).files)[0] == first
        cast(database, 1)
        keeper.keep()
        assert snapshots_in(hub.dataset(NAME).files)[0].number == first.number + 1


def test_three_snapshots_stay_and_the_journals_that_the_oldest_does_not_hold(hub: Hub, tmp_path: Path) -> None:
    given = settings(tmp_path, snapshot_minutes=1e-9)
    with opened(given) as (database, keeper):
        for number in range(8):
            cast(database, number)
            keeper.keep()
    files = hub.dataset(NAME).files
    assert len(snapshots_in(files)) == 3
    assert len([path for path in files if path.startswith("snapshots/")]) == 6
    oldest = snapshots_in(files)[-1]
    told = {json.loads(line)["vote"]["battle_id"] for path in journals_in(files) for line in files[path].splitlines()}
    (tmp_path / "oldest.db").write_bytes(files[oldest.file])
    held = newest_in(tmp_path / "oldest.db")
    assert held < 8
    assert told == ids(*range(held, 8))
    for damaged in snapshots_in(files)[:2]:
        files[damaged.file] = files[damaged.file][:5000]
    wipe(tmp_path)
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(*range(8))


def test_many_votes_go_up_in_several_files(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_files, "FILE_BYTES", 3000)
    monkeypatch.setattr(journal_files, "LINES_AT_ONCE", 2)
    with opened(settings(tmp_path)) as (database, keeper):
        for number in range(9):
            cast(database, number)
        assert keeper.flush(20)
        assert len(journals_in(hub.dataset(NAME).files)) > 1
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(*range(9))


def test_very_many_new_votes_are_in_a_snapshot_soon_and_in_journals_too(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "MOST_LINES", 3)
    with opened(settings(tmp_path)) as (database, keeper):
        for number in range(9):
            cast(database, number)
        keeper.keep()
        files = hub.dataset(NAME).files
    newest = snapshots_in(files)[0]
    (tmp_path / "newest.db").write_bytes(files[newest.file])
    assert newest_in(tmp_path / "newest.db") == 9
    hub.dataset(NAME).commit({**files, newest.file: b"cut"}, "damaged")
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(*range(9))


def test_no_name_of_a_journal_is_used_twice_even_if_the_starts_are_counted_anew(hub: Hub, tmp_path: Path) -> None:
    """As the refusal of another arena says: delete owner.json if the other is gone."""
    given = settings(tmp_path)
    for number in range(3):
        with opened(given) as (database, keeper):
            assert votes(database).keys() == ids(*range(number))
            cast(database, number)
            assert keeper.flush(20)
            flushed = dict(hub.dataset(NAME).files)
        del flushed["owner.json"]
        hub.dataset(NAME).commit(flushed, "killed, and its note deleted")
        wipe(tmp_path)
    assert len(journals_in(flushed)) == 3
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(0, 1, 2)


def test_a_snapshot_is_not_said_to_hold_what_another_process_told_later(hub: Hub, tmp_path: Path) -> None:
    old, new = settings(tmp_path / "old"), settings(tmp_path / "new")
    with opened(old) as (before, late):
        cast(before, 1)
        assert late.flush(20)
        with opened(new) as (after, keeper):
            assert votes(after).keys() == ids(1)
            cast(before, 2)
            assert late.flush(20)
            for number in range(3, 7):  # more than three snapshots: the first are dropped, and what they hold
                cast(after, number)
                after.write(raise_rules)
                keeper.keep()
    with opened(settings(tmp_path / "third")) as (database, _):
        assert votes(database).keys() == ids(*range(1, 7))


def test_a_database_of_another_history_steps_aside_however_many_votes_it_has(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings(tmp_path)
    with opened(given) as (database, keeper):
        for number in (1, 2, 3):
            cast(database, number)
        database.write(raise_rules)
        keeper.keep()
    wipe(tmp_path)
    with opened(settings(tmp_path, dataset="")) as (database, _):
        for number in (11, 12, 13, 14):
            cast(database, number)
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(1, 2, 3)
    assert "The database that was here does not hold those votes and is kept as arena.db.aside-1." in caplog.messages
    assert newest_in(tmp_path / "data" / "arena.db.aside-1") == 4


def test_a_first_start_that_was_killed_before_it_made_tables_is_begun_anew(hub: Hub, tmp_path: Path) -> None:
    given = settings(tmp_path)
    with opened(given) as (database, _):
        cast(database, 1)
    wipe(tmp_path)
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / "arena.db")) as begun:
        begun.execute("PRAGMA journal_mode=WAL")
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(1)
    assert not list((tmp_path / "data").glob("*.aside-*"))


def test_a_start_with_the_same_database_takes_no_snapshot_unless_something_changed(hub: Hub, tmp_path: Path) -> None:
    given = settings(tmp_path)
    with opened(given) as (database, keeper):
        cast(database, 1)
        database.write(raise_rules)
        keeper.keep()
    before = snapshots_in(hub.dataset(NAME).files)
    for _ in range(2):
        with opened(given):
            pass
    assert snapshots_in(hub.dataset(NAME).files) == before
    with closing(open_database(given.database)) as database:
        cast(database, 2)  # and killed before it was flushed
    with opened(given):
        pass
    assert snapshots_in(hub.dataset(NAME).files)[0].number == before[0].number + 1


def test_a_commit_that_another_one_overtook_is_made_again(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, keeper):
        cast(database, 1)
        hub.overtaken = 2
        assert keeper.flush(20), keeper.status()
        assert hub.overtaken == 0


# -- what is wrong is said -------------------------------------------------------------------------


def test_a_token_that_may_not_write_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.create("datasets", NAME)
    monkeypatch.setenv("HF_TOKEN", READER)
    assert "does not let this HF_TOKEN write to it; give it the permission" in refused(settings(tmp_path))
    assert hub.dataset(NAME).files == {}
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    assert "does not take this HF_TOKEN" in refused(settings(tmp_path))
    monkeypatch.delenv("HF_TOKEN")
    assert "set HF_TOKEN to one that may write" in refused(settings(tmp_path))


def test_a_name_that_is_none_is_refused(hub: Hub, tmp_path: Path) -> None:
    assert refused(settings(tmp_path, dataset="votes")) == (
        "ARENA_DATASET=votes is no name of a data set; it has the form USER/NAME."
    )


def test_a_public_data_set_is_refused_unless_allowed(hub: Hub, tmp_path: Path) -> None:
    repo = hub.create("datasets", NAME, private=False)
    assert "is public and would show everybody's prompts" in refused(settings(tmp_path))
    assert repo.files == {}
    with opened(settings(tmp_path, dataset_public=True)) as (database, _):
        cast(database, 1)
    assert journals_in(repo.files)


def test_a_data_set_of_another_arena_is_refused(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
    before = dict(hub.dataset(NAME).files)
    said = refused(settings(tmp_path / "other", SPACE_ID="them/arena"))
    assert "is kept by another arena (us/arena); give this one (them/arena) its own" in said
    assert "is kept by another arena" in refused(settings(tmp_path / "box", SPACE_HOST="", SPACE_ID=""))
    assert hub.dataset(NAME).files == before
    hub.dataset(NAME).files["owner.json"] = b"{"
    assert "owner.json of the data set us/votes can't be understood" in refused(settings(tmp_path))


def test_two_arenas_that_begin_at_one_moment_are_told_apart(hub: Hub, tmp_path: Path) -> None:
    restore_if_empty(settings(tmp_path))
    starts = [json.loads(hub.dataset(NAME).files["owner.json"])["starts"]]
    for _ in range(2):
        restored = restore_if_empty(settings(tmp_path))
        assert restored
        starts.append(restored.start)
    assert starts == [1, 2, 3]


def test_off_a_space_the_voters_secret_says_whose_a_data_set_is(hub: Hub, tmp_path: Path) -> None:
    own: dict[str, Any] = {"SPACE_HOST": "", "SPACE_ID": "", "secret": "a secret of sixteen and more"}
    with opened(settings(tmp_path, **own)) as (database, _):
        cast(database, 1)
    with opened(settings(tmp_path / "new box", **own)) as (database, _):
        assert votes(database).keys() == ids(1)
    assert "sixteen" not in str(hub.dataset(NAME).trees)


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"", bytes.swapcase])
def test_a_damaged_snapshot_gives_way_to_the_one_before_and_nothing_is_lost(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    with opened(settings(tmp_path, snapshot_minutes=1e-9)) as (database, keeper):
        for number in range(3):
            cast(database, number)
            keeper.keep()
    files = hub.dataset(NAME).files
    newest = snapshots_in(files)[0]
    files[newest.file] = damage(files[newest.file])
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(0, 1, 2)
    said = f"Snapshot {newest.number} of us/votes is not used: The file {newest.file} is not whole."
    assert said in caplog.messages


def test_a_snapshot_that_is_whole_but_no_database_gives_way_too(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
    wrong = b"no database"
    hub.dataset(NAME).files[f"snapshots/99999999-{hashlib.sha256(wrong).hexdigest()}.db"] = wrong
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(1)


def test_without_one_whole_snapshot_the_arena_does_not_begin(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
    files = hub.dataset(NAME).files
    for snapshot in snapshots_in(files):
        files[snapshot.file] = b"cut"
    wipe(tmp_path)
    assert "snapshots in the data set us/votes is whole, and the arena does not begin" in refused(settings(tmp_path))
    assert not (tmp_path / "data" / "arena.db").exists()


def test_a_journal_with_a_broken_last_line_loses_that_line_alone(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
        cast(database, 2)
    files = hub.dataset(NAME).files
    path = journals_in(files)[-1]
    files[path] = files[path][:-20]
    wipe(tmp_path)
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(1)
    assert any("is broken and was left out" in said for said in caplog.messages)


def test_a_journal_broken_in_the_middle_stops_the_start(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
        cast(database, 2)
    files = hub.dataset(NAME).files
    path = journals_in(files)[-1]
    files[path] = b"{" + files[path]
    wipe(tmp_path)
    with pytest.raises(DatabaseProblem, match="is broken in line 1"), opened(settings(tmp_path)):
        pass


def test_a_clock_that_goes_backwards_changes_nothing(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, hours in enumerate((0, -48, -96)):
        with opened(settings(tmp_path)) as (database, _):
            monkeypatch.setattr("voted.CAST", NOW.replace(hour=0).replace(day=28 + hours // 24))
            cast(database, number)
        wipe(tmp_path)
        with opened(settings(tmp_path)) as (database, _):
            assert votes(database).keys() == ids(*range(number + 1))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_data_set_that_can_not_be_read_stops_the_start(hub: Hub, tmp_path: Path, status: int) -> None:
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
    wipe(tmp_path)
    hub.status = status
    assert refused(settings(tmp_path)).startswith("The data set us/votes can't be used: ")
    assert not (tmp_path / "data" / "arena.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["status", "cut", "closed", "hangs"])
def test_a_hub_in_trouble_stops_the_start(
    hub: Hub, tmp_path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(restore, "WAITS", (0.01,))
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
    wipe(tmp_path)
    match trouble:
        case "status":
            hub.status = 500
        case "cut":
            hub.cut_at = 100
        case "closed":
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        case "hangs":
            hub.open.clear()
    assert refused(settings(tmp_path)).startswith("The data set us/votes can't be ")
    assert not (tmp_path / "data" / "arena.db").exists()


def test_trouble_that_passes_stops_no_start(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(settings(tmp_path)) as (database, _):
        cast(database, 1)
    wipe(tmp_path)
    hub.status = 503
    monkeypatch.setattr("arena.keeping.restore.time.sleep", lambda seconds: setattr(hub, "status", 0))
    with opened(settings(tmp_path)) as (database, _):
        assert votes(database).keys() == ids(1)
    assert any("answered 503; try again later. Trying again in 1 s." in said for said in caplog.messages)


# -- how well votes are kept -----------------------------------------------------------------------


def test_a_flush_that_fails_is_told_and_made_up_for(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (database, keeper):
        cast(database, 1)
        hub.write_status = 403
        assert not keeper.flush(20)
        status = keeper.status()
        assert status.problem.startswith("The data set us/votes can't be used: the Hub does not let this HF_TOKEN")
        assert status.flushed_sequence == 0
        hub.write_status = 0
        keeper.keep()
        assert keeper.status().problem == ""
        assert keeper.status().flushed_sequence == 1
        assert keeper.status().flushed_at is not None


def test_a_hub_that_hangs_keeps_nobody_from_ending(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.keeping.keeper.STOP_SECONDS", 0.2)
    with opened(settings(tmp_path)) as (database, keeper):
        cast(database, 1)
        hub.open.clear()
        assert not keeper.flush(0.2)
    assert keeper.status().flushed_sequence == 0


def test_flushes_go_on_while_a_snapshot_is_on_its_way_and_the_last_waits_for_none(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM gives the last one 20 s; a large snapshot takes longer."""
    restored = restore_if_empty(given := settings(tmp_path, flush_minutes=0.001, snapshot_minutes=1e-9))
    with closing(open_database(given.database)) as database, held_upload(monkeypatch) as (begun, go_on):
        enrol_all(database, CATALOG, NOW)
        with Keeper(database, given, restored) as keeper:
            wait_for(lambda: bool(begun))
            cast(database, 1)
            wait_for(lambda: keeper.status().flushed_sequence == 1)
            cast(database, 2)
            wait_for(lambda: keeper.status().flushed_sequence == 2)
            assert "A snapshot has been on its way to the data set us/votes for" in keeper.status().problem
            wait_for(lambda: not keeper.status().late)
            cast(database, 3)
        assert keeper.status().flushed_sequence == 3
        assert len(begun) == 1, "one at a time"
        assert not snapshots_in(hub.dataset(NAME).files)
        go_on.set()
        for thread in keeper.threads:
            thread.join(20)
            assert not thread.is_alive()
        assert not keeper.status().problem
    wipe(tmp_path)
    with opened(given) as (database, _):
        assert votes(database).keys() == ids(1, 2, 3)


def test_a_stop_flushes_at_once_while_answers_still_run(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hub.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    models = [canary(tree, replies=["Hello.", "On and on. " * 900]) for tree in ("alder", "birch")]
    catalog = write_catalog(tmp_path / "catalog.toml", *models)
    given: dict[str, Any] = {"DATASET": NAME, "FLUSH_MINUTES": SELDOM, "SECRET": "signs cookies in tests"}
    with serving(tmp_path, catalog, PACE_CHARS=100, STOP_SECONDS=8, **given) as server:
        voter = Visitor(server.url)
        voter.ask("Answered")
        voter.vote("tie")
        late = Visitor(server.url)
        late.ask("Answered")
        late.call("prompt.submit", "On and on?", True, None)
        late.join("watch", None)
        wait_for(lambda: server.rows("select count(*) from battle where status = 'generating'") == [(1,)])
        assert not journals_in(hub.dataset(NAME).files)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: bool(journals_in(hub.dataset(NAME).files)))
        assert server.process.poll() is None
        assert server.rows("select count(*) from battle where status = 'generating'") == [(1,)]
        assert server.process.wait(60) == 0


def test_a_hub_in_trouble_for_a_moment_after_the_claim_stops_no_start(hub: Hub, tmp_path: Path) -> None:
    restored = restore_if_empty(given := settings(tmp_path))
    hub.status = 500
    with closing(open_database(given.database)) as database, Keeper(database, given, restored) as keeper:
        wait_for(lambda: bool(keeper.status().problem))
        hub.status = 0
        keeper.keep()
        assert not keeper.status().problem


def test_votes_that_were_not_flushed_for_three_times_as_long_are_late(hub: Hub, tmp_path: Path) -> None:
    with opened(settings(tmp_path)) as (_, keeper):
        assert not keeper.status().late
    with opened(settings(tmp_path, flush_minutes=0.001)) as (database, keeper):
        hub.write_status = 403
        cast(database, 1)
        wait_for(lambda: keeper.status().late)
        hub.write_status = 0
        wait_for(lambda: not keeper.status().late)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"dataset": "", "SPACE_HOST": ""}, "disk"),
        ({"dataset": ""}, "nowhere"),
        ({}, "dataset"),
        ({"database_url": "postgresql+psycopg://me@localhost/arena"}, "database"),
        ({"database_url": "postgresql+psycopg://me@localhost/arena", "SPACE_HOST": ""}, "database"),
    ],
)
def test_where_votes_stay(tmp_path: Path, given: dict[str, Any], kind: str) -> None:
    assert kind_of(settings(tmp_path, **given)) == kind


def test_without_a_data_set_nobody_is_asked(tmp_path: Path) -> None:
    given = settings(tmp_path, dataset="")
    assert restore_if_empty(given) is None
    with opened(given) as (_, keeper):
        assert keeper.status().kind == "nowhere"
        assert keeper.flush(0)


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """The client that this module made impatient is the process's own."""
    yield
    _http.set_client_factory(_http.default_client_factory)
