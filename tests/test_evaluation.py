from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from arenas import ANT, BEE, database_with, ready_battle, vote
from evaluated import CAREFUL, FAILED, QUESTIONS, SENSELESS, evaluate_pair, grade, judge_battles
from judged_rows import A, B, answer, judge, judgment, of_battle, question
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.testclient import TestClient
from voted import battle_id, cast

from arena.boards.leaderboard import Leaderboard
from arena.desk import Desk
from arena.judge.flags import Flag, FlagCode
from arena.judge.pairs import Contradiction
from arena.judge.report import Report, build_report
from arena.judge.verdict import FORMS
from arena.ui.evaluation.choice import Choice, meant
from arena.ui.evaluation.drawn import draw
from arena.ui.evaluation.evaluations import Evaluated, Evaluations
from arena.ui.evaluation.headline import headline
from arena.ui.evaluation.readings import WAYS, chosen, explanation_of, readings_of
from arena.ui.evaluation.render import closer_of
from arena.ui.evaluation.routes import evaluation_routes
from arena.ui.evaluation.shown import conversations, said, title
from arena.ui.evaluation.tables import category_table, markdown_table, pairs_table, trust_table
from arena.ui.evaluation.told import people, rules, trust
from arena.ui.texts import TEXTS
from db.judging import JudgedRow, JudgedTexts, add_questions, record_answer, record_judgment
from db.outcome import Outcome
from db.session import Database

SCORES = Choice(judge=CAREFUL, form="score")
BATTLES = Choice(judge=CAREFUL, form="pairwise")
ALWAYS_FIRST = Choice(judge=SENSELESS)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(database_with(tmp_path, ANT, BEE)) as opened:
        opened.write(evaluate_pair)
        yield opened


@pytest.fixture
def evaluations(database: Database) -> Iterator[Evaluations]:
    with closing(Leaderboard(database, (ANT, BEE))) as leaderboard:
        yield Evaluations(database, leaderboard)


def looked(evaluations: Evaluations, choice: Choice = SCORES) -> Evaluated:
    found = evaluations.look(choice)
    assert found is not None
    return found


# -- what is chosen --------------------------------------------------------------------------------


def test_what_fits_best_is_meant_whatever_was_sent(database: Database, evaluations: Evaluations) -> None:
    database.write(grade)
    parts = looked(evaluations).parts
    chosen_ones = [
        Choice.read({"judge": CAREFUL, "form": "score", "set": "gone", "pair": None}),
        Choice.read({"judge": SENSELESS, "form": "single"}),
        Choice.read({"judge": ["x"], "form": 7, "set": {}}),
    ]
    found = [meant(choice, parts) for choice in chosen_ones]
    assert [(one.judge, one.form) for one in found if one] == [
        (CAREFUL, "score"), (SENSELESS, "pairwise"), (CAREFUL, "single"),
    ]  # fmt: skip
    assert meant(SCORES, ()) is None


def test_a_report_is_made_once_and_again_when_more_was_judged(database: Database, evaluations: Evaluations) -> None:
    first = looked(evaluations)
    assert looked(evaluations).rows is first.rows
    assert looked(evaluations).report.pairs is first.report.pairs
    database.write(lambda session: record_judgment(session, judgment(FAILED, "b", key="careful 7 b", judge=CAREFUL)))
    again = looked(evaluations)
    assert (first.report.failed, again.report.failed) == (1, 0)


def test_a_vote_changes_what_people_say_and_makes_no_report_anew(database: Database, evaluations: Evaluations) -> None:
    database.write(judge_battles)
    first = looked(evaluations, Choice(judge=CAREFUL, form="pairwise"))
    assert first.agreement is not None
    assert first.agreement.with_ties.battles == 12
    database.write(partial(ready_battle, battle_id="one more", voter="zoe"))
    database.write(partial(vote, battle_id="one more", outcome=Outcome.A, voter="zoe"))
    again = looked(evaluations, Choice(judge=CAREFUL, form="pairwise"))
    votes = [[one.people.votes for one in found.report.ratings if one.people] for found in (first, again)]
    assert votes == [[12, 12], [13, 13]]
    assert again.rows is first.rows
    assert again.report.pairs is first.report.pairs


def test_a_baseline_that_is_chosen_is_the_baseline_of_each_pair(evaluations: Evaluations) -> None:
    for baseline in (A, B):
        (pair,) = looked(evaluations, replace(SCORES, baseline=baseline)).report.pairs
        assert pair.baseline == baseline
    assert looked(evaluations, replace(SCORES, baseline="nobody")).report.pairs


