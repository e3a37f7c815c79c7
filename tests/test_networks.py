from __future__ import annotations

import ipaddress
import logging
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from arenas import ANT, BEE, NOW, database_with, prepared
from hypothesis import given, settings
from hypothesis import strategies as st
from support import wait_for

from arena.integrity.networks import NAME_CHARS, NO_NETWORK, Networks
from db.backup import backup, restore
from db.copies import copy_of
from db.copy import copy_database
from db.journal import lines_after
from db.network_keys import keep_keys
from db.session import Database, DatabaseProblem
from db.tables import Battle, NetworkKey

pytestmark = pytest.mark.integrity

SAME = "93.184.216.34"


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE)
    yield database
    database.close()


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    with closing(database_with(tmp_path_factory.mktemp("networks"))) as database:
        yield Networks(database, Clock())


def keys_in(database: Database) -> dict[date, str]:
    with database.read() as session:
        return {row.day: row.key for row in session.query(NetworkKey)}


def _pass_the_writer(database: Database) -> None:
    """Return when the writer has done what comes after its latest commit."""
    for _ in range(2):
        database.write(lambda _: None)


def _files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("arena.db*")))


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "other", "alike"),
    [
        (SAME, "93.184.216.250", True),
        (SAME, "93.184.217.34", False),
        (SAME, "::ffff:93.184.216.77", True),
        (SAME, "93.184.216.34:4711", True),
        ("2a00:1450:1:2::3", "2a00:1450:1:ffff::1", True),
        ("2a00:1450:1:2::3", "[2a00:1450:1::9]:4711", True),
        ("2a00:1450:1:2::3", "[2a00:1450:1::9]", True),
        ("2a00:1450:1:2::3", "[2a00:1450:2::9]", False),
        ("2a00:1450:1:2::3", "2a00:1450:2:2::3", False),
        ("2a00:1450:1:2::3%eth0", "2a00:1450:1::9", True),
    ],
)
def test_a_network_is_a_24_of_the_older_and_a_48_of_the_newer_addresses(
    networks: Networks, address: str, other: str, alike: bool
) -> None:
    assert (networks.of(address) == networks.of(other)) is alike


@pytest.mark.parametrize(
    "nobody", ["", "unknown", "localhost", "93.184.216", f"{SAME}, 93.184.216.35", "_hidden", ":", f"{SAME}:1:2"]
)
def test_what_is_no_address_has_no_network(networks: Networks, nobody: str) -> None:
    assert networks.of(nobody) is None
    assert networks.lately(nobody) == ()


@pytest.mark.parametrize(
    "inside",
    ["127.0.0.1", "::1", "10.0.0.1", "172.18.0.1:4711", "192.168.1.7", "100.64.0.1", "fe80::1%eth0", "fd00::7"],
)
def test_what_all_may_share_who_come_through_a_proxy_is_no_network_and_that_is_said_once(
    database: Database, caplog: pytest.LogCaptureFixture, inside: str
) -> None:
    networks = Networks(database, Clock())
    assert networks.of(SAME)
    assert caplog.messages == []
    assert [networks.of(inside) for _ in range(3)] == [None] * 3
    assert caplog.messages == [NO_NETWORK]


@settings(deadline=None)
@given(*[st.ip_addresses().filter(lambda address: (getattr(address, "ipv4_mapped", None) or address).is_global)] * 2)
def test_two_addresses_have_one_name_if_and_only_if_they_are_of_one_network(
    networks: Networks, one: ipaddress.IPv4Address, other: ipaddress.IPv4Address
) -> None:
    def network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> object:
        inside = getattr(address, "ipv4_mapped", None) or address
        return ipaddress.ip_network((inside, 24 if inside.version == 4 else 48), strict=False)

    names = [networks.of(str(address)) for address in (one, other)]
    assert all(name and len(name) == NAME_CHARS and int(name, 16) >= 0 for name in names)
    assert (names[0] == names[1]) is (network(one) == network(other))


def test_a_name_holds_for_one_day_and_yesterdays_is_known_beside_it(database: Database) -> None:
    clock = Clock()
    networks = Networks(database, clock)
    first = networks.of(SAME)
    assert networks.lately(SAME) == (first,), "no key of yesterday was ever made"
    clock.now += timedelta(hours=11, minutes=59)
    assert networks.of(SAME) == first
    clock.now += timedelta(minutes=1)
    second = networks.of(SAME)
    assert second != first
    assert networks.lately(SAME) == (second, first)


def test_the_day_is_that_of_utc_wherever_the_clock_stands(database: Database) -> None:
    moment = datetime(2026, 3, 2, 0, 30, tzinfo=timezone(timedelta(hours=8)))  # still the first of March in UTC
    assert Networks(database, Clock(moment)).of(SAME) == Networks(database, Clock()).of(SAME)


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_is_destroyed_with_the_next_day_but_one_and_the_name_can_not_be_made_again(database: Database) -> None:
    clock = Clock()
    networks = Networks(database, clock)
    first = networks.of(SAME)
    [(day, key)] = keys_in(database).items()
    assert day == NOW.date()
    clock.now += timedelta(days=1)
    networks.renew()
    assert keys_in(database)[day] == key, "control: a day later it is there still"
    clock.now = datetime(2026, 3, 3, tzinfo=UTC)
    networks.renew()
    assert key not in keys_in(database).values()
    assert len(keys_in(database)) == 2
    assert first not in networks.lately(SAME)
    clock.now = NOW  # even by who sets the clock back
    assert Networks(database, clock).of(SAME) != first


