from __future__ import annotations

import csv
import hashlib
import hmac
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, CAT
from judged_rows import judge, of_battle
from pyarrow import parquet
from sqlalchemy.orm import Session
from voted import CATALOG, KEY, MEASURED, VOTER, arena_in, battle_id, cast, records, vote

from arena.exchange.exports import TEXT_FIELD, VOTE_FIELDS, battle_rows, labels_of_voted, pseudonym, votes_rows
from arena.exchange.fields import BATTLE, CONVERSATION, VOTE, names
from arena.exchange.files import write_rows
from db.imports import ImportedVote, import_votes
from db.judging import record_judgment
from db.outcome import Outcome
from db.session import Database
from db.tables import Vote

ENDINGS = ("csv", "jsonl", "parquet")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    with arena_in(tmp_path) as database:
        yield database


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- votes ---------------------------------------------------------------------------------------


def test_a_vote_is_told_with_a_pseudonym_and_in_utc(board: Database) -> None:
    cast(board, 1, Outcome.BOTH_BAD, ("one", "a", "b"), ("two", "c", "d"), category="writing", language="fr")
    (row,) = records(board)
    assert row == {
        "battle": battle_id(1),
        "time": "2026-03-01T12:30:15+00:00",
        "voter": hmac.new(KEY, VOTER.encode(), hashlib.sha256).hexdigest()[:16],
        "model_a": "ant",
        "model_b": "bee",
        "outcome": "both_bad",
        "turns": 2,
        "category": "writing",
        "language": "fr",
        "source": None,
        "status": "counted",
        "reason": None,
        "verified": False,
    }
    assert tuple(row) == VOTE_FIELDS
    assert datetime.fromisoformat(str(row["time"])).tzinfo == UTC


@pytest.mark.integrity
def test_no_reason_tells_whose_pseudonyms_shared_a_network(board: Database) -> None:
    reasons = {"ann": "biased", "bob": "network_biased", "zoe": "too_fast"}
    for number, (voter, reason) in enumerate(reasons.items()):
        cast(board, number, voter=voter)
        board.write(partial(_hold, battle=battle_id(number), reason=reason))
    rows = records(board, texts=True)
    assert [row["reason"] for row in rows] == ["biased", "biased", "too_fast"]
    assert [row["reason"] for row in battle_rows(rows, Counter())] == ["biased", "biased", "too_fast"]


def _hold(session: Session, battle: str, reason: str) -> None:
    row = session.get_one(Vote, battle)
    row.status, row.reason = "held", reason


def test_texts_come_on_request_with_what_they_took_and_follow_the_turns(board: Database) -> None:
    cast(board, 1, Outcome.A, ("one", "a", "b"), ("two", "c", "d"))
    (row,) = records(board, texts=True)
    assert row[TEXT_FIELD] == [
        {"prompt": "one", "answer_a": "a", "answer_b": "b", **MEASURED},
        {"prompt": "two", "answer_a": "c", "answer_b": "d", **MEASURED},
    ]


def test_no_file_holds_the_voter_himself(board: Database, tmp_path: Path) -> None:
    cast(board, 1)
    for ending in ENDINGS:
        path = tmp_path / f"v.{ending}"
        write_rows(path, (*VOTE, CONVERSATION), records(board, texts=True))
        assert VOTER.encode() not in path.read_bytes()
    assert VOTER not in str(parquet.read_table(tmp_path / "v.parquet").to_pylist())


def test_another_key_gives_other_pseudonyms(board: Database) -> None:
    cast(board, 1)
    told = {str(next(votes_rows(board, CATALOG, key))["voter"]) for key in (KEY, b"another")}
    assert len(told) == 2


def test_a_pseudonym_that_was_imported_stays_what_it_is() -> None:
    assert pseudonym("pseudonym:0123456789abcdef", KEY) == "0123456789abcdef"
    assert pseudonym("imported:ann", KEY) != pseudonym("ann", KEY)


def test_models_are_named_as_on_the_leaderboard(board: Database) -> None:
    cast(board, 1)
    changed = (ANT.model_copy(update={"context": 8192}), BEE)
    (row,) = votes_rows(board, changed, KEY)
    assert (row["model_a"], row["model_b"]) == (f"ant@{ANT.fingerprint[:8]}", "bee")


def test_a_contestant_nobody_voted_on_takes_no_name_from_others(board: Database) -> None:
    cast(board, 1)
    (row,) = votes_rows(board, (), KEY)
    assert row["model_a"] == "ant"


def test_a_judge_takes_no_name_from_others_either(board: Database) -> None:
    cast(board, 1)
    namesake = judge()
    namesake.model_id = "ant"
    board.write(lambda session: session.add(namesake))
    board.write(lambda session: record_judgment(session, of_battle(battle_id(1))))
    assert labels_of_voted(board, CATALOG) == {model.fingerprint: model.id for model in CATALOG}
    (row,) = votes_rows(board, CATALOG, KEY)
    assert row["model_a"] == "ant"


