from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from published import TABLE, folder_of, write

from arena.judge.problem import JudgeProblem
from arena.judge.report import Report, build_report
from arena.judge.reviews import Imported, import_reviews
from db.contestants import imported_fingerprint
from db.judges import JudgedPart, judged_parts
from db.judging import JudgedRow, answers_of, judged
from db.schema import open_database
from db.session import Database

pytestmark = pytest.mark.slow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(open_database(database_url)) as found:
        yield found


def take_in(database: Database, folder: Path, *, reparse: bool = False, now: datetime = NOW) -> Imported:
    return import_reviews(database, folder, now, reparse=reparse)


def rows_of(database: Database) -> Sequence[JudgedRow]:
    with database.read() as session:
        return judged(session)


def report_of(database: Database) -> Report:
    return build_report(rows_of(database), baseline=None)


def totals(database: Database) -> dict[str, tuple[float | None, float | None]]:
    return {
        pair.baseline_name: (pair.total.total_baseline, pair.total.total_model) for pair in report_of(database).pairs
    }


def test_the_published_files_give_the_announcements_table(database: Database, shared_data: Path) -> None:
    done = take_in(database, shared_data / "vicuna-eval")
    assert (done.questions, done.answers, done.reviews, done.known, done.failed) == (80, 400, 320, 0, 0)
    found = report_of(database)
    assert [(pair.judge_name, pair.model_name, pair.set) for pair in found.pairs] == [
        ("gpt-4-0328", "vicuna-13b", "vicuna")
    ] * 4
    for pair in found.pairs:
        total = pair.total
        assert (
            total.total_baseline, total.total_model, total.baseline_wins, total.model_wins, total.ties,
        ) == TABLE[pair.baseline_name]  # fmt: skip
        assert (total.judged, total.failed) == (80, 0)


def test_the_texts_contradict_two_stored_scores_which_both_reports_list(database: Database, shared_data: Path) -> None:
    done = take_in(database, shared_data / "vicuna-eval")
    assert [(one.source, one.number, one.stored, one.text) for one in done.contradictions] == [
        ("review_bard_vicuna-13b.jsonl", "70", (10, 2), (10, 4)),
        ("review_llama-13b_vicuna-13b.jsonl", "70", (10, 2), (10, 4)),
    ]
    listed = [one for pair in report_of(database).pairs for one in pair.contradictions]
    assert {one.key: (one.stored, one.text) for one in listed} == {
        one.key: (one.stored, one.text) for one in done.contradictions
    }


def test_a_second_import_adds_nothing(database: Database, shared_data: Path) -> None:
    take_in(database, shared_data / "vicuna-eval")
    before = rows_of(database)
    again = take_in(database, shared_data / "vicuna-eval")
    assert (again.questions, again.answers, again.reviews, again.known, again.changed) == (0, 0, 0, 320, 0)
    assert rows_of(database) == before


def test_reparsing_takes_the_scores_of_the_texts_and_importing_again_those_stored(
    database: Database, shared_data: Path
) -> None:
    take_in(database, shared_data / "vicuna-eval")
    assert take_in(database, shared_data / "vicuna-eval", reparse=True).changed == 2
    corrected = totals(database)
    assert (corrected["bard"], corrected["llama-13b"]) == ((664, 657.5), (513, 696))
    assert (corrected["alpaca-13b"], corrected["gpt-3.5-turbo"]) == ((583, 704), (693, 638))
    assert not [one for pair in report_of(database).pairs for one in pair.contradictions]
    assert take_in(database, shared_data / "vicuna-eval").changed == 2
    assert totals(database)["bard"] == (664, 655.5)


def test_a_review_without_scores_is_a_failure_with_its_text(database: Database, tmp_path: Path) -> None:
    done = take_in(database, folder_of(tmp_path / "reviews", score=[-1, -1], text="Both are fine."))
    assert (done.reviews, done.failed, done.contradictions) == (1, 1, ())
    (row,) = rows_of(database)
    assert (row.status, row.outcome, row.reply) == ("failed", None, "Both are fine.")


def test_a_text_without_scores_contradicts_those_stored_and_fails_when_they_are_read_in_it(
    database: Database, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "reviews", text="Both are fine.")
    (contradiction,) = take_in(database, folder).contradictions
    assert (contradiction.stored, contradiction.text) == ((8, 7), None)
    assert take_in(database, folder, reparse=True).failed == 1
    assert rows_of(database)[0].status == "failed"


def test_pages_that_keep_a_report_learn_of_scores_that_were_read_again(database: Database, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "reviews", text="9 7\nThe first is better.")
    seen: list[Sequence[JudgedPart]] = []
    for reparse in (False, False, True):
        take_in(database, folder, reparse=reparse, now=NOW + timedelta(hours=len(seen)))
        with database.read() as session:
            seen.append(judged_parts(session))
    assert seen[0] == seen[1]
    assert seen[1] != seen[2]


def test_scores_go_to_whose_they_are_whichever_fingerprint_is_smaller(database: Database, tmp_path: Path) -> None:
    take_in(database, folder_of(tmp_path / "reviews"))
    (row,) = rows_of(database)
    scores = {row.a: row.score_a, row.b: row.score_b}
    assert scores == {imported_fingerprint("ant:v1"): 8, imported_fingerprint("bee:v1"): 7}
    assert row.a < str(row.b)
    assert {"a": row.a, "b": row.b}[row.first] == imported_fingerprint("ant:v1")
    assert {"a": row.a, "b": row.b}[str(row.outcome)] == imported_fingerprint("ant:v1")


def test_an_empty_answer_is_judged_but_not_offered_for_votes(database: Database, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "reviews")
    write(folder / "answer" / "ant.jsonl", {"answer_id": "x", "model_id": "ant:v1", "question_id": 1, "text": ""})
    assert take_in(database, folder).answers == 2
    assert take_in(database, folder).answers == 0
    with database.read() as session:
        states = {row.contestant: row.status for row in answers_of(session)}
    assert states == {imported_fingerprint("ant:v1"): "failed", imported_fingerprint("bee:v1"): "finished"}
    assert rows_of(database)[0].status == "done"


def test_a_folder_that_is_refused_changes_nothing(database: Database, tmp_path: Path) -> None:
    with pytest.raises(JudgeProblem):
        take_in(database, folder_of(tmp_path / "reviews", score=[8, 70]))
    assert not rows_of(database)
    with database.read() as session:
        assert not answers_of(session)