def test_the_leaderboard_gets_ratings_of_no_judge_that_is_useless(database: Database, evaluations: Evaluations) -> None:
    column = evaluations.column()
    assert evaluations.rates()
    assert column is not None
    assert (column.judge, set(column.ratings)) == ("Careful", {A, B})
    assert column.ratings[A] > column.ratings[B]
    report = looked(evaluations, ALWAYS_FIRST).report
    assert report.useless
    assert report.ratings


def test_the_leaderboard_passes_over_a_judge_of_others(database: Database, evaluations: Evaluations) -> None:
    database.write(_judge_strangers)
    assert looked(evaluations, Choice()).report.judge_name == "Stranger"
    assert looked(evaluations, Choice()).report.ratings
    column = evaluations.column()
    assert column is not None
    assert column.judge == "Careful"


def _judge_strangers(session: Session) -> None:
    """A judge said more than all others, of The Ant and of somebody who is on no board."""
    session.add_all([judge("e" * 64, "Stranger"), judge("f" * 64, "Nobody")])
    session.flush()
    for number in range(30):
        add_questions(session, [question(number)])
        record_answer(session, answer(number, A))
        record_answer(session, answer(number, "f" * 64, id=f"nobody to {number}"))
        for first in "ab":
            record_judgment(
                session,
                judgment(
                    number, first, key=f"stranger {number} {first}", judge="e" * 64,
                    contestant_b="f" * 64, answer_b=f"nobody to {number}",
                ),
            )  # fmt: skip


