from __future__ import annotations

import csv
import hashlib
import hmac
import itertools
import json
import os
import random
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from arena.exports import (
    TEXT_FIELD,
    VOTE_FIELDS,
    ExportError,
    harmless,
    json_line,
    votes_rows,
    write_csv,
    write_jsonl,
    write_text,
)
from arena.leaderboard import Leaderboard
from db.outcome import Outcome
from db.queries import enrol, open_battle
from db.schema import open_database
from db.session import Database
from db.tables import Battle, Contestant, Turn
from db.votes import record_vote
from models.catalog import ModelSpec

NOW = datetime(2026, 3, 1, 13, 30, 15, 999_000, tzinfo=timezone(timedelta(hours=1)))
KEY = b"a key of this arena"
VOTER = "a-cookie-that-must-not-leak"

MEASURED: dict[str, Any] = {
    "reason_a": "stop", "reason_b": "length", "tokens_a": 11, "tokens_b": 12,
    "prompt_tokens_a": 3, "prompt_tokens_b": 4,
    "first_token_seconds_a": 0.25, "first_token_seconds_b": 0.5, "seconds_a": 1.5, "seconds_b": 2.5, "joules_a": None,
    "joules_b": 9.5,
}  # fmt: skip

FORMULAS = (
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", "\n@x",
    "＝1+1", "＋1", "－1", "＠x", "\ufeff=1", "\x00=1", "\u200b-1",
)  # fmt: skip


def spec(model: str) -> ModelSpec:
    return ModelSpec(
        id=model, name=model.title(), engine="scripted", quantization="Q4_K_M", license="MIT", makers=("us",)
    )


ANT, BEE = spec("ant"), spec("bee")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/arena.db")
    for model in (ANT, BEE):
        row = Contestant(
            fingerprint=model.fingerprint, model_id=model.id, name=model.name, engine=model.engine,
            quantization="Q4_K_M", license="MIT", url="", identity=model.identity, created_at=NOW,
        )  # fmt: skip
        database.write(partial(enrol, contestant=row))
    yield database
    database.close()


def vote(session: Session, battle: str, outcome: Outcome, *texts: tuple[str, str, str]) -> None:
    row = Battle(
        id=battle, voter=VOTER, contestant_a=ANT.fingerprint, contestant_b=BEE.fingerprint, probability=1.0,
        status="open", created_at=NOW, finished_at=NOW,
    )  # fmt: skip
    turns = [
        Turn(
            battle_id=battle, position=place, attempt=0, prompt=prompt, answer_a=a, answer_b=b, seed=1,
            status="finished", started_at=NOW, **MEASURED,
        )
        for place, (prompt, a, b) in enumerate(texts or [("p", "x", "y")])
    ]  # fmt: skip
    open_battle(session, row, turns[0])
    session.add_all(turns[1:])
    record_vote(session, battle, VOTER, outcome, NOW, timedelta(hours=1))


def cast(database: Database, battle: str, outcome: Outcome = Outcome.A, *texts: tuple[str, str, str]) -> None:
    database.write(lambda session: vote(session, battle, outcome, *texts))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- votes ---------------------------------------------------------------------------------------


def test_a_vote_is_told_with_a_pseudonym_and_in_utc(board: Database) -> None:
    cast(board, "b1", Outcome.BOTH_BAD, ("one", "a", "b"), ("two", "c", "d"))
    (row,) = votes_rows(board, (ANT, BEE), KEY)
    assert row == {
        "battle": "b1",
        "time": "2026-03-01T12:30:15+00:00",
        "voter": hmac.new(KEY, VOTER.encode(), hashlib.sha256).hexdigest()[:16],
        "model_a": "ant",
        "model_b": "bee",
        "outcome": "both_bad",
        "turns": 2,
    }
    assert tuple(row) == VOTE_FIELDS
    assert datetime.fromisoformat(str(row["time"])).tzinfo == UTC


