"""`distill collect files` from the command line, on what `export` of the same arena wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from arenas import ANT, BEE
from support import write_catalog
from typer.testing import CliRunner
from voted import arena_in, cast

from arena.cli import app
from db.outcome import Outcome
from models.chat import Message
from models.distill.conversation import Conversation, Origin
from models.distill.files import read_conversations, write_conversations


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an arena whose ant has a license that goes along with what it teaches."""
    for name in os.environ:
        if name.startswith("ARENA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    entries = [
        {
            **spec.model_dump(include={"id", "name", "engine", "quantization", "makers", "url", "script"}),
            "license": license_id,
        }
        for spec, license_id in ((ANT, "Gemma"), (BEE, "Apache-2.0"))
    ]
    monkeypatch.setenv("ARENA_CATALOG", str(write_catalog(tmp_path / "catalog.toml", *entries)))
    return tmp_path


def collected(*arguments: str, fails: bool = False) -> str:
    result = CliRunner().invoke(app, ["distill", "collect", "files", *arguments, "--out", "c.jsonl"])
    assert result.exit_code == (1 if fails else 0), result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def test_an_arena_s_own_battles_become_conversations_under_the_licenses_of_its_contestants(place: Path) -> None:
    with arena_in(place / "data") as database:
        cast(database, 1, Outcome.A, ("Why?", "good", "bad"))
        cast(database, 2, Outcome.TIE, ("How?", "so", "thus"))
    result = CliRunner().invoke(app, ["export", "battles", "--out", "battles.jsonl"])
    assert result.exit_code == 0, result.output
    said = collected("battles.jsonl")
    assert said == (
        "Wrote 4 conversations to c.jsonl (4 Paddock's battles).\n"
        "The license of a student of all of them: that of its base; data: share-alike (Gemma).\n"
    )
    read = [(one.origin.teacher, one.origin.license, one.origin.source) for one in read_conversations(Path("c.jsonl"))]
    assert read == [
        ("ant", "Gemma", "battles.jsonl (won)"),
        ("bee", "Apache-2.0", "battles.jsonl (lost)"),
        ("ant", "Gemma", "battles.jsonl (tie)"),
        ("bee", "Apache-2.0", "battles.jsonl (tie)"),
    ]


def test_data_as_alpaca_s_says_what_its_student_may_not_do(place: Path) -> None:
    row = {"instruction": "Sing.", "output": "la"}
    Path("alpaca.json").write_text(json.dumps([row, row, {**row, "output": "li"}]))
    said = collected("alpaca.json", "--teacher", "text-davinci-003", "--license", "CC-BY-NC-4.0")
    assert said == (
        "Wrote 2 conversations to c.jsonl (2 Alpaca; left out: 1 already there).\n"
        "The license of a student of all of them: that of its base; data: non-commercial (CC-BY-NC-4.0), "
        "no competing models (taught by text-davinci-003).\n"
    )


def test_a_contestant_behind_an_endpoint_goes_by_its_model_s_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = {
        "id": "house", "name": "House", "engine": "endpoint", "quantization": "none", "license": "proprietary",
        "makers": ["OpenAI"], "endpoint": {"url": "https://api.openai.com/v1", "model": "gpt-4o"}, "context": 8192,
    }  # fmt: skip
    catalog = write_catalog(place / "far.toml", far, {**far, "id": "den", "name": "Den"})
    monkeypatch.setenv("ARENA_CATALOG", str(catalog))
    spoken = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    sides = {"messages_a": spoken, "messages_b": spoken, "model_a": "house", "model_b": "den"}
    Path("battles.jsonl").write_text(json.dumps({"battle": "1", "outcome": "tie", **sides}))
    assert "no competing models (taught by gpt-4o (den), taught by gpt-4o (house))" in collected("battles.jsonl")


@pytest.mark.parametrize("verb", ["teacher", "self-instruct"])
def test_answers_that_a_teacher_was_paid_for_are_never_replaced(place: Path, verb: str) -> None:
    source = f"distill collect {verb}"
    answers = [
        Conversation(
            name, (Message("user", name), Message("assistant", "So.")), Origin(source, "gpt-4o", "proprietary")
        )
        for name in ("Why?", "How?")
    ]
    write_conversations(Path("c.jsonl"), answers)
    Path("chats.jsonl").write_text('{"messages": [{"role": "user", "content": "q"}]}\n')
    with Path("c.jsonl").open("a") as file:
        file.write('{"id": "cut')
    before = Path("c.jsonl").read_bytes()
    said = collected("chats.jsonl", fails=True)
    assert said == (
        "c.jsonl holds 2 answers that a teacher was asked for, which this would replace; give another --out.\n"
    )
    assert Path("c.jsonl").read_bytes() == before
    write_conversations(Path("answers.jsonl"), answers)
    collected("chats.jsonl", "answers.jsonl")
    collected("answers.jsonl", "chats.jsonl")
    assert {one.id for one in read_conversations(Path("c.jsonl"))} > {"Why?", "How?"}


def test_data_without_a_license_is_asked_for_one(place: Path) -> None:
    Path("chats.jsonl").write_text('{"messages": [{"role": "user", "content": "q"}]}\n')
    assert "1 of them name no license; --license states it." in collected("chats.jsonl")


def test_a_role_unknown_is_one_sentence_and_nothing_is_written(place: Path) -> None:
    Path("chats.json").write_text('[\n{"conversations": [{"from": "wizard", "value": "x"}]}\n]')
    said = collected("chats.json", fails=True)
    assert said.startswith("chats.json, row 1 (line 2): role 'wizard' is unknown; known are system, ")
    assert said.count("\n") == 1
    assert not Path("c.jsonl").exists()