def test_no_letter_of_a_destroyed_key_stays_in_the_file_or_its_log(database: Database, tmp_path: Path) -> None:
    if database.shared:
        pytest.skip("the files of a server are the server's")
    database.write(lambda session: session.add(NetworkKey(day=date(2026, 2, 27), key="ab" * 32)))
    assert b"ab" * 32 in _files(tmp_path), "control"
    database.write(lambda session: keep_keys(session, NOW.date(), "cd" * 32))
    assert b"ab" * 32 in _files(tmp_path), "control: to delete it is not enough"
    database.empty_log()
    _pass_the_writer(database)
    assert b"ab" * 32 not in _files(tmp_path)
    assert b"cd" * 32 in _files(tmp_path)


def test_who_reads_from_the_log_is_not_waited_for_and_delays_it_no_longer_than_need_be(
    database: Database, tmp_path: Path
) -> None:
    if database.shared:
        pytest.skip("the files of a server are the server's")
    clock = Clock()
    networks = Networks(database, clock)
    networks.renew()
    [key] = keys_in(database).values()
    with database.read() as session:
        assert session.query(NetworkKey).count() == 1
        clock.now += timedelta(days=2)
        began = time.monotonic()
        networks.renew()
        assert time.monotonic() - began < 4, "as long as others would have to be waited for"
        assert key.encode() in _files(tmp_path), "control: it can't be taken from under a reader"
    _pass_the_writer(database)
    assert key.encode() not in _files(tmp_path)


def test_whoever_starts_destroys_what_is_too_old_although_nobody_visits(database: Database) -> None:
    database.write(lambda session: session.add(NetworkKey(day=date(2026, 2, 27), key="ab" * 32)))
    with closing(Networks(database, Clock())) as networks:
        networks.begin()
        assert list(keys_in(database)) == [NOW.date()]


def test_an_idle_arena_destroys_keys_too(database: Database) -> None:
    clock = Clock()
    with closing(Networks(database, clock, seconds=0.01)) as networks:
        networks.begin()
        before = keys_in(database)
        clock.now += timedelta(days=2)
        wait_for(lambda: list(keys_in(database)) == [date(2026, 3, 3)])
        assert not set(before.values()) & set(keys_in(database).values())


def test_a_database_that_takes_nothing_is_said_and_tried_again(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with closing(Networks(database, clock, seconds=0.01)) as networks, caplog.at_level(logging.WARNING):
        networks.begin()
        database.close()
        clock.now += timedelta(days=1)
        wait_for(lambda: caplog.text.count("could not be renewed") >= 2)
        with pytest.raises(DatabaseProblem):
            networks.of(SAME)
    assert "93.184.216" not in caplog.text


def test_processes_that_begin_a_day_together_make_one_key(database: Database, database_url: str) -> None:
    """On SQLite one process writes at a time; its threads stand for several."""
    others = [Database(database_url) if database.shared else database for _ in range(4)]
    try:
        many = [Networks(other, Clock()) for other in others for _ in range(4)]
        with ThreadPoolExecutor(16) as threads:
            names = set(threads.map(lambda networks: networks.of(SAME), many))
    finally:
        for other in others:
            other.close()
    assert len(names) == 1


# -- where keys must not be ------------------------------------------------------------------------


@pytest.fixture
def key(database: Database) -> str:
    """Today's key, in a database that has a vote too."""
    prepared(database, "voted")
    Networks(database, Clock()).renew()
    [key] = keys_in(database).values()
    return key


def test_neither_a_backup_nor_what_is_restored_from_it_has_a_key(
    database: Database, database_url: str, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept" / "backup.db"
    backup(database_url, file)
    assert key.encode() not in file.read_bytes()
    restore(file, f"sqlite:///{tmp_path}/restored.db")
    with closing(Database(f"sqlite:///{tmp_path}/restored.db")) as restored:
        assert keys_in(restored) == {}
        Networks(restored, Clock()).renew()  # which makes its own
        assert keys_in(restored).keys() == keys_in(database).keys()
    if not database.shared:
        whole = tmp_path / "whole.db"
        with closing(sqlite3.connect(tmp_path / "arena.db")) as old, closing(sqlite3.connect(whole)) as copy:
            old.backup(copy)
        assert key.encode() in whole.read_bytes(), "control: SQLite's own copy has it"


def test_a_copy_whose_key_was_dropped_has_no_letter_of_it_left(database: Database, key: str, tmp_path: Path) -> None:
    if database.shared:
        pytest.skip("the file of a server is the server's")
    copy_of(tmp_path / "arena.db", tmp_path / "copy.db")
    assert key.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("copy.db*"))


def test_moving_to_another_database_takes_no_key_along(
    database: Database, database_url: str, key: str, tmp_path: Path
) -> None:
    database.close()
    copy_database(database_url, f"sqlite:///{tmp_path}/moved.db", lambda _: None)
    with closing(Database(f"sqlite:///{tmp_path}/moved.db")) as moved:
        assert keys_in(moved) == {}
    assert key.encode() not in (tmp_path / "moved.db").read_bytes()


def test_the_journal_tells_the_name_of_a_network_and_no_key(database: Database, key: str) -> None:
    name = Networks(database, Clock()).of(SAME)
    database.write(lambda session: setattr(session.get_one(Battle, "voted"), "network", name))
    with database.read() as session:
        [line] = lines_after(session, 0, 10)
    assert str(name) in line.text
    assert key not in line.text