def test_no_baseline_pushes_out_a_whole_report(evaluations: Evaluations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.ui.evaluation.evaluations.MOST_KEPT", 2)
    first = looked(evaluations, ALWAYS_FIRST)
    for baseline in (A, B):
        looked(evaluations, replace(SCORES, baseline=baseline))
    assert looked(evaluations, ALWAYS_FIRST).rows is first.rows


def test_nobody_waits_for_a_baseline_who_wants_a_whole_report(
    evaluations: Evaluations, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(evaluations)
    inside, door = threading.Event(), threading.Event()

    def slow(rows: Sequence[JudgedRow], *, baseline: str | None) -> Report:
        if baseline:
            inside.set()
            assert door.wait(30)
        return build_report(rows, baseline=baseline)

    monkeypatch.setattr("arena.ui.evaluation.evaluations.build_report", slow)
    with ThreadPoolExecutor(2) as pool:
        slowly = pool.submit(looked, evaluations, replace(SCORES, baseline=A))
        assert inside.wait(30)
        try:
            assert pool.submit(evaluations.column).result(30) is not None
            assert not slowly.done()
        finally:
            door.set()
        assert slowly.result(30).report.pairs


def test_where_nobody_judged_there_is_nothing_to_show(tmp_path: Path) -> None:
    with (
        closing(database_with(tmp_path, ANT, BEE)) as database,
        closing(Leaderboard(database, (ANT, BEE))) as leaderboard,
    ):
        evaluations = Evaluations(database, leaderboard)
        assert evaluations.look(Choice()) is None
        assert evaluations.column() is None
        assert not evaluations.rates()


# -- what is said ----------------------------------------------------------------------------------


def test_the_headline_says_who_reaches_how_much_and_never_for_a_useless_judge(evaluations: Evaluations) -> None:
    report = looked(evaluations).report
    told = headline(report, report.pairs[0], "en")
    assert "reaches" in told
    assert "Careful" in told
    useless = looked(evaluations, ALWAYS_FIRST).report
    told = headline(useless, useless.pairs[0], "en")
    assert told.startswith("### **Senseless is no judge:**")
    assert "All 48 verdicts go to the answer that it was shown first." in told
    assert "reaches" not in told
    assert "wins" not in told


def test_a_judge_that_never_replied_was_not_asked_and_is_not_blamed(evaluations: Evaluations) -> None:
    report = replace(looked(evaluations, ALWAYS_FIRST).report, judge_name="Far_Away")
    told = headline(report, report.pairs[0], "en", heard=False)
    assert "No judgment could be asked of Far\\_Away: no reply came." in told
    assert "means nothing" not in told
    assert "⛔" not in told


def test_of_no_questions_it_is_not_said_that_they_are_few(evaluations: Evaluations) -> None:
    report = replace(looked(evaluations).report, flags=(Flag("failed", True, 4, 1.0), Flag("few", False, 0, 0.0)))
    told = headline(report, report.pairs[0], "en")
    assert "No reply came from it, or none that could be read" in told
    assert "Only 0" not in told


def test_of_scores_that_contradict_their_text_it_is_told_whose_is_first(evaluations: Evaluations) -> None:
    report = looked(evaluations).report
    (pair,) = report.pairs
    wrong = Contradiction("key", "file", "7", "math", (8.0, 6.0), (6.0, 8.0))
    told = rules(report, replace(pair, contradictions=(wrong,)), "en")
    assert f"{pair.baseline_name} : {pair.model_name} each: question 7, stored 8.0 : 6.0, text 6.0 : 8.0" in told


def test_every_flag_form_and_outcome_has_its_words() -> None:
    for language in TEXTS:
        for code in get_args(FlagCode):
            assert f"flag_{code}" in TEXTS[language]
        for form in FORMS:
            assert f"form_{form}" in TEXTS[language]
        for way in WAYS:
            assert {f"eval_outcome_{way}", f"eval_together_{way}"} <= TEXTS[language].keys()


def test_what_is_known_in_part_and_what_is_out_of_date_is_said(evaluations: Evaluations) -> None:
    report = replace(looked(evaluations).report, tokens=1200, unknown_tokens=2, cost=0.5, unknown_cost=0, outdated=3)
    told = trust(report, "en")
    assert "Tokens: ≥ 1,200." in told
    assert "Cost: 0.50 dollars." in told
    assert "in no other figure: 3." in told


def test_numbers_of_the_tables_are_those_of_the_report(evaluations: Evaluations) -> None:
    report = looked(evaluations).report
    (pair,) = report.pairs
    (row,) = pairs_table(report, "en")["value"]["metadata"]["display_value"]
    assert row[:2] == [pair.model_name, pair.baseline_name]
    assert row[-5:] == [str(pair.total.model_wins), str(pair.total.baseline_wins), str(pair.total.ties), "23", "1"]
    table = category_table(report, pair, pair.model, "en").splitlines()
    assert len(table) == 2 + 4
    assert table[2].startswith("| coding |")
    assert report.position is not None
    assert f"| Consistency | {report.position.consistency.value:.0%}".replace("%", " \\%") in trust_table(report, "en")


def test_a_cell_of_a_table_is_one_cell_whatever_it_holds() -> None:
    table = markdown_table("One|Two", [["a|b", "<img src=x>\n# c"]])
    assert table.splitlines()[2] == "| a\\|b | \\<img src\\=x\\> \\# c |"


def test_agreement_with_people_is_told_or_how_to_have_it(database: Database, evaluations: Evaluations) -> None:
    found = looked(evaluations)
    assert "judge battles" in people(found.report, found.agreement, "en")
    database.write(judge_battles)
    found = looked(evaluations, Choice(judge=CAREFUL, form="pairwise"))
    told = people(found.report, found.agreement, "en")
    assert "In 12 battles that people voted on and Careful judged" in told
    assert "| The Ant |" in told


def test_the_radar_has_a_ring_for_each_side_and_the_scale_of_the_form(
    database: Database, evaluations: Evaluations
) -> None:
    database.write(grade)
    tops = {}
    for choice in (SCORES, ALWAYS_FIRST, Choice(judge=CAREFUL, form="single")):
        report = looked(evaluations, choice).report
        figure = draw(report, closer_of(report, "").pair, "en")
        assert {line.name for line in figure.data} == {"The Ant", "The Bee"}
        tops[report.form] = figure.layout.polar.radialaxis.range[1]
    assert tops == {"score": 10, "pairwise": 1, "single": 10}


# -- one by one ------------------------------------------------------------------------------------


def test_each_question_is_read_with_both_orders_and_how_it_went(evaluations: Evaluations) -> None:
    readings = readings_of(looked(evaluations).rows, A, B)
    assert len(readings) == QUESTIONS
    ways = {way: len(chosen(readings, "", way)) for way in WAYS}
    assert ways == {"model": 11, "baseline": 4, "tie": 4, "disagree": 4, "failed": 1, "graded": 0}
    swapped = readings_of(looked(evaluations).rows, B, A)
    assert [len(chosen(swapped, "", way)) for way in ("model", "baseline")] == [4, 11]
    (failed,) = chosen(readings, "", "failed")
    assert (failed.orders[0].number, failed.score_model) == (str(FAILED), None)
    (disagreed, *_) = chosen(readings, "", "disagree")
    assert (disagreed.score_model, disagreed.score_baseline) == (6.5, 6.75)
    assert {one.category for one in chosen(readings, "math", "")} == {"math"}


def test_a_single_grade_is_read_alone(database: Database, evaluations: Evaluations) -> None:
    database.write(grade)
    readings = readings_of(looked(evaluations, Choice(judge=CAREFUL, form="single")).rows, B, None)
    assert {(one.way, one.score_model, one.score_baseline) for one in readings} == {("graded", 5.0, None)}
    assert "**5.0** of 10" in title(readings[0], {"model": "The Bee"}, "en")


def test_both_answers_are_conversations_each_on_its_own_side() -> None:
    texts = JudgedTexts(("One?", "Two?"), ("a1", "a2"), ("b1",), None, "")
    baseline, model = conversations(texts, model_is_a=True)
    assert [one["content"] for one in model] == ["One?", "a1", "Two?", "a2"]
    assert [one["content"] for one in baseline] == ["One?", "b1", "Two?", "…"]
    assert conversations(texts, model_is_a=False) == (model, baseline)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ('{"explanation": " Why. ", "score_1": 8}', "Why."),
        ("9 8.5\nBoth", "9 8.5\nBoth"),
        ('["x"]', '["x"]'),
        ('{"explanation": 7}', '{"explanation": 7}'),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_of_a_reply_in_json_the_explanation_is_shown_and_else_the_whole(reply: str, words: str) -> None:
    assert explanation_of(reply) == words


def test_what_a_judge_said_is_text_and_never_markup(evaluations: Evaluations) -> None:
    evil = "<img src=x onerror=alert(1)>"
    (reading, *_) = readings_of(looked(evaluations).rows, A, B)
    named = replace(reading, orders=tuple(replace(row, name_a=evil, judge_name=evil) for row in reading.orders))
    html = said(named, [JudgedTexts((evil,), (evil,), (evil,), (evil,), evil)] * 2, "en")
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") >= 2 * 3 + 1


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("", "No reply came, or not the whole of one."),
        ("8 7", "No reply came, or not the whole of one."),
        ("I can't say.", "This reply could not be read: the reply holds no verdict"),
    ],
)
def test_what_a_server_says_of_a_failure_is_not_for_visitors(evaluations: Evaluations, reply: str, shown: str) -> None:
    (reading, *_) = readings_of(looked(evaluations).rows, A, B)
    failure = "http://10.0.0.7:8000/v1 answered 401: account acme is out of money"
    failed = replace(reading.orders[0], status="failed", failure=failure, reply=reply)
    html = said(replace(reading, orders=(failed,)), [JudgedTexts((), (), (), None, reply)], "en")
    assert "10.0.0.7" not in html
    assert "acme" not in html
    assert shown in html