def test_texts_come_on_request_with_what_they_took_and_follow_the_turns(board: Database) -> None:
    cast(board, "b1", Outcome.A, ("one", "a", "b"), ("two", "c", "d"))
    (row,) = votes_rows(board, (ANT, BEE), KEY, texts=True)
    assert row[TEXT_FIELD] == [
        {"prompt": "one", "answer_a": "a", "answer_b": "b", **MEASURED},
        {"prompt": "two", "answer_a": "c", "answer_b": "d", **MEASURED},
    ]


def test_no_file_holds_the_voter_himself(board: Database, tmp_path: Path) -> None:
    cast(board, "b1")
    write_jsonl(tmp_path / "v.jsonl", votes_rows(board, (ANT, BEE), KEY, texts=True))
    write_csv(tmp_path / "v.csv", (*VOTE_FIELDS, TEXT_FIELD), votes_rows(board, (ANT, BEE), KEY, texts=True))
    for name in ("v.jsonl", "v.csv"):
        assert VOTER not in (tmp_path / name).read_text(encoding="utf-8")


def test_another_key_gives_other_pseudonyms(board: Database) -> None:
    cast(board, "b1")
    names = {str(next(votes_rows(board, (ANT, BEE), key))["voter"]) for key in (KEY, b"another")}
    assert len(names) == 2


def test_models_are_named_as_on_the_leaderboard(board: Database) -> None:
    cast(board, "b1")
    changed = (ANT.model_copy(update={"context": 8192}), BEE)
    listed = {row.fingerprint: row.model for row in Leaderboard(board, changed).refresh()}
    (row,) = votes_rows(board, changed, KEY)
    assert row["model_a"] == listed[ANT.fingerprint] == f"ant@{ANT.fingerprint[:8]}"


