"""What a judge's run stores, and what is read of it, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from arenas import (
    ANT,
    BEE,
    LATE,
    NOW,
    WHOLE,
    again,
    ask_on,
    database_with,
    finish,
    key_of,
    prepared,
    ready_battle,
    vote,
)  # fmt: skip
from judged_rows import JUDGE, A, B, answer, battle_on, both_answered, evaluate, judge, judgment, of_battle, question
from sqlalchemy.exc import NoResultFound

from db.judging import (
    add_questions,
    answers_of,
    battles_to_judge,
    judged,
    questions_of,
    record_answer,
    record_judgment,
    states_of,
    texts_of,
    votes_and_judgments,
)
from db.outcome import Outcome
from db.queries import finish_turn
from db.session import Database, DatabaseProblem
from db.tables import Answer, Battle, Judgment, Question, Turn
from db.voters import exclude_voter


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, ANT, BEE)) as opened:
        opened.write(lambda session: session.add(judge()))
        yield opened


def asked(database: Database, *numbers: int) -> None:
    for number in numbers:
        database.write(partial(both_answered, number=number))


def keep(database: Database, *rows: Judgment) -> list[bool]:
    return [database.write(partial(record_judgment, judgment=row)) for row in rows]


def stored(database: Database, key: str) -> Judgment:
    with database.read() as session:
        return session.get_one(Judgment, key)


# -- questions -------------------------------------------------------------------------------------


def test_questions_are_added_once_and_come_in_the_order_of_their_numbers(database: Database) -> None:
    def add(session: Any) -> int:
        return add_questions(session, [question(number) for number in (10, 2, 1, 2)])

    assert database.write(add) == 3
    assert database.write(add) == 0
    assert database.write(lambda session: add_questions(session, [question(3), question(1)])) == 1
    with database.read() as session:
        assert [row.number for row in questions_of(session)] == ["1", "2", "3", "10"]


def test_questions_are_chosen_by_set_and_language(database: Database) -> None:
    chinese = question(1, id="question 1 zh", language="zh", turns=["多少？"], reference=["约五个"])
    other = question(7, set="vicuna", language=None, turns=["One?", "Two?"])
    database.write(lambda session: add_questions(session, [question(1), chinese, other]))
    with database.read() as session:
        assert [row.id for row in questions_of(session, "paddock", "zh")] == ["question 1 zh"]
        assert [row.id for row in questions_of(session, "paddock")] == ["question 1", "question 1 zh"]
        assert questions_of(session, language="fr") == []
        (found,) = questions_of(session, "vicuna")
        assert (found.turns, found.reference) == (["One?", "Two?"], None)
        assert session.get_one(Question, "question 1 zh").reference == ["约五个"]


def test_a_question_that_is_put_back_to_an_older_text_has_that_text_last(database: Database) -> None:
    amended = "question 1 amended"
    for days, known in enumerate(["question 1", amended, "question 1"]):
        row = question(1, id=known, created_at=NOW + timedelta(days))
        assert database.write(partial(add_questions, rows=[row])) == (days < 2)
    with database.read() as session:
        assert [row.id for row in questions_of(session)] == [amended, "question 1"]
    database.write(partial(add_questions, rows=[question(1, id=amended, created_at=NOW)]))
    with database.read() as session:
        assert [row.id for row in questions_of(session)] == [amended, "question 1"], "no time goes back"


def test_more_questions_than_a_statement_takes_are_added_at_once(database: Database) -> None:
    many = [question(number) for number in range(1201)]
    assert database.write(lambda session: add_questions(session, many)) == 1201
    again = [question(number) for number in range(1300)]
    assert database.write(lambda session: add_questions(session, again)) == 99


# -- answers ---------------------------------------------------------------------------------------


def test_a_finished_answer_stays_and_a_failed_one_is_replaced_whole(database: Database) -> None:
    database.write(lambda session: add_questions(session, [question(1)]))

    def record(*turns: str, **values: Any) -> bool:
        return database.write(lambda session: record_answer(session, answer(1, A, *turns, **values)))

    assert record(status="failed", failure="answered nothing", seconds=2.0)
    assert record("Five.", id="another id", tokens=3)
    assert not record("Six.", id="a third id")
    with database.read() as session:
        (found,) = answers_of(session)
        assert (found.turns, found.status, found.failure, found.tokens, found.seconds) == (
            ["Five."], "finished", None, 3, None,
        )  # fmt: skip
        assert found.id == f"{A[:8]} to 1", "whoever names the failed one goes on naming it"


def test_answers_are_chosen_by_contestants_and_questions(database: Database) -> None:
    asked(database, 1, 2)
    with database.read() as session:
        assert len(answers_of(session)) == 4
        assert {row.question_id for row in answers_of(session, contestants=[A])} == {"question 1", "question 2"}
        (found,) = answers_of(session, contestants=[B], questions=["question 2", "question 9"])
        assert found.turns == ["Seven, or so."]
        assert answers_of(session, contestants=[]) == []


def test_an_answer_to_nothing_or_by_nobody_is_refused(database: Database) -> None:
    asked(database, 1)
    for strange in (answer(2, A), answer(1, "x" * 64)):
        with pytest.raises(DatabaseProblem):
            database.write(partial(record_answer, answer=strange))


# -- judgments -------------------------------------------------------------------------------------


def test_a_done_judgment_stays_a_failed_one_is_replaced_and_what_each_took_adds_up(database: Database) -> None:
    asked(database, 1)
    failed = judgment(
        1, status="failed", failure="no score in the reply", attempts=3, outcome=None, score_a=None, reply="Well."
    )
    assert keep(database, failed, judgment(1, reply="9 8", score_a=9.0), judgment(1, reply="1 1")) == [
        True,
        True,
        False,
    ]
    found = stored(database, "1 a")
    assert (found.status, found.failure, found.reply, found.score_a, found.outcome) == ("done", None, "9 8", 9.0, "a")
    assert (found.attempts, found.prompt_tokens, found.tokens, found.seconds, found.cost) == (5, 300, 30, 4.5, 0.75)


def test_a_sum_is_unknown_where_a_part_is(database: Database) -> None:
    asked(database, 1)
    keep(database, judgment(1, status="failed", outcome=None, cost=None, tokens=0), judgment(1))
    found = stored(database, "1 a")
    assert (found.cost, found.tokens) == (None, 10)


def test_a_judgment_that_fails_again_has_failed(database: Database) -> None:
    asked(database, 1)
    first, second = (judgment(1, status="failed", outcome=None, failure=why) for why in ("no score", "HTML"))
    assert keep(database, first, second) == [True, True]
    assert (stored(database, "1 a").failure, stored(database, "1 a").attempts) == ("HTML", 2)


def test_states_tell_what_need_not_be_asked(database: Database) -> None:
    asked(database, 1)
    keep(database, judgment(1), judgment(1, "b", status="failed", outcome=None))
    with database.read() as session:
        assert states_of(session, ["1 a", "1 b", "2 a"]) == {"1 a": "done", "1 b": "failed"}
        assert states_of(session, [f"{number} a" for number in range(70_000)]) == {"1 a": "done"}
        assert states_of(session, []) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"battle_id": "open"},
        {"question_id": None},
        {"contestant_b": None},
        {"form": "single"},
        {"form": "other"},
        {"first": "c"},
        {"outcome": "both_bad"},
        {"status": "asked"},
        {"judge": "x" * 64},
    ],
)
def test_a_judgment_that_contradicts_itself_is_refused(database: Database, changes: dict[str, Any]) -> None:
    asked(database, 1)
    prepared(database, "open")
    with pytest.raises(DatabaseProblem):
        keep(database, judgment(1, **changes))


# -- what reports read -----------------------------------------------------------------------------


def test_a_row_says_everything_a_report_needs(database: Database) -> None:
    asked(database, 1)
    keep(database, judgment(1))
    with database.read() as session:
        (row,) = judged(session)
    names = {ANT.fingerprint: ANT.name, BEE.fingerprint: BEE.name}
    assert (row.judge, row.judge_name, row.form, row.wording) == (JUDGE, "The Judge", "score", "score/general/1")
    assert (row.question_id, row.number, row.set) == ("question 1", "1", "paddock")
    assert (row.category, row.language, row.battle_id) == ("fermi", "en", None)
    assert (row.a, row.b, row.name_a, row.name_b) == (A, B, names[A], names[B])
    assert (row.first, row.status, row.score_a, row.score_b, row.outcome) == ("a", "done", 8.0, 6.5, "a")
    assert (row.length_a, row.length_b) == (len("Five."), len("Seven, or so."))
    assert (row.reply, row.attempts, row.prompt_tokens, row.tokens, row.seconds, row.cost) == (
        "8 6.5", 1, 100, 10, 1.5, 0.25,
    )  # fmt: skip


def test_rows_are_chosen_by_judge_form_and_set(database: Database) -> None:
    asked(database, 1, 2, 10)
    database.write(lambda session: add_questions(session, [question(5, set="vicuna")]))
    database.write(lambda session: session.add(judge("k" * 64)))
    database.write(lambda session: [record_answer(session, answer(5, who)) for who in (A, B)])
    keep(
        database, judgment(10), judgment(2), judgment(1, "b", status="failed", outcome=None), judgment(5, key="vicuna")
    )
    keep(database, judgment(1, judge="k" * 64, key="other judge"), judgment(1, form="pairwise", key="other form"))
    with database.read() as session:
        assert [row.number for row in judged(session, judge=JUDGE, form="score", set="paddock")] == ["1", "2", "10"]
        assert [row.key for row in judged(session, judge="k" * 64)] == ["other judge"]
        assert [row.key for row in judged(session, form="pairwise")] == ["other form"]
        assert [row.key for row in judged(session, set="vicuna")] == ["vicuna"]
        assert len(judged(session)) == 6


def test_the_latest_version_of_a_question_comes_last_whenever_it_was_judged(database: Database) -> None:
    asked(database, 1)
    database.write(
        lambda session: add_questions(session, [question(1, id="question 9", created_at=NOW - timedelta(1))])
    )
    database.write(lambda session: [record_answer(session, answer(9, who)) for who in (A, B)])
    keep(database, judgment(1), judgment(9, created_at=NOW + timedelta(1)))
    with database.read() as session:
        assert [row.question_id for row in judged(session)] == ["question 9", "question 1"]


def test_a_single_grade_has_no_second_contestant(database: Database) -> None:
    asked(database, 1)
    keep(database, judgment(1, form="single", contestant_b=None, answer_b=None, score_b=None, outcome=None))
    with database.read() as session:
        (row,) = judged(session)
        assert (row.b, row.name_b, row.length_a, row.length_b) == (None, None, 5, 0)
        texts = texts_of(session, row.key)
    assert (texts.answers_a, texts.answers_b) == (("Five.",), ())


def test_a_row_of_a_battle_measures_what_people_saw_of_the_turns_that_count(database: Database) -> None:
    prepared(database, "open")
    database.write(lambda session: ask_on(session, "open"))
    database.write(lambda session: finish(session, "open"))

    def write(session: Any) -> None:
        first, second = session.query(Turn).filter_by(battle_id="open").order_by(Turn.position)
        first.answer_a, first.answer_b = "<think>So long a thought</think>1", "22"
        second.answer_a, second.answer_b = "333", "\N{HORSE}\N{HORSE}"
        first.category, first.language, second.category = "coding", "de", "other"
        late = Turn(battle_id="open", position=1, attempt=1, prompt="x", seed=1, status="failed", superseded=True,
                    answer_a="not this", started_at=NOW)  # fmt: skip
        session.add(late)

    database.write(write)
    said = {ANT.fingerprint: ("1", "333"), BEE.fingerprint: ("22", "\N{HORSE}\N{HORSE}")}
    verdict = of_battle("open", prompts=("Why?", "And then?"), answers=(said[A], said[B]), outcome="b")
    keep(database, verdict)
    lengths = {ANT.fingerprint: 4, BEE.fingerprint: 4}
    with database.read() as session:
        (row,) = judged(session)
        assert (row.battle_id, row.question_id, row.set, row.number) == ("open", None, None, None)
        assert (row.category, row.language) == ("coding", "de")
        assert (row.length_a, row.length_b) == (lengths[A], lengths[B])
        texts = texts_of(session, verdict.key)
    assert (texts.prompts, texts.answers_a, texts.answers_b) == (("Why?", "And then?"), said[A], said[B])


def test_the_texts_of_a_judgment_are_what_the_judge_read_and_wrote(database: Database) -> None:
    strange = "\x00 and \ud800 are \N{HORSE}"

    def fill(session: Any) -> None:
        add_questions(session, [question(1, turns=["One?", "Two?"], reference=["1", "2"])])
        record_answer(session, answer(1, A, "a1", strange))
        record_answer(session, answer(1, B, "b1", "b2"))

    database.write(fill)
    keep(database, judgment(1, "b", reply="8 6\nBecause."))
    with database.read() as session:
        texts = texts_of(session, "1 b")
        assert (texts.prompts, texts.reference) == (("One?", "Two?"), ("1", "2"))
        assert (texts.answers_a, texts.answers_b, texts.reply) == (("a1", strange), ("b1", "b2"), "8 6\nBecause.")
        with pytest.raises(NoResultFound):
            texts_of(session, "nowhere")


# -- battles ---------------------------------------------------------------------------------------


def test_only_whole_battles_whose_vote_counts_are_judged(database: Database) -> None:
    for state in ("generating", "open", "stopped", "void", "voted", "asked on", "regenerating", "second turn stopped"):
        prepared(database, state)
    database.write(partial(ready_battle, battle_id="spam", voter="eve"))
    database.write(partial(vote, battle_id="spam", voter="eve", outcome=Outcome.A))
    database.write(lambda session: exclude_voter(session, "eve", "spam", NOW))
    with database.read() as session:
        assert [found.battle_id for found in battles_to_judge(session)] == ["voted"]
        (first, second) = battles_to_judge(session, over_since=LATE)
        assert [first.battle_id, second.battle_id] == ["open", "voted"]
        assert len(battles_to_judge(session, limit=1, over_since=LATE)) == 1
        assert [found.battle_id for found in battles_to_judge(session, offset=1, over_since=LATE)] == ["voted"]
        # Who may still vote is not to find a verdict on it.
        assert [found.battle_id for found in battles_to_judge(session, over_since=NOW)] == ["voted"]
    assert (first.a, first.b, first.prompts, first.question_id) == (ANT.fingerprint, BEE.fingerprint, ("Why?",), None)
    assert len(first.answers_a) == len(first.answers_b) == 1


def test_a_judged_battle_says_whether_anybody_voted_on_it_and_a_question_never_does(database: Database) -> None:
    asked(database, 1)
    prepared(database, "open")
    prepared(database, "voted")
    database.write(partial(ready_battle, battle_id="held", voter="eve"))
    database.write(partial(vote, battle_id="held", voter="eve", outcome=Outcome.A))
    database.write(lambda session: exclude_voter(session, "eve", "spam", NOW))
    keep(database, judgment(1), *(of_battle(name) for name in ("open", "voted", "held")))
    with database.read() as session:
        found = {row.battle_id: row.unvoted for row in judged(session)}
    assert found == {None: False, "open": True, "voted": False, "held": False}


def test_a_second_turn_belongs_to_the_battle_and_a_superseded_attempt_does_not(database: Database) -> None:
    prepared(database, "regenerating")
    database.write(lambda session: finish(session, "regenerating"))
    database.write(lambda session: ask_on(session, "regenerating"))
    database.write(lambda session: finish(session, "regenerating"))
    with database.read() as session:
        (found,) = battles_to_judge(session, over_since=LATE)
    assert found.prompts == ("Why?", "And then?")
    assert len(found.answers_a) == 2


def test_imported_votes_without_texts_are_not_judged(database: Database) -> None:
    bare = Battle(id="bare", voter="ann", contestant_a=A, contestant_b=B, status="voted", created_at=NOW, source="x")
    database.write(lambda session: session.add(bare))
    with database.read() as session:
        assert battles_to_judge(session, over_since=LATE) == []


@pytest.mark.parametrize(("outcome", "people"), [("a", "b"), ("b", "a"), ("tie", "tie"), ("both_bad", "both_bad")])
def test_votes_and_verdicts_are_by_contestant(database: Database, outcome: str, people: str) -> None:
    """The voter saw b on side A; the judge's a is the smaller fingerprint."""
    asked(database, 1)
    database.write(partial(battle_on, number=1, battle_id="shown"))
    database.write(partial(vote, battle_id="shown", outcome=Outcome(outcome)))
    keep(database, judgment(1), judgment(1, "b", outcome="tie"))
    with database.read() as session:
        (found,) = votes_and_judgments(session)
    assert (found.battle_id, found.a, found.b, found.people) == ("shown", A, B, people)
    assert (found.judge, found.form, found.verdicts) == (JUDGE, "score", {"a": "a", "b": "tie"})
    assert (found.category, found.language) == ("fermi", "en"), "those of the question, not those of the label"