# -- what visitors wrote ---------------------------------------------------------------------------

MAIL, KEY, ADDRESS = "ottilie.quackenbush@paddocks.net", "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8t", "198.41.0.4"
SECRETS = (MAIL, "quackenbush", KEY, ADDRESS)
PROMPT, SAYS_A, SAYS_B = f"Write to {MAIL}", f"Your key is {KEY}.", f"Ask {ADDRESS}."
ESCAPED = MAIL.replace("@", "\\u0040")
REPLIES = (
    f"A\n{MAIL} is answered.",
    json.dumps({"explanation": f"It says:\n{MAIL}", "verdict": "A"}),
    f'{{"explanation": "It says {ESCAPED}", "verdict": "A"}}',
    json.dumps({"verdict": "A", "because": [{"of": MAIL}]}),
    f'["{ESCAPED}"]',
)


def page_of(evaluations: Evaluations, choice: Choice) -> str:
    """All that the page shows of the pair's judgments, one after the other."""
    shown = ""
    for reading in readings_of(looked(evaluations, choice).rows, A, B):
        texts = [evaluations.texts(row) for row in reading.orders]
        shown += str(conversations(texts[0], model_is_a=True)) + said(reading, texts, "en")
    return shown


def judge_private(database: Database, reply: str, **changes: Any) -> None:
    """People voted on a battle whose texts hold personal data, and the judge repeats them."""
    cast(database, 1, Outcome.A, (PROMPT, SAYS_A, SAYS_B))
    answers = {ANT.fingerprint: (SAYS_A,), BEE.fingerprint: (SAYS_B,)}
    shown = ((PROMPT,), (answers[A], answers[B]))
    row = of_battle(battle_id(1), "a", *shown, judge=CAREFUL, reply=reply, **changes)
    database.write(lambda session: record_judgment(session, row))


