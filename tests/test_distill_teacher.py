"""`distill collect teacher | self-instruct` from the command line; the teachers are servers that follow rules."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from endpoint_stub import MODEL, Reply, Stub, Wire, refuses, says
from filelock import FileLock
from judge_stub import JudgeStub
from support import environment, wait_for, write_catalog
from typer.testing import CliRunner

from arena.cli import app
from arena.commands.distill_asked import Tutor, tutoring
from arena.commands.judge_work import Agreed
from arena.judge.asked import Asked
from arena.judge.asked import Reply as Answered
from arena.judge.questions import own_questions
from arena.settings import load_settings
from models.catalog import load_catalog
from models.chat import Done, Message, Sampling
from models.distill.collect.asking import Asking, Manner
from models.distill.collect.instruct import Inventing, Rules
from models.distill.collect.novelty import Novelty
from models.distill.collect.seeds import own_seeds, prompt_of
from models.distill.conversation import Conversation, Origin
from models.distill.files import read_conversations
from models.distill.problem import DistillProblem
from models.prices import Price

PRICES = """
[[tokens]]
model = "words-499"
host = "127.0.0.1"
input = 0
output = 10000
as_of = 2026-01-01
source = "a test"
"""
SMALL = "qwen2.5-coder-0.5b-instruct-q4"
TEACHERS = ("words-5", "words-499", "mute", "html")


class Place:
    """A folder with a catalogue of teachers, for verbs inside this process and in processes of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *entries: dict[str, object]) -> None:
        self.folder = folder
        catalog = write_catalog(folder / "catalog.toml", *entries) if entries else None
        self.environment = environment(folder, catalog)
        monkeypatch.chdir(folder)
        for name in {name for name in os.environ if name.startswith("ARENA_")} - self.environment.keys():
            monkeypatch.delenv(name)
        for name in {name for name in self.environment if name.startswith("ARENA_")}:
            monkeypatch.setenv(name, self.environment[name])
        self.prompts("Why?", "How?", "When?")

    def prompts(self, *texts: str) -> None:
        (self.folder / "prompts.txt").write_text("\n".join(texts), encoding="utf-8")

    def ask(self, teacher: str, *options: str, verb: str = "teacher", typed: str | None = None) -> tuple[int, str]:
        """The exit code and everything that is written on the screen."""
        given = ["--prompts", "prompts.txt"] if verb == "teacher" else []
        command = ["distill", "collect", verb, "--teacher", teacher, "--out", "out.jsonl", *given, *options]
        done = CliRunner().invoke(app, command, input=typed)
        return done.exit_code, done.output

    @property
    def out(self) -> list[Conversation]:
        return list(read_conversations(self.folder / "out.jsonl"))


@pytest.fixture(scope="module")
def stub() -> Iterator[JudgeStub]:
    with JudgeStub() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, stub: JudgeStub, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch, *(stub.entry(one, license="MIT", plays=False) for one in TEACHERS))


def test_a_teacher_answers_prompts_once(place: Place, stub: JudgeStub) -> None:
    before = len(stub.requests("words-5"))
    code, said = place.ask("Words-5")
    assert code == 0, said
    assert "3 answers are new in out.jsonl, 0 prompts were over before, 0 failed." in said
    assert "Words-5 read 4 tokens and generated 24, dollars not known." in said
    assert {one.messages[0].text for one in place.out} == {"Why?", "How?", "When?"}
    assert {one.messages[1].text for one in place.out} == {"word0 word1 word2 word3 word4"}
    assert {(one.origin.source, one.origin.teacher, one.origin.license) for one in place.out} == {
        ("distill collect teacher", "words-5", "MIT")
    }
    code, said = place.ask("words-5")
    assert (code, said) == (0, "All 3 prompts are over already; nothing was asked.\n")
    place.prompts("Why?", "Who?")
    code, said = place.ask("words-5")
    assert "1 answers are new in out.jsonl, 1 prompts were over before" in said
    assert len(stub.requests("words-5")) == before + 4
    assert not (place.folder / "data" / "arena.db").exists()


