"""`judge questions` and `judge answer` from the command line, in processes that are killed and stopped too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

import pytest
from judge_stub import JudgeStub
from postgres import Cluster
from support import environment, wait_for, write_catalog
from typer.testing import CliRunner

from arena.cli import app
from db.judging import answers_of
from db.session import Database
from db.tables import Answer
from models.catalog import load_catalog

PATIENCE = 120.0
PLAYERS = ("words-5", "words-9", "mute", "html")


@pytest.fixture
def stub() -> Iterator[JudgeStub]:
    with JudgeStub(latency=0.05) as running:
        yield running


class Place:
    """An arena whose contestants are behind a server that counts what it is asked."""

    def __init__(self, folder: Path, stub: JudgeStub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.stub = stub
        self.catalog = write_catalog(folder / "catalog.toml", *(stub.entry(player) for player in PLAYERS))
        self.fingerprints = {spec.id: spec.fingerprint for spec in load_catalog(self.catalog)}
        self.environment = environment(folder, self.catalog)
        monkeypatch.chdir(folder)
        for name in {name for name in os.environ if name.startswith("ARENA_")} - self.environment.keys():
            monkeypatch.delenv(name)
        for name in {name for name in self.environment if name.startswith("ARENA_")}:
            monkeypatch.setenv(name, self.environment[name])

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "arena", "judge", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str) -> tuple[int, str]:
        """In this process: the exit code and everything that is written on the screen."""
        done = CliRunner().invoke(app, ["judge", *arguments])
        return done.exit_code, done.output

    def answers(self, player: str) -> list[Answer]:
        with closing(Database(f"sqlite:///{self.folder}/data/arena.db")) as database, database.read() as session:
            return list(answers_of(session, [self.fingerprints[player]]))

    def has_answered(self, count: int) -> bool:
        return len([one for one in self.stub.requests() if one.outcome == "answered"]) >= count


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out + err


@pytest.fixture
def place(tmp_path: Path, stub: JudgeStub, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, stub, monkeypatch)


@pytest.mark.slow
def test_contestants_answer_a_part_of_our_questions_and_the_next_time_the_rest(place: Place) -> None:
    code, said = place.run("answer", "words-5", "words-9", "--limit", "9")
    assert code == 0, said
    assert "Words-5: 9 answers of 72 tokens are new, 0 were there before, 0 failed." in said
    code, said = place.run("answer", "Words-5", "words-9", "--categories", "coding, math", "--language", "all")
    assert code == 0, said
    # Of the 20 in two languages one of each category was there.
    assert "Words-5: 18 answers of 144 tokens are new, 2 were there before, 0 failed." in said
    assert {tuple(row.turns) for row in place.answers("words-5")} == {("word0 word1 word2 word3 word4",)}
    assert set(place.stub.paid().values()) == {1}
    assert place.stub.paid().total() == 2 * 27


@pytest.mark.slow
def test_what_can_t_be_had_is_named_and_the_exit_code_says_so(place: Place) -> None:
    code, said = place.run("answer", "mute", "html", "words-5", "--limit", "9", "--parallel", "1")
    assert code == 1
    assert "Mute: 0 answers are new, 0 were there before, 9 failed." in said
    assert "9 failed: answered nothing" in said
    assert "No answer came 5 times in a row: Html at http://127.0.0.1" in said
    assert "Words-5: 9 answers of 72 tokens are new" in said
    assert "Traceback" not in said


def test_an_unknown_contestant_is_named_with_whom_it_may_mean(place: Place) -> None:
    code, said = place.run("answer", "words-7")
    assert code == 1
    assert "There is no model of the catalogue 'words-7'; near it: words-" in said
    assert not place.stub.requests()


def test_a_file_of_one_s_own_is_checked_and_asked(place: Place) -> None:
    good, bad = place.folder / "mine.jsonl", place.folder / "bad.jsonl"
    rows = [{"question_id": number, "category": "chat", "turns": ["Hello?", "And now?"]} for number in range(3)]
    good.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    bad.write_text("\n".join(map(json.dumps, [*rows, rows[0]])), encoding="utf-8")
    assert place.run("questions", "--set", "mine.jsonl", "--check") == (
        0,
        "3 questions of set mine (no language) can be asked: chat 3.\n",
    )
    code, said = place.run("questions", "--set", "mine.jsonl")
    assert said.splitlines()[0] == "0 - chat (2 turns): Hello?"
    code, said = place.run("answer", "words-5", "--set", "bad.jsonl")
    assert code == 1
    assert "bad.jsonl, line 4: the question_id 0 was there before" in said
    assert not place.stub.requests()
    code, said = place.run("answer", "words-5", "--set", "mine.jsonl")
    assert (code, len(place.answers("words-5"))) == (0, 3)
    assert all(len(row.turns) == 2 for row in place.answers("words-5"))


def test_of_two_that_ask_for_answers_at_once_the_second_is_refused_and_nobody_is_asked_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch, postgres: Cluster
) -> None:
    with postgres.fresh() as url:
        place.environment["ARENA_DATABASE_URL"] = url
        monkeypatch.setenv("ARENA_DATABASE_URL", url)
        process = place.begin("answer", "words-5", "--parallel", "1")
        wait_for(lambda: place.has_answered(1), PATIENCE)
        code, said = place.run("answer", "words-5")
        assert code == 1
        assert "Another process is asking for answers already" in said
        code, said = ended(process)
        assert code == 0, said
        assert set(place.stub.paid().values()) == {1}
        code, said = place.run("answer", "words-5")
        assert (code, place.stub.paid().total()) == (0, 80), said


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_answered_and_says_how_to_go_on(place: Place) -> None:
    process = place.begin("answer", "words-5", "--parallel", "2")
    wait_for(lambda: place.has_answered(10), PATIENCE)
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 1
    assert "Stopped; what was answered is kept" in said
    assert "Traceback" not in said
    kept = len(place.answers("words-5"))
    assert 8 <= kept < 80
    assert f"Words-5: {kept} answers" in said
    assert f"{80 - kept} are left" in said
    code, said = place.run("answer", "words-5")
    assert code == 0, said
    assert len(place.answers("words-5")) == 80
    assert place.stub.paid().total() <= 80 + 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_any_moment_it_asks_once_but_for_what_was_under_way(place: Place) -> None:
    kills, parallel, rng = 6, 4, Random(6)
    for kill in range(1, kills + 1):
        process = place.begin("answer", "words-5", "words-9", "--parallel", str(parallel), "--language", "all")
        wait_for(partial(place.has_answered, 40 * kill + rng.randrange(10)), PATIENCE)
        process.kill()
        process.communicate(timeout=PATIENCE)
    code, said = place.run("answer", "words-5", "words-9", "--language", "all")
    assert code == 0, said
    for player in ("words-5", "words-9"):
        assert Counter(row.status for row in place.answers(player)) == {"finished": 160}
    paid = place.stub.paid()
    assert len(paid) == 320
    assert paid.total() - 320 <= kills * 2 * parallel


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_real_models_answer_questions_each_in_one_batch(tmp_path: Path) -> None:
    models = ("smollm2-135m-instruct-q4", "qwen2.5-coder-0.5b-instruct-q4")
    command = [sys.executable, "-m", "arena", "judge", "answer", *models, "--limit", "2", "--max-tokens", "24"]
    done = subprocess.run(
        command, env=environment(tmp_path), cwd=tmp_path, text=True, capture_output=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stderr
    with closing(Database(f"sqlite:///{tmp_path}/data/arena.db")) as database, database.read() as session:
        answers = answers_of(session)
    assert len(answers) == 4
    for row in answers:
        assert (row.status, row.source) == ("finished", None)
        assert row.turns[0].strip()
        assert 0 < (row.tokens or 0) <= 24
        assert (row.prompt_tokens or 0) > 10
