"""A judge at work, from the command line to the stored judgments; the judge is a server that follows stated rules."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from answered import Answered, text_of
from arenas import NOW, first_turn, vote
from judge_stub import NONSENSE, JudgeStub, score_of
from postgres import Cluster
from support import wait_for
from typer.testing import CliRunner, Result

from arena.cli import app
from arena.enrolment import enrol_all
from arena.judge.asked import models_of
from arena.judge.judging import Judging, Rules
from arena.judge.named import ordered
from arena.judge.plan import Task, plan
from arena.judge.wordings import Wording
from arena.settings import load_settings
from db import queries
from db.judging import add_questions, answers_of, questions_of, votes_and_judgments
from db.outcome import Outcome
from db.session import Database, Session
from db.tables import Battle, Judgment, Question, Vote
from models.catalog import load_catalog

PRICES = """
[[tokens]]
model = "{model}"
host = "127.0.0.1"
input = 10
output = 20
as_of = 2026-01-01
source = "a test"
"""


class Place(Answered):
    """Such an arena for verbs inside this process."""

    def __init__(self, folder: Path, stub: JudgeStub, monkeypatch: pytest.MonkeyPatch, url: str = "") -> None:
        super().__init__(folder, stub, url=url)
        for name in [name for name in os.environ if name.startswith("ARENA_")]:
            monkeypatch.delenv(name)
        for name, value in self.variables().items():
            if name.startswith("ARENA_"):
                monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)

    def run(self, *options: str, verb: str = "run", typed: str | None = None) -> Result:
        return CliRunner().invoke(app, ["judge", verb, *options], input=typed)


@pytest.fixture(scope="module")
def stub() -> Iterator[JudgeStub]:
    with JudgeStub() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, stub: JudgeStub, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, stub, monkeypatch)


def test_each_question_is_judged_in_both_orders_and_stored_by_contestant(place: Place) -> None:
    done = place.run("--judge", "judge-length", "--pairs", "long:short")
    assert done.exit_code == 0, done.stderr
    rows = place.judgments()
    assert sorted((row.number, row.first) for row in rows) == [(str(n), first) for n in range(4) for first in "ab"]
    a, b = sorted(place.players, key=lambda player: place.players[player])
    for row in rows:
        assert row.status == "done"
        number = int(row.number or "")
        assert (row.a, row.b) == (place.players[a], place.players[b])
        assert (row.score_a, row.score_b) == (score_of(text_of(a, number)), score_of(text_of(b, number)))
        assert row.outcome == ("a" if a == "long" else "b")
        assert row.wording == Wording("score", "general").name
    assert "8 judgments are new, 0 failed; asked 8 times" in done.stderr


def test_a_judge_that_goes_by_the_place_is_stored_as_contradicting_itself(place: Place) -> None:
    assert place.run("--judge", "judge-first", "--all-pairs", "--form", "pairwise").exit_code == 0
    assert {(row.first, row.outcome) for row in place.judgments()} == {("a", "a"), ("b", "b")}


def test_one_answer_alone_gets_one_score(place: Place) -> None:
    assert place.run("--judge", "judge-length", "--form", "single").exit_code == 0
    rows = place.judgments()
    assert len(rows) == 8
    for row in rows:
        player = next(player for player, fingerprint in place.players.items() if fingerprint == row.a)
        assert (row.b, row.score_a, row.score_b, row.outcome) == (
            None, score_of(text_of(player, int(row.number or ""))), None, None,
        )  # fmt: skip


def test_what_is_judged_is_not_asked_again_whichever_way_it_is_named(place: Place, stub: JudgeStub) -> None:
    assert place.run("--judge", "judge-tie", "--pairs", "long:short").exit_code == 0
    asked = len(stub.requests("judge-tie"))
    for again in (["--pairs", "short:long"], ["--all-pairs"], ["--baseline", "long"]):
        done = place.run("--judge", "judge-tie", *again)
        assert done.exit_code == 0
        assert "All 8 judgments are there already" in done.stderr
    assert len(stub.requests("judge-tie")) == asked


def test_a_reply_that_cannot_be_read_is_asked_for_again_and_paid_for(place: Place) -> None:
    prices = place.folder / "prices.toml"
    prices.write_text(PRICES.format(model="judge-stutters"))
    done = place.run("--judge", "judge-stutters", "--all-pairs", "--prices", str(prices))
    assert done.exit_code == 0
    rows = place.judgments()
    requests = place.stub.requests("judge-stutters")
    assert {(row.status, row.attempts) for row in rows} == {("done", 2)}
    assert len(requests) == 16
    assert sum(row.prompt_tokens or 0 for row in rows) == sum(one.prompt_tokens for one in requests)
    assert sum(row.tokens or 0 for row in rows) == sum(one.tokens for one in requests)
    dollars = sum(10 * one.prompt_tokens + 20 * one.tokens for one in requests) / 1e6
    assert sum(row.cost or 0 for row in rows) == pytest.approx(dollars)
    assert f"{dollars:.4f} dollars" in done.stderr


def test_a_judge_that_never_gives_a_verdict_fails_with_its_text_and_is_never_a_tie(place: Place) -> None:
    done = place.run("--judge", "judge-nonsense", "--all-pairs", "--retries", "1")
    assert done.exit_code == 1
    assert "Not one judgment could be made" in done.stderr
    rows = place.judgments()
    assert len(rows) == 8
    assert {(row.status, row.outcome, row.score_a, row.reply, row.attempts) for row in rows} == {
        ("failed", None, None, NONSENSE, 2)
    }
    assert "8 failed" in done.stderr
    assert "judge failures --judge judge-nonsense" in done.stderr
    shown = place.run("--judge", "judge-nonsense", "--limit", "3", verb="failures")
    assert shown.stdout.count(NONSENSE) == 3
    assert "no verdict" in shown.stdout
    assert "8 judgments failed, 3 are shown" in shown.stderr


def test_a_reply_that_failed_is_printed_without_what_a_terminal_would_obey(place: Place) -> None:
    place.run("--judge", "judge-nonsense", "--all-pairs", "--retries", "0")
    with closing(Database(place.url)) as database:
        database.write(lambda session: session.query(Judgment).update({"reply": "no\x1b]0;title\x07 verdict\n第二行"}))
    shown = place.run("--limit", "1", verb="failures").stdout
    assert "no\ufffd]0;title\ufffd verdict\n第二行" in shown


def test_another_run_asks_again_for_what_failed_and_adds_what_it_took(place: Place) -> None:
    for _ in range(2):
        place.run("--judge", "judge-nonsense", "--pairs", "long:short", "--retries", "0", "--one-order")
    rows = place.judgments()
    assert len(rows) == 4
    assert {row.attempts for row in rows} == {2}


def test_a_server_that_answers_with_pages_is_named(place: Place) -> None:
    done = place.run("--judge", "html", "--all-pairs")
    assert done.exit_code == 1
    assert "Html at http://127.0.0.1" in done.stderr
    assert {row.status for row in place.judgments()} == {"failed"}


def test_a_server_that_is_broken_is_not_asked_for_ever(place: Place, stub: JudgeStub) -> None:
    place.add(80)
    done = place.run("--judge", "html", "--all-pairs", "--parallel", "4")
    assert done.exit_code == 1
    assert "Html at http://127.0.0.1" in done.stderr
    assert "What was judged is kept" in done.stderr
    assert 5 <= len(place.judgments()) < 20


@pytest.mark.slow
def test_rate_limits_are_obeyed_and_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JudgeStub(busy_every=3, retry_after=0.1, tells_usage=False) as stub:
        place = Place(tmp_path, stub, monkeypatch)
        (tmp_path / "prices.toml").write_text(PRICES.format(model="judge-length"))
        done = place.run("--judge", "judge-length", "--all-pairs", "--prices", "prices.toml")
        assert done.exit_code == 0, done.stderr
        outcomes = [one.outcome for one in stub.requests()]
        rows = place.judgments()
    assert outcomes.count("answered") == 8
    assert outcomes.count("busy") >= 3
    assert {(row.status, row.attempts, row.tokens) for row in rows} == {("done", 1, None)}
    assert all(row.cost is not None and 0.001 < row.cost < 0.1 for row in rows), "reckoned where nobody counts"


def test_a_dear_run_is_refused_where_nobody_can_be_asked(place: Place, stub: JudgeStub) -> None:
    (place.folder / "prices.toml").write_text(PRICES.format(model="judge-first"))
    before = len(stub.requests("judge-first"))
    run = ["--judge", "judge-first", "--all-pairs", "--prices", "prices.toml", "--limit-dollars", "0.01"]
    done = place.run(*run)
    assert done.exit_code == 1
    assert "above --limit-dollars" in done.stderr
    assert "dollars at the prices of 2026-01-01" in done.stderr
    assert len(stub.requests("judge-first")) == before
    assert place.run(*run, "--yes").exit_code == 0
    assert len(stub.requests("judge-first")) == before + 8


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "asked"), [("y\n", 8), ("n\n", 0)])
def test_who_sits_at_a_terminal_is_asked_before_it_gets_dear(
    place: Place, stub: JudgeStub, typed: str, asked: int
) -> None:
    (place.folder / "prices.toml").write_text(PRICES.format(model="judge-first"))
    before = len(stub.requests("judge-first"))
    run = ("--judge", "judge-first", "--all-pairs", "--prices", "prices.toml", "--limit-dollars", "0.01")
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed.encode())
        process = place.begin(*run, stdin=theirs)
        _, said = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Go on?" in said
    assert process.returncode == (0 if asked else 1), said
    assert len(stub.requests("judge-first")) == before + asked


def test_a_run_whose_price_is_not_known_is_refused_unless_the_server_is_ours(place: Place) -> None:
    catalog = place.folder / "catalog.toml"
    catalog.write_text(catalog.read_text().replace("http://127.0.0.1", "http://judges.invalid"))
    done = place.run("--judge", "judge-tie", "--all-pairs")
    assert done.exit_code == 1
    assert "what they cost is not known" in done.stderr
    assert "--yes agrees" in done.stderr


def test_a_run_that_was_not_agreed_to_ends_where_its_limit_is_reached(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.judge.estimate.REPLY_TOKENS", 0)
    (place.folder / "prices.toml").write_text(
        PRICES.format(model="judge-tie").replace("input = 10", "input = 0").replace("output = 20", "output = 1000")
    )
    run = ["--judge", "judge-tie", "--all-pairs", "--prices", "prices.toml", "--parallel", "1"]
    done = place.run(*run, "--limit-dollars", "0.03")
    assert done.exit_code == 1
    assert "are left: the others have cost all that --limit-dollars allows" in done.stderr
    kept = len(place.judgments())
    assert 1 <= kept < 8
    assert place.run(*run, "--yes").exit_code == 0
    assert len(place.judgments()) == 8


def test_a_dry_run_says_what_it_would_take_and_asks_for_nothing(place: Place, stub: JudgeStub) -> None:
    before = len(stub.requests())
    done = place.run("--judge", "judge-length", "--all-pairs", "--dry-run")
    assert done.exit_code == 0
    assert "8 requests" in done.stderr
    assert len(stub.requests()) == before
    assert place.judgments() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--judge", "judge-lenght", "--all-pairs"], "no model of the catalogue 'judge-lenght'; near it: judge-length"),
        (["--judge", "judge-tie", "--pairs", "long:shrot"], "no contestant 'shrot'; near it: short"),
        (["--judge", "judge-tie"], "Say who is compared"),
        (["--judge", "judge-tie", "--all-pairs", "--baseline", "long"], "Say who is compared"),
        (["--judge", "judge-tie", "--all-pairs", "--set", "mine"], "of set 'mine'"),
        (["--judge", "judge-tie", "--all-pairs", "--language", "zh"], "in language zh; there are: paddock (en)"),
        (["--judge", "judge-tie", "--pairs", "long:judge-tie"], "no question that these contestants have answered"),
        (["--judge", "judge-tie", "--all-pairs", "--prices", "none.toml"], "prices none.toml can't be read"),
    ],
)
def test_what_cannot_be_judged_is_named(place: Place, options: list[str], said: str) -> None:
    done = place.run(*options)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def changed(place: Place, one: str, old: str, new: str) -> None:
    """Change something in an entry of the catalogue that makes it another contestant."""
    before, entry, after = place.catalog.read_text(encoding="utf-8").partition(f'id = "{one}"')
    assert old in after
    place.catalog.write_text(before + entry + after.replace(old, new, 1), encoding="utf-8")


def test_answers_of_what_an_entry_was_before_are_judged_only_where_they_are_meant(place: Place) -> None:
    old = place.players["long"]
    changed(place, "long", '["x"]', '["y"]')
    done = place.run("--judge", "judge-length", "--all-pairs")
    assert done.exit_code == 1
    left_out = f"Left out: answers of long as it was before its entry changed; --pairs takes them as {old[:12]}."
    assert left_out in done.stderr
    place.specs = {spec.id: spec for spec in load_catalog(place.catalog)}
    place.players["long"] = place.specs["long"].fingerprint
    with closing(Database(place.url)) as database:
        enrol_all(database, [place.specs["long"]], NOW)
    place.add(4, "again ")
    for options in (["--all-pairs"], ["--baseline", "short"], ["--form", "single"]):
        done = place.run("--judge", "judge-length", *options)
        assert done.exit_code == 0, done.stderr
        assert left_out in done.stderr
        assert old not in {one for row in place.judgments() for one in (row.a, row.b)}
    done = place.run("--judge", "judge-length", "--pairs", f"short:{old[:12]}")
    assert "8 judgments are new" in done.stderr
    assert "Left out" not in done.stderr


def test_what_failed_before_a_judge_s_entry_changed_is_printed_by_its_name(place: Place) -> None:
    assert place.run("--judge", "judge-nonsense", "--all-pairs", "--retries", "0").exit_code == 1
    changed(place, "judge-nonsense", "context = 32768", "context = 30000")
    fingerprints = {spec.fingerprint for spec in load_catalog(place.catalog)}
    assert place.specs["judge-nonsense"].fingerprint not in fingerprints
    printed = place.run("--judge", "judge-nonsense", verb="failures")
    assert (printed.exit_code, printed.stderr) == (0, "8 judgments failed.\n")
    assert place.run("--judge", "judge-length", verb="failures").stderr == "0 judgments failed.\n"


def test_after_a_question_is_put_back_to_its_older_text_that_text_is_judged(place: Place) -> None:
    def asked_again(question: str, days: int) -> None:
        row = Question(
            id=question, set="paddock", number="0", category="generic", language="en", turns=[question],
            created_at=NOW + timedelta(days),
        )  # fmt: skip
        with closing(Database(place.url)) as database:
            database.write(lambda session: add_questions(session, [row]))

    asked_again("amended", 1)
    said = place.run("--judge", "judge-length", "--all-pairs", "--dry-run").stderr
    assert "has no answer to 1 of 4 questions (0)" in said
    asked_again("q0", 2)
    done = place.run("--judge", "judge-length", "--all-pairs")
    assert "8 judgments are new" in done.stderr
    assert "has no answer" not in done.stderr


def test_a_judge_of_its_own_makers_is_warned_of(place: Place) -> None:
    catalog = place.folder / "catalog.toml"
    catalog.write_text(catalog.read_text().replace('["Makers of judge-tie"]', '["Us"]'))
    done = place.run("--judge", "judge-tie", "--all-pairs", "--dry-run")
    assert "Beware: Judge-Tie judges a model of its own makers (long)" in done.stderr


# -- battles of people -----------------------------------------------------------------------------


def fight(
    place: Place, battle_id: str, left: str, right: str, outcome: Outcome | None, question: str | None = None
) -> None:
    """A battle whose answers are those to question 0, and a vote on it."""

    def work(session: Session) -> None:
        battle = Battle(
            id=battle_id, voter="ann", contestant_a=place.players[left], contestant_b=place.players[right],
            probability=1.0, status="generating", created_at=NOW, question_id=question,
        )  # fmt: skip
        queries.open_battle(session, battle, first_turn(battle_id))
        a, b = (queries.Side(text_of(player, 0), "stop", 9) for player in (left, right))
        queries.finish_turn(session, (battle_id, 0, 0), a, b, NOW)
        if outcome:
            vote(session, battle_id, outcome)

    with closing(Database(place.url)) as database:
        database.write(work)


def test_a_judge_votes_on_battles_beside_the_people_and_never_instead_of_them(place: Place) -> None:
    fight(place, "b0", "short", "long", Outcome.A)
    fight(place, "b1", "long", "short", Outcome.TIE)
    fight(place, "b2", "long", "short", None)
    fight(place, "b3", "long", "short", Outcome.A, question="q0")
    done = place.run("--judge", "judge-length", verb="battles")
    assert done.exit_code == 0, done.stderr
    rows = place.judgments()
    long_is = "a" if place.players["long"] < place.players["short"] else "b"
    assert sorted((row.battle_id, row.first, row.form, row.outcome) for row in rows) == [
        (battle, first, "pairwise", long_is) for battle in ("b0", "b1") for first in "ab"
    ]
    with closing(Database(place.url)) as database, database.read() as session:
        assert [one.outcome for one in session.query(Vote).order_by(Vote.battle_id)] == ["a", "tie", "a"]
        both = votes_and_judgments(session)
    assert {(one.battle_id, tuple(sorted(one.verdicts))) for one in both} == {("b0", ("a", "b")), ("b1", ("a", "b"))}
    assert "are there already" in place.run("--judge", "judge-length", verb="battles").stderr
    assert place.run("--judge", "judge-length", "--unvoted", verb="battles").exit_code == 0
    assert {row.battle_id for row in place.judgments()} == {"b0", "b1", "b2"}


def test_without_battles_there_is_nothing_to_judge(place: Place) -> None:
    done = place.run("--judge", "judge-length", verb="battles")
    assert done.exit_code == 1
    assert "no voted battles left to judge" in done.stderr


def test_a_limit_of_battles_is_of_those_that_can_be_judged_and_are_not_yet(place: Place) -> None:
    fight(place, "b0", "short", "long", Outcome.A, question="q0")
    for number in range(1, 4):
        fight(place, f"b{number}", "short", "long", Outcome.A)
    judged = []
    for _ in range(3):
        assert place.run("--judge", "judge-length", "--limit", "1", verb="battles").exit_code == 0
        judged.append({row.battle_id for row in place.judgments()})
    assert judged == [{"b1"}, {"b1", "b2"}, {"b1", "b2", "b3"}]


def test_of_two_runs_of_a_judge_at_once_the_second_is_refused_and_nothing_is_paid_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Cluster
) -> None:
    with JudgeStub(latency=0.3) as stub, postgres.fresh() as url:
        place = Place(tmp_path, stub, monkeypatch, url)
        place.add(20)
        run = ("--judge", "judge-length", "--all-pairs", "--parallel", "2")
        process = place.begin(*run)
        wait_for(lambda: bool(stub.requests()), 60)
        second = place.run(*run)
        assert second.exit_code == 1
        assert "Another process is asking judge-length for judgments already" in second.stderr
        assert place.run("--judge", "judge-tie", *run[2:]).exit_code == 0, "another judge is another's affair"
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert set(stub.paid("judge-length").values()) == {1}
        assert stub.paid("judge-length").total() == 40
        assert "All 40 judgments are there already" in place.run(*run).stderr


# -- ended in the middle ---------------------------------------------------------------------------


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_judged_and_says_how_to_go_on(tmp_path: Path) -> None:
    with JudgeStub(latency=0.05) as stub:
        place = Answered(tmp_path, stub, questions=200)
        process = place.begin("--judge", "judge-length", "--all-pairs", "--parallel", "4")
        wait_for(lambda: len(stub.requests()) > 20, 60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "Stopped. What was judged is kept, and another run goes on from there." in said
        assert "Traceback" not in said
        kept = place.judgments()
        time.sleep(0.2)  # what was under way has reached the server's book
        assert 0 <= sum(stub.paid().values()) - len(kept) <= 4
        assert {row.status for row in kept} == {"done"}
        assert f"{len(kept)} judgments are new, 0 failed;" in said


def test_what_is_in_the_writers_hands_at_ctrl_c_is_counted_as_it_is_kept(place: Place) -> None:
    spec = place.specs["judge-length"]
    writing, written = threading.Event(), threading.Event()

    def keep_others_waiting(_: Session) -> None:
        writing.set()
        written.wait(30)

    async def interrupted(judging: Judging, tasks: Sequence[Task]) -> None:
        run = asyncio.create_task(judging.run(tasks))
        while judging.summary.took.attempts == 0:  # noqa: ASYNC110, a thread of its own answers
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.wait([run])
        assert run.cancelled()

    with closing(Database(place.url)) as database:
        enrol_all(database, [spec], NOW)
        with database.read() as session:
            whom = [ordered(*place.players.values())]
            tasks = plan(spec.fingerprint, "score", whom, questions_of(session), answers_of(session)).tasks
        database.submit(keep_others_waiting)
        assert writing.wait(30)
        with models_of([spec], load_settings(), {}, lambda _: None) as asked:
            judging = Judging(database, spec, asked, Rules(None))
            asyncio.run(interrupted(judging, tasks[:1]))
        written.set()
    assert len(place.judgments()) == 1
    assert (judging.summary.done, judging.summary.left) == (1, 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment_it_asks_once_but_for_what_was_under_way(tmp_path: Path) -> None:
    kills, parallel, questions, rng = 20, 4, 150, Random(6)
    run = ("--judge", "judge-length", "--all-pairs", "--parallel", str(parallel))
    with JudgeStub(latency=0.2) as stub:
        place = Answered(tmp_path, stub, questions)
        for _ in range(kills):
            before = len(stub.requests())
            process = place.begin(*run)
            wait_for(lambda: len(stub.requests()) > before, 60)  # noqa: B023
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
            _, said = process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL, said
        in_the_middle = len(place.judgments())
        process = place.begin(*run)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        paid = stub.paid()
    rows = place.judgments()
    print(f"{in_the_middle} of {len(rows)} judged before the last run; asked {sum(paid.values())} times")
    assert kills < in_the_middle < 2 * questions
    assert len(rows) == len({row.key for row in rows}) == len(paid) == 2 * questions
    assert {row.status for row in rows} == {"done"}
    assert f"{in_the_middle} of {2 * questions} judgments are there already" in said
    assert sum(paid.values()) - 2 * questions <= kills * parallel