def test_a_contestant_who_gets_a_first_vote_while_others_are_read_is_named_too(
    board: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.exchange.exports._VOTES_AT_ONCE", 1)
    cast(board, 1)
    rows = votes_rows(board, (), KEY)
    next(rows)
    late = ImportedVote(
        battle_id(2), "ann", CAT.fingerprint, BEE.fingerprint, Outcome.B, 1, None, None, "late.csv", datetime.now(UTC)
    )
    board.write(lambda session: import_votes(session, [late], {}))
    (row,) = rows
    assert (row["model_a"], row["source"]) == ("cat", "late.csv")


def test_votes_beyond_one_part_come_all_and_in_order(board: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.exchange.exports._TEXTS_AT_ONCE", 50)
    monkeypatch.setattr("arena.exchange.exports._VOTES_AT_ONCE", 70)

    def many(session: Session) -> None:
        for n in range(203):
            vote(session, n, Outcome.TIE, (f"p{n}", "x", "y"))

    board.write(many)
    rows = records(board, texts=True)
    assert [row["battle"] for row in rows] == [battle_id(n) for n in range(203)]
    assert [row[TEXT_FIELD] for row in rows] == [
        [{"prompt": f"p{n}", "answer_a": "x", "answer_b": "y", **MEASURED}] for n in range(203)
    ]
    assert [row["battle"] for row in records(board)] == [battle_id(n) for n in range(203)]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_conversations_are_not_all_held_at_once(
    board: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("arena.exchange.exports._TEXTS_AT_ONCE", 20)
    monkeypatch.setattr("arena.exchange.files._TEXTS_AT_ONCE", 20)
    answer = "x" * 100_000

    def many(session: Session) -> None:
        for n in range(400):
            vote(session, n, Outcome.B, ("p", answer, "y"))

    board.write(many)
    path = tmp_path / f"v.{ending}"
    rows = votes_rows(board, CATALOG, KEY, texts=True)
    tracemalloc.start()
    assert write_rows(path, (*VOTE, CONVERSATION), rows) == 400
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ending == "parquet" or path.stat().st_size > 40_000_000
    assert peak < 15_000_000


def test_a_csv_cell_of_texts_is_json(board: Database, tmp_path: Path) -> None:
    text = '=1+1,"x"\r\n\u2028\x00蚁'
    cast(board, 1, Outcome.A, (text, "-a", ""))
    assert write_rows(tmp_path / "v.csv", (*VOTE, CONVERSATION), records(board, texts=True)) == 1
    (row,) = read_csv(tmp_path / "v.csv")
    assert json.loads(row[TEXT_FIELD]) == [{"prompt": text, "answer_a": "-a", "answer_b": "", **MEASURED}]
    assert row["outcome"] == "a"


def test_an_export_without_votes_is_a_header_or_nothing(board: Database, tmp_path: Path) -> None:
    assert [write_rows(tmp_path / f"v.{ending}", VOTE, records(board)) for ending in ENDINGS] == [0, 0, 0]
    assert (tmp_path / "v.csv").read_text() == ",".join(f'"{name}"' for name in VOTE_FIELDS) + "\n"
    assert (tmp_path / "v.jsonl").read_text() == ""
    assert parquet.read_table(tmp_path / "v.parquet").column_names == list(VOTE_FIELDS)


# -- battles -------------------------------------------------------------------------------------


def test_a_battle_is_both_conversations_whole_and_in_order(board: Database) -> None:
    cast(board, 1, Outcome.B, ("one", "<think>hm</think>a", "b"), ("two", "c", "d"))
    (row,) = battle_rows(records(board, texts=True), Counter())
    assert tuple(row) == names(BATTLE)
    assert row["messages_a"] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "<think>hm</think>a"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "c"},
    ]
    assert [message["content"] for message in row["messages_b"]] == ["one", "b", "two", "d"]  # type: ignore[attr-defined]
    assert {name: row[name] for name in ("model_a", "outcome", "category", "language")} == {
        "model_a": "ant", "outcome": "b", "category": "coding", "language": "en",
    }  # fmt: skip


def test_votes_that_came_without_texts_are_left_out_of_battles_and_counted(board: Database) -> None:
    late = partial(
        ImportedVote, voter="ann", a=ANT.fingerprint, b=BEE.fingerprint, turns=1, category=None, language=None
    )
    votes = [late(battle_id=battle_id(n), outcome=Outcome.B, source="x", created_at=datetime.now(UTC)) for n in (1, 2)]
    board.write(lambda session: import_votes(session, votes, {}))
    cast(board, 3)
    left_out: Counter[str] = Counter()
    assert [row["battle"] for row in battle_rows(records(board, texts=True), left_out)] == [battle_id(3)]
    assert left_out == {"imported without texts": 2}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_battles_are_the_same_in_both_forms(board: Database, tmp_path: Path, ending: str) -> None:
    cast(board, 1, Outcome.B, ("one\x00", "\u202ea", "🐜"), ("two", "c", "d"), category=None)
    told = list(battle_rows(records(board, texts=True), Counter()))
    path = tmp_path / f"b.{ending}"
    assert write_rows(path, BATTLE, told) == 1
    read = (
        [json.loads(line) for line in path.read_bytes().decode().splitlines()]
        if ending == "jsonl"
        else parquet.read_table(path).to_pylist()
    )
    for row in read:
        row["time"] = str(row["time"]).replace(" ", "T")
    assert read == told
