from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from arenas import ANT, BEE, database_with
from evaluated import CAREFUL, QUESTIONS, SENSELESS, evaluate_pair, grade, judge_battles
from judged_rows import judgment

from db.judges import JudgedPart, judged_parts
from db.judging import record_judgment
from db.session import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, ANT, BEE)) as opened:
        opened.write(evaluate_pair)
        yield opened


def parts(database: Database) -> list[JudgedPart]:
    with database.read() as session:
        return list(judged_parts(session))


def test_what_each_judge_said_is_counted_by_form_and_set_the_most_first(database: Database) -> None:
    database.write(grade)
    database.write(judge_battles)
    found = [(part.judge, part.judge_name, part.form, part.set, part.done, part.failed) for part in parts(database)]
    assert found == [
        (CAREFUL, "Careful", "single", "paddock", 2 * QUESTIONS, 0),
        (SENSELESS, "Senseless", "pairwise", "paddock", 2 * QUESTIONS, 0),
        (CAREFUL, "Careful", "score", "paddock", 2 * QUESTIONS - 1, 1),
        (CAREFUL, "Careful", "pairwise", None, 12, 0),
    ]


def test_a_part_is_another_once_anything_was_judged_again(database: Database) -> None:
    before = parts(database)
    assert parts(database) == before
    database.write(lambda session: record_judgment(session, judgment(7, "b", key="careful 7 b", judge=CAREFUL)))
    (asked,) = [part for part in parts(database) if part not in before]
    assert (asked.judge, asked.failed, asked.attempts) == (CAREFUL, 0, 2 * QUESTIONS + 1)


def test_where_nothing_was_judged_there_is_no_part(database_url: str) -> None:
    with closing(database_with(database_url, ANT)) as database:
        assert parts(database) == []