@pytest.mark.integrity
@pytest.mark.parametrize("reply", REPLIES)
def test_personal_data_of_visitors_are_masked_in_what_the_page_shows(
    database: Database, evaluations: Evaluations, reply: str
) -> None:
    judge_private(database, reply)
    shown = page_of(evaluations, BATTLES)
    assert not [secret for secret in SECRETS if secret in shown]
    assert ESCAPED not in shown
    assert shown.count("[email]") == 3, "the prompt on both sides, and the judge's reply"
    assert ("[key]" in shown, "[ip]" in shown) == (True, True)


@pytest.mark.integrity
def test_a_reply_that_can_not_be_read_is_masked_before_a_part_of_it_is_quoted(
    database: Database, evaluations: Evaluations
) -> None:
    reply = json.dumps({"score_1": MAIL, "score_2": 7})
    judge_private(database, reply, form="score", wording="score/general/1", status="failed", outcome=None)
    shown = page_of(evaluations, replace(SCORES, set="battles"))
    assert "[email]" in shown
    assert "is no score from 1 to 10" in shown
    assert MAIL[:15] not in shown


def test_stored_questions_are_shown_as_they_are(database: Database, evaluations: Evaluations) -> None:
    reply = json.dumps({"explanation": f"Ask {ADDRESS}.", "score_1": 8, "score_2": 6.5})
    row = judgment(FAILED, "b", key=f"careful {FAILED} b", judge=CAREFUL, reply=reply)
    database.write(lambda session: record_judgment(session, row))
    assert f"Ask {ADDRESS}." in page_of(evaluations, SCORES)


@pytest.mark.integrity
def test_of_battles_that_nobody_voted_on_there_are_figures_and_no_texts(
    database: Database, evaluations: Evaluations
) -> None:
    database.write(partial(judge_battles, battles=3))
    database.write(partial(ready_battle, battle_id="left alone", voter="zoe"))
    database.write(lambda session: record_judgment(session, of_battle("left alone", judge=CAREFUL)))
    found = looked(evaluations, BATTLES)
    assert found.report.pairs[0].total.judged == 4
    read = [row.battle_id for one in readings_of(found.rows, A, B) for row in one.orders]
    assert sorted(map(str, read)) == ["battle 0", "battle 1", "battle 2"]


# -- files -----------------------------------------------------------------------------------------


def site(evaluations: Evaluations, desk: Desk) -> Starlette:
    return Starlette(routes=evaluation_routes(evaluations, desk))


def test_the_report_can_be_taken_away(evaluations: Evaluations) -> None:
    with TestClient(site(evaluations, Desk(1, 2))) as client:
        answer = client.get(f"/download/evaluation.json{SCORES.query}")
        assert answer.headers["content-disposition"] == 'attachment; filename="evaluation.json"'
        (pair,) = answer.json()
        assert (pair["judged"], pair["failed"]) == (23, 1)
        assert "Careful" in client.get(f"/download/evaluation.md{SCORES.query}").text
        page = client.get(f"/download/radar.html{SCORES.query}", headers={"accept-language": "zh"}).text
        assert json.dumps("各类别的平均分") in page or "各类别的平均分" in page
        assert '<script src="http' not in page


@pytest.mark.parametrize("query", ["?judge=nobody", "?form=essay", "?set=other", "?baseline=nobody"])
def test_what_no_judge_has_said_is_in_no_file(evaluations: Evaluations, query: str) -> None:
    with TestClient(site(evaluations, Desk(1, 2))) as client:
        for name in ("evaluation.md", "evaluation.json", "radar.html"):
            assert client.get(f"/download/{name}{query}").status_code == 404


def test_whoever_comes_when_the_line_is_full_is_asked_to_come_back(evaluations: Evaluations) -> None:
    inside, door = threading.Event(), threading.Event()

    class Slow(Evaluations):
        def __init__(self) -> None:
            """Has nothing of its own."""

        def look(self, choice: Choice) -> Evaluated | None:
            inside.set()
            assert door.wait(30)
            return evaluations.look(choice)

    with TestClient(site(Slow(), Desk(1, 0))) as client:
        first: list[int] = []
        asking = threading.Thread(target=lambda: first.append(client.get("/download/evaluation.md").status_code))
        asking.start()
        assert inside.wait(30)
        assert client.get("/download/evaluation.json").status_code == 503
        door.set()
        asking.join()
    assert first == [200]