def test_an_order_that_failed_is_told_as_failed(database: Database) -> None:
    prepared(database, "voted")
    keep(database, of_battle("voted", outcome="b"), of_battle("voted", "b", status="failed", outcome=None))
    with database.read() as session:
        (found,) = votes_and_judgments(session, JUDGE)
        assert found.verdicts == {"a": "b", "b": None}
        assert votes_and_judgments(session, "k" * 64) == []


def test_what_was_said_of_the_battle_itself_goes_before_what_was_said_of_its_answers(database: Database) -> None:
    asked(database, 1)
    for name in ("one", "two"):
        database.write(partial(battle_on, number=1, battle_id=name))
        database.write(partial(vote, battle_id=name, outcome=Outcome.A))
    keep(database, judgment(1), judgment(1, "b"))
    shown = ("How many 1?",), (("of a",), ("of b",))
    keep(database, of_battle("one", "a", *shown, form="score", wording="score/general/1", outcome="b"))
    with database.read() as session:
        found = {row.battle_id: row.verdicts for row in votes_and_judgments(session)}
    assert found == {"one": {"a": "b"}, "two": {"a": "a", "b": "a"}}


def test_what_was_said_of_an_answer_that_was_made_anew_is_said_of_the_battle_no_more(database: Database) -> None:
    prepared(database, "open")
    keep(database, of_battle("open", outcome="a"))
    with database.read() as session:
        (before,), rows = battles_to_judge(session, over_since=LATE), judged(session)
    assert len(rows) == 1
    database.write(lambda session: again(session, "open"))
    other = replace(WHOLE, answer="another answer")
    database.write(lambda session: finish_turn(session, key_of(session, "open"), other, WHOLE, NOW))
    database.write(partial(vote, battle_id="open", outcome=Outcome.B))
    with database.read() as session:
        (after,) = battles_to_judge(session)
        assert after.mark != before.mark
        assert (judged(session), votes_and_judgments(session)) == ([], [])
    said = {ANT.fingerprint: ("another answer",), BEE.fingerprint: ("an answer",)}
    keep(database, of_battle("open", answers=(said[A], said[B]), outcome="b"))
    with database.read() as session:
        assert [row.outcome for row in judged(session)] == ["b"]
        assert [row.verdicts for row in votes_and_judgments(session)] == [{"a": "b"}]


