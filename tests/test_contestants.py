from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial

import pytest
from arenas import ANT, BEE, CAT, NOW, database_with

from arena.enrolment import enrol_all
from db.contestants import MOST_WEIGHT, UnknownContestant, set_state, set_weight, weights
from db.queries import contestants
from db.session import Database, DatabaseProblem
from db.tables import ContestantState


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, ANT, BEE, CAT)) as database:
        yield database


def drawn(database: Database) -> Mapping[str, float]:
    with database.read() as session:
        return weights(session)


def put(database: Database, fingerprint: str, state: ContestantState) -> None:
    database.write(partial(set_state, fingerprint=fingerprint, state=state))


def weigh(database: Database, fingerprint: str, weight: float) -> None:
    database.write(partial(set_weight, fingerprint=fingerprint, weight=weight))


def test_everybody_is_on_and_weighs_the_same_at_first(database: Database) -> None:
    assert drawn(database) == {}
    with database.read() as session:
        assert {(one.state, one.weight) for one in contestants(session)} == {("on", 1.0)}


def test_who_is_off_or_archived_weighs_nothing_and_on_again_what_it_did(database: Database) -> None:
    weigh(database, ANT.fingerprint, 2.5)
    put(database, ANT.fingerprint, "off")
    put(database, BEE.fingerprint, "archived")
    assert drawn(database) == {ANT.fingerprint: 0.0, BEE.fingerprint: 0.0}
    for fingerprint in (ANT.fingerprint, BEE.fingerprint):
        put(database, fingerprint, "on")
    assert drawn(database) == {ANT.fingerprint: 2.5}


def test_the_catalogue_read_again_puts_nobody_on(database: Database) -> None:
    put(database, ANT.fingerprint, "off")
    weigh(database, BEE.fingerprint, 3)
    enrol_all(database, (ANT, BEE, CAT), NOW)
    assert drawn(database) == {ANT.fingerprint: 0.0, BEE.fingerprint: 3.0}


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), MOST_WEIGHT + 1])
def test_a_weight_that_is_none_is_refused_and_nothing_changes(database: Database, weight: float) -> None:
    with pytest.raises(ValueError, match="a number from 0 to 1000"):
        weigh(database, ANT.fingerprint, weight)
    assert drawn(database) == {}


def test_a_weight_too_small_to_draw_by_is_none(database: Database) -> None:
    weigh(database, ANT.fingerprint, 1e-9)
    assert drawn(database) == {ANT.fingerprint: 0.0}


def test_an_unknown_contestant_is_named(database: Database) -> None:
    with pytest.raises(UnknownContestant, match="no contestant 0123456789ab"):
        put(database, "0123456789abcdef", "off")
    with pytest.raises(UnknownContestant):
        weigh(database, "nobody", 1)


def test_the_database_itself_refuses_a_state_that_is_none(database: Database) -> None:
    with pytest.raises(DatabaseProblem, match="ck_contestant_state"):
        put(database, ANT.fingerprint, "gone")  # type: ignore[arg-type]