def test_votes_beyond_one_chunk_come_all_and_in_order(board: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.exports._BATTLES_AT_ONCE", 50)

    def many(session: Session) -> None:
        for n in range(203):
            vote(session, f"b{n}", Outcome.TIE, (f"p{n}", "x", "y"))

    board.write(many)
    rows = list(votes_rows(board, (ANT, BEE), KEY, texts=True))
    assert [row["battle"] for row in rows] == [f"b{n}" for n in range(203)]
    assert [row[TEXT_FIELD] for row in rows] == [
        [{"prompt": f"p{n}", "answer_a": "x", "answer_b": "y", **MEASURED}] for n in range(203)
    ]


def test_conversations_are_not_all_held_at_once(
    board: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.exports._BATTLES_AT_ONCE", 20)
    answer = "x" * 100_000

    def many(session: Session) -> None:
        for n in range(400):
            vote(session, f"b{n}", Outcome.B, ("p", answer, "y"))

    board.write(many)
    tracemalloc.start()
    assert write_jsonl(tmp_path / "v.jsonl", votes_rows(board, (ANT, BEE), KEY, texts=True)) == 400
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "v.jsonl").stat().st_size > 40_000_000
    assert peak < 15_000_000


def test_a_csv_cell_of_texts_is_json(board: Database, tmp_path: Path) -> None:
    text = '=1+1,"x"\r\n\u2028\x00蚁'
    cast(board, "b1", Outcome.A, (text, "-a", ""))
    assert (
        write_csv(tmp_path / "v.csv", (*VOTE_FIELDS, TEXT_FIELD), votes_rows(board, (ANT, BEE), KEY, texts=True)) == 1
    )
    (row,) = read_csv(tmp_path / "v.csv")
    assert json.loads(row[TEXT_FIELD]) == [{"prompt": text, "answer_a": "-a", "answer_b": "", **MEASURED}]
    assert row["outcome"] == "a"


def test_an_export_without_votes_is_a_header_or_nothing(board: Database, tmp_path: Path) -> None:
    assert write_csv(tmp_path / "v.csv", VOTE_FIELDS, votes_rows(board, (ANT, BEE), KEY)) == 0
    assert (tmp_path / "v.csv").read_text() == '"battle","time","voter","model_a","model_b","outcome","turns"\n'
    assert write_jsonl(tmp_path / "v.jsonl", votes_rows(board, (ANT, BEE), KEY)) == 0
    assert (tmp_path / "v.jsonl").read_text() == ""


# -- hostile texts -------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_spreadsheet_never_runs_a_cell(formula: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "f.csv", ["cell"], [{"cell": formula}])
    (row,) = read_csv(tmp_path / "f.csv")
    assert row["cell"] == f"'{formula}"


@pytest.mark.parametrize("text", ["", " ", "a=b", "1-1", "x@y", "'=1", "(=1)", "[-1]", "蚁", "🐜", "\n"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("number", [-1, -2.5, 0, 10**20, True])
def test_numbers_stay_numbers(number: float, tmp_path: Path) -> None:
    write_csv(tmp_path / "n.csv", ["cell"], [{"cell": number}])
    assert read_csv(tmp_path / "n.csv")[0]["cell"] == str(number).lower()


def hostile_strings() -> list[str]:
    """200 texts that break careless writers: breaks, nulls, directions, joiners, halves of pairs, quotes, markup."""
    pieces = (
        "\x00", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x1c", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\u200b",
        "\u202e", "\u2066مرحبا\u2069", "שלום", "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "e\u0301", "\ud800", "\udfff x",
        "\uffff", "\U0010ffff", '"', "'",
        "\\", "\\u2028", "\\n", "</script>", "=1+1", "{}", "null", ",", ";", "%s", "蚁",
    )  # fmt: skip
    # A high half right before a low half is left out: JSON itself reads the two as one letter.
    chooser = random.Random(7)
    mixed = ("·".join(chooser.choices(pieces, k=chooser.randint(2, 6))) for _ in itertools.count())
    return [*pieces, *itertools.islice(mixed, 200 - len(pieces))]


def test_200_hostile_strings_come_back_identical_from_jsonl(tmp_path: Path) -> None:
    texts = hostile_strings()
    assert len(texts) == 200
    assert write_jsonl(tmp_path / "h.jsonl", ({"text": text, text: 1} for text in texts)) == 200
    whole = (tmp_path / "h.jsonl").read_bytes().decode("utf-8")
    assert len(whole.splitlines()) == whole.count("\n") == 200
    assert [json.loads(line) for line in whole.splitlines()] == [{"text": text, text: 1} for text in texts]


def test_200_hostile_strings_do_not_stop_a_csv(tmp_path: Path) -> None:
    texts = hostile_strings()
    write_csv(tmp_path / "h.csv", ["text", "json"], ({"text": text, "json": [text]} for text in texts))
    rows = read_csv(tmp_path / "h.csv")
    assert [json.loads(row["json"]) for row in rows] == [[text] for text in texts]
    plain = [n for n, text in enumerate(texts) if text.isprintable()]
    assert [rows[n]["text"] for n in plain] == [harmless(texts[n]) for n in plain]


@given(st.text())
def test_any_text_is_one_line_of_json(text: str) -> None:
    line = json_line([text])
    assert len(line.splitlines()) == 1
    assert json.loads(line.encode()) == [text]


# -- files ---------------------------------------------------------------------------------------


def test_a_failure_midway_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, object]]:
        yield {"x": 1}
        raise RuntimeError

    (tmp_path / "v.jsonl").write_text("old")
    with pytest.raises(RuntimeError):
        write_jsonl(tmp_path / "v.jsonl", broken())
    assert (tmp_path / "v.jsonl").read_text() == "old"
    assert os.listdir(tmp_path) == ["v.jsonl"]  # noqa: PTH208


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "t.csv", "a long first version")
    write_text(tmp_path / "t.csv", "short\r\n")
    assert (tmp_path / "t.csv").read_bytes() == b"short\r\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "x"


@pytest.mark.parametrize("name", ["missing/v.csv", "folder", "file/v.csv", "n" * 300])
def test_a_path_that_cannot_be_written_is_named_in_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ExportError) as caught:
        write_csv(tmp_path / name, ["x"], [])
    message = str(caught.value)
    assert str(tmp_path / name) in message
    assert message.endswith(".")
    assert "\n" not in message
    assert sorted(tmp_path.iterdir()) == before