def test_what_was_said_of_a_battle_later_comes_later_whatever_its_key(database: Database) -> None:
    prepared(database, "voted")
    versions = [f"pairwise/general/{version}" for version in range(1, 6)]
    for days, wording in enumerate(versions):
        keep(database, of_battle("voted", wording=wording, created_at=NOW + timedelta(days)))
    with database.read() as session:
        assert [row.wording for row in votes_and_judgments(session)] == versions
        keys = [row.key for row in judged(session)]
    assert keys != sorted(keys), "or this proves nothing"


def test_a_vote_on_more_than_the_stored_answers_is_not_compared(database: Database) -> None:
    asked(database, 1)
    database.write(lambda session: battle_on(session, 1, "went on", "And 2?"))
    database.write(partial(vote, battle_id="went on", outcome=Outcome.A))
    keep(database, judgment(1))
    with database.read() as session:
        assert votes_and_judgments(session) == []


def test_votes_that_do_not_count_and_single_grades_are_not_compared(database: Database) -> None:
    asked(database, 1)
    for name, voter in (("spam", "eve"), ("fine", "ann")):
        database.write(partial(ready_battle, battle_id=name, voter=voter))
        database.write(partial(vote, battle_id=name, voter=voter, outcome=Outcome.A))
        keep(database, of_battle(name))
    database.write(lambda session: exclude_voter(session, "eve", "spam", NOW))
    keep(database, judgment(1, form="single", contestant_b=None, answer_b=None, outcome=None))
    with database.read() as session:
        assert [row.battle_id for row in votes_and_judgments(session)] == ["fine"]


def test_what_is_read_of_everything_there_can_be(database_url: str) -> None:
    with closing(database_with(database_url, ANT, BEE)) as database:
        database.write(evaluate)
        with database.read() as session:
            assert [(row.number, row.battle_id, row.first) for row in judged(session)] == [
                ("1", None, "a"), ("1", None, "b"), ("2", None, "a"), (None, "on a question", "a"),
            ]  # fmt: skip
            for row in judged(session):
                texts_of(session, row.key)
            assert {row.status for row in session.query(Answer)} == {"finished", "failed"}