def test_our_own_seeds_are_asked_where_no_prompts_are_given(place: Place) -> None:
    command = ["distill", "collect", "teacher", "--teacher", "words-5", "--out", "out.jsonl", "--language", "zh"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert {one.id for one in place.out} == {one.id for one in own_seeds() if one.language == "zh"}


def test_failures_are_counted_asked_again_and_seen_in_the_exit_code(place: Place) -> None:
    code, said = place.ask("mute")
    assert code == 0
    assert "0 were cut at their longest and 3 empty; they are in out.jsonl.left-out." in said
    code, said = place.ask("html", "--parallel", "1")
    assert code == 1
    assert "0 answers are new in out.jsonl, 0 prompts were over before, 3 failed." in said
    assert "The same command asks for the failed ones again." in said
    assert "Traceback" not in said
    assert place.out == []


def test_an_unknown_teacher_and_a_style_that_is_not_there_are_named(place: Place) -> None:
    code, said = place.ask("words-7")
    assert code == 1
    assert "There is no model of the catalogue 'words-7'" in said
    code, said = place.ask("words-5", "--style", "@absent.txt")
    assert code == 1
    assert "The style absent.txt can't be read" in said


def test_prompts_that_the_judge_asks_too_are_told(place: Place) -> None:
    place.prompts("Why?", own_questions()[0].turns[0])
    code, said = place.ask("words-5")
    assert code == 0
    assert "Beware: 1 prompts are nearly questions of our judge" in said


def test_whoever_pays_is_asked_and_a_limit_ends_what_nobody_agreed_to(place: Place) -> None:
    (place.folder / "prices.toml").write_text(PRICES)
    run = ("--prices", "prices.toml", "--parallel", "1")
    code, said = place.ask("words-499", *run, "--dry-run")
    assert code == 0
    assert "3 requests, about 15 tokens to read and 900 to generate (estimated from characters): about 9.00" in said
    code, said = place.ask("words-499", *run)
    assert code == 1
    assert "above --limit-dollars" in said
    assert not (place.folder / "out.jsonl").exists()
    # The answers are far longer than was estimated, and nobody agreed to pay for that.
    code, said = place.ask("words-499", *run, "--limit-dollars", "9.5")
    assert code == 1
    assert "all that --limit-dollars allows; a higher limit or --yes lets another run go on." in said
    assert "are left" in said
    some = len(place.out)
    assert 0 < some < 3
    code, said = place.ask("words-499", *run, "--limit-dollars", "0", "--yes")
    assert code == 0, said
    assert len(place.out) == 3


def test_two_runs_into_one_file_do_not_both_pay(place: Place, stub: JudgeStub) -> None:
    before = len(stub.requests())
    with FileLock(place.folder / ".out.jsonl.lock"):
        for verb, *options in (("teacher",), ("self-instruct", "--count", "3")):
            code, said = place.ask("words-5", *options, verb=verb)
            assert code == 1
            assert said == "out.jsonl is being written by another process; wait until it ends, or give another --out.\n"
    assert len(stub.requests()) == before
    assert place.ask("words-5")[0] == 0


class Metered(Asked):
    """Whoever is asked takes a moment, the third one in four a longer one; it counts what it is sent."""

    def __init__(self) -> None:
        super().__init__({})
        self.sent = 0

    def parallel(self, spec_id: str, wanted: int | None = None) -> int:
        return 4

    async def reply(
        self, spec_id: str, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> Answered:
        self.sent += 1
        await asyncio.sleep(0.02 if self.sent % 4 == 3 else 0.001)
        return Answered("Because.", Done("stop", 1000, 0))


def test_what_is_under_way_when_the_limit_is_reached_was_paid_for_and_is_kept(tmp_path: Path) -> None:
    metered = Metered()
    tutor = Tutor(load_catalog()[0], metered, Agreed(Price(0, 50), 1.0), None)
    prompts = [prompt_of(f"Question number {number}?") for number in range(60)]
    asking = Asking(prompts, tmp_path / "out.jsonl", Origin("a test", "metered"), Manner(Sampling()))
    with pytest.raises(DistillProblem, match="all that --limit-dollars allows"):
        asyncio.run(asking.run(tutor))
    assert metered.sent == asking.summary.new == len(list(read_conversations(tmp_path / "out.jsonl")))
    assert 20 < metered.sent <= 20 + 4


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code", "says"), [(signal.SIGKILL, -9, ""), (signal.SIGINT, 1, "Stopped. What came")])
def test_a_run_that_was_ended_goes_on_and_no_prompt_is_answered_twice(
    how: signal.Signals, code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JudgeStub(latency=0.2) as slow:
        place = Place(tmp_path, monkeypatch, *(slow.entry(one) for one in TEACHERS[:2]))
        place.prompts(*(f"Question number {number}?" for number in range(24)))
        command = [sys.executable, "-m", "arena", "distill", "collect", "teacher", "--teacher", "words-5"]
        options = ["--prompts", "prompts.txt", "--out", "out.jsonl", "--parallel", "2"]
        process = subprocess.Popen(
            [*command, *options], env=place.environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        out = tmp_path / "out.jsonl"
        wait_for(lambda: out.exists() and out.read_bytes().count(b"\n") >= 4, 60)
        process.send_signal(how)
        _, told = process.communicate(timeout=60)
        assert process.returncode == code
        assert says in told
        assert "Traceback" not in told
        there = len(place.out)
        assert there < 24
        again, said = place.ask("words-5")
        assert again == 0, said
        assert f"{24 - there} answers are new in out.jsonl, {there} prompts were over before" in said
        assert sorted(one.messages[0].text for one in place.out) == sorted(f"Question number {n}?" for n in range(24))
        assert slow.paid().total() <= 24 + 2  # those under way were lost with the process


def inventor() -> Reply:
    """Lists two new tasks and an old one where it is asked for tasks; answers everything else, thinking first."""
    rounds = count()

    async def reply(wire: Wire) -> None:
        question = wire.asked.body["messages"][-1]["content"]
        if "numbered list" in question:
            number = next(rounds)
            tasks = [" ".join(f"{act}{number}{letter}" for letter in "abcde") for act in ("sing", "dance")]
            text = "\n".join(f"{place}. {task}" for place, task in enumerate([*tasks, tasks[0]], start=5))
        else:
            text = f"<think>Hm.</think>Answer to {question}"
        await says(text, took=(11, 7))(wire)

    return reply


def test_tasks_are_invented_and_answered_and_a_second_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stub([inventor()]) as stub:
        entry: dict[str, object] = {
            "engine": "endpoint", "quantization": "none", "license": "proprietary", "makers": ["them"],
            "endpoint": {"url": stub.url, "model": MODEL},
        }  # fmt: skip
        place = Place(tmp_path, monkeypatch, {"id": "far", "name": "Far", **entry}, {"id": "b", "name": "B", **entry})
        options = ("--language", "en", "--style", "Be brief.", "--parallel", "1")
        code, said = place.ask("far", "--count", "4", *options, verb="self-instruct")
        assert code == 0, said
        assert "4 tasks are new, 0 were invented before; in all 2 were dropped: 2 not new" in said
        assert "4 answers are new in out.jsonl, 0 prompts were over before, 0 failed." in said
        asked = len(stub.questions)
        assert asked == 2 + 4
        code, said = place.ask("far", "--count", "4", *options, verb="self-instruct")
        assert (code, said) == (0, "All 4 tasks are invented and over already; nothing was asked.\n")
        code, said = place.ask("far", "--count", "6", *options, verb="self-instruct")
        assert code == 0, said
        assert "2 tasks are new, 4 were invented before" in said
        assert len(stub.questions) == asked + 1 + 2
        systems = [one.body["messages"][0] for one in stub.questions if len(one.body["messages"]) == 2]
        assert systems == [{"role": "system", "content": "Be brief."}] * 6
    assert len(place.out) == 6
    for one in place.out:
        assert one.messages[1].text == f"Answer to {one.messages[0].text}"
        assert (one.origin.source, one.origin.teacher) == ("distill collect self-instruct", f"{MODEL} (far)")
    journal = [json.loads(line) for line in (tmp_path / "out.jsonl.invented").read_text().splitlines()]
    assert [row["teacher"] for row in journal] == [f"{MODEL} (far)"] * 3


def test_a_teacher_that_is_gone_ends_it_with_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stub([inventor(), refuses(401, "wrong key")]) as stub:
        entry: dict[str, object] = {
            "engine": "endpoint", "quantization": "none", "license": "proprietary", "makers": ["them"],
            "endpoint": {"url": stub.url, "model": MODEL},
        }  # fmt: skip
        place = Place(tmp_path, monkeypatch, {"id": "far", "name": "Far", **entry}, {"id": "b", "name": "B", **entry})
        code, said = place.ask("far", "--count", "9", "--parallel", "1", "--language", "en", verb="self-instruct")
    assert code == 1
    assert "No answer came 5 times in a row" in said
    assert "What came is kept, and the same command goes on from there." in said
    assert "2 tasks are new, 0 were invented before" in said


@pytest.mark.slow
def test_a_small_model_of_ours_teaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers in the style that it was given; of what it invents only what is new is kept."""
    place = Place(tmp_path, monkeypatch)
    place.prompts("What is the capital of France?", "Name a bird that can't fly.")
    style = "Answer in capital letters, in one short sentence."
    code, said = place.ask(SMALL, "--style", style, "--max-tokens", "24", "--keep-cut")
    assert code == 0, said
    assert {one.messages[0].text for one in place.out} == {
        "What is the capital of France?", "Name a bird that can't fly.",
    }  # fmt: skip
    assert "PARIS" in " ".join(one.messages[1].text for one in place.out).upper()
    assert {one.origin.teacher for one in place.out} == {SMALL}

    spec = next(one for one in load_catalog() if one.id == SMALL)
    rules = Rules(replace(spec.chat_sampling(), max_tokens=120, temperature=1.0), ("en",), wanted=2, barren=1)
    work = Inventing(own_seeds(), tmp_path / "invented", SMALL, rules)
    with tutoring(spec, load_settings(), Agreed(None, None), 1) as tutor, suppress(DistillProblem):
        asyncio.run(work.run(tutor, 1))  # so small a teacher may fail to invent anything new
    (row,) = [json.loads(line) for line in (tmp_path / "invented").read_text().splitlines()]
    assert row["kept"] or row["dropped"], "its list could not be read"
    known = Novelty([one.text for one in own_seeds()])
    assert all(known.nearest(task).similarity < rules.similarity for task in row["kept"])
