from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, database_with
from others import NOW, VOTES, refused, take_in, told, write
from sqlalchemy import text
from voted import CATALOG, KEY, VOTER, arena_in, battle_id, cast, records

from arena.boards.ledger import Ledger
from arena.exchange.exports import battle_rows
from arena.exchange.fields import BATTLE, CONVERSATION, STANDING, VOTE
from arena.exchange.files import write_rows
from arena.exchange.imports import MOST_MODELS, Columns
from arena.integrity.review import Review
from arena.integrity.reviewer import Reviewer
from db.outcome import Outcome
from db.queries import contestants
from db.session import Database
from db.voters import exclude_voter, include_voter, remember_voter
from db.votes import votes_after

LLMFAO = Columns(model_a="left", model_b="right", winner="winner", voter="worker")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    with arena_in(tmp_path) as database:
        yield database


# -- votes of others -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_votes_come_from_every_form_in_the_order_of_the_file(board: Database, tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"v.{ending}", VOTES)
    done = take_in(board, path)
    assert (done.added, done.known, done.named) == (2, 0, 0)
    assert told(board, "model_a", "model_b", "outcome", "turns", "time", "source") == [
        ("ant", "owl", "a", 1, "2026-05-01T12:00:00+00:00", path.name),
        ("owl", "emu", "tie", 1, "2026-05-01T12:00:00+00:00", path.name),
    ]


def test_a_known_name_is_that_contestant_and_another_a_new_one(board: Database, tmp_path: Path) -> None:
    take_in(board, write(tmp_path / "v.csv", VOTES))
    with board.read() as session:
        known = {row.model_id: row for row in contestants(session)}
        sides = [(vote.a, vote.b) for vote in votes_after(session, 0)]
    assert sides[0][0] == ANT.fingerprint
    owl = known["owl"]
    assert sides[0][1] == sides[1][0] == owl.fingerprint
    assert (owl.name, owl.engine, owl.quantization, owl.license, owl.url) == ("owl", "imported", "", "", "")


@pytest.mark.slow
def test_the_real_votes_are_there_once_however_often_they_are_imported(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "votes-llmfao" / "llmfao.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with closing(database_with(tmp_path)) as database:
        assert (take_in(database, path, LLMFAO).added, take_in(database, path, LLMFAO).added) == (8931, 0)
        outcomes = {"left": "a", "right": "b", "tie": "tie"}
        assert told(database, "model_a", "model_b", "outcome") == [
            (row["left"], row["right"], outcomes[row["winner"]]) for row in rows
        ]
        assert len({row["voter"] for row in records(database)}) == len({row["worker"] for row in rows}) == 124


def test_a_file_that_has_grown_adds_only_what_is_new(board: Database, tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    assert take_in(board, write(path, VOTES)).added == 2
    # The same vote again, by whom nobody knows: it is another one.
    done = take_in(board, write(path, (*VOTES, VOTES[0])))
    assert (done.added, done.known) == (1, 2)


OUTCOMES = {
    Outcome.A: ("a", "A", "left", "LEFT", "model_a", " Model_A "),
    Outcome.B: ("b", "right", "model_b"),
    Outcome.TIE: ("tie", "Tie"),
    Outcome.BOTH_BAD: ("both_bad", "both bad", "BothBad", "tie (bothbad)", "Tie (BothBad)"),
}


def test_outcomes_are_recognised_in_any_case(board: Database, tmp_path: Path) -> None:
    meant = [(said, outcome) for outcome, words in OUTCOMES.items() for said in words]
    take_in(board, write(tmp_path / "v.csv", [{**VOTES[0], "winner": said} for said, _ in meant]))
    assert told(board, "outcome") == [(outcome.value,) for _, outcome in meant]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("said", ["neither", "", "ant", "1"])
def test_an_unknown_outcome_is_an_error_that_names_the_line(
    board: Database, tmp_path: Path, ending: str, said: str
) -> None:
    path = write(tmp_path / f"v.{ending}", (*VOTES, {**VOTES[0], "winner": said}))
    line = {"csv": "line 4", "jsonl": "line 3", "parquet": "row 3"}[ending]
    sentence = refused(board, path)
    assert f"{path}, {line}: '{said}' is no outcome; there are a, left, model_a," in sentence
    assert "tie (bothbad) (column 'winner')." in sentence


def test_a_model_against_itself_is_an_error_that_names_the_line(board: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "v.csv", (VOTES[0], {**VOTES[0], "model_b": "ant"}))
    assert f"{path}, line 3: 'ant' is compared with itself (columns 'model_a', 'model_b')." in refused(board, path)


def test_a_row_is_named_by_the_line_it_begins_in(board: Database, tmp_path: Path) -> None:
    rows = [{**VOTES[0], "note": "three\nlines\nlong"}, {**VOTES[0], "note": "", "winner": "?"}]
    path = write(tmp_path / "v.csv", rows)
    assert f"{path}, line 5: '?'" in refused(board, path)


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        (Columns(model_a="left"), "'left'"),
        (Columns(winner="result", voter="who"), "'who'"),
        (Columns(), "'outcome or winner'"),
    ],
)
def test_a_column_that_is_missing_is_named_with_those_that_are_there(
    board: Database, tmp_path: Path, columns: Columns, missing: str
) -> None:
    path = write(tmp_path / "v.csv", [{"model_a": "ant", "model_b": "owl", "result": "a"}])
    assert f"{path} has no column {missing}; there are: 'model_a', 'model_b', 'result'." in refused(
        board, path, columns
    )


# -- voters --------------------------------------------------------------------------------------


def voters(database: Database) -> list[str]:
    with database.read() as session:
        return [vote.voter for vote in votes_after(session, 0)]


def test_voters_keep_their_names_apart_from_ours_and_pseudonyms_stay(board: Database, tmp_path: Path) -> None:
    names = ["ann", 58, "0123456789abcdef", "ann", None]
    take_in(board, write(tmp_path / "v.jsonl", [{**VOTES[0], "voter": name} for name in names]))
    assert voters(board)[:4] == ["imported:ann", "imported:58", "pseudonym:0123456789abcdef", "imported:ann"]
    assert voters(board)[4].startswith("unknown:")
    assert records(board)[2]["voter"] == "0123456789abcdef"
    assert "ann" not in str(records(board)[0]["voter"])


def test_without_voters_each_vote_is_anothers(board: Database, tmp_path: Path) -> None:
    done = take_in(board, write(tmp_path / "v.csv", [VOTES[0]] * 5))
    assert done.columns.voter == ""
    assert len(set(voters(board))) == 5


# -- LMArena's form ------------------------------------------------------------------------------

LMARENA = {
    "question_id": "q1", "model_a": "gpt-4", "model_b": "vicuna-13b", "winner": "tie (bothbad)",
    "judge": "arena_user_7", "turn": 2, "anony": True, "language": "English", "tstamp": 1682351591.1322,
}  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_lmarena_s_public_form_needs_no_option(board: Database, tmp_path: Path, ending: str) -> None:
    rows = [LMARENA, {**LMARENA, "anony": False}, {**LMARENA, "language": "unknown", "winner": "model_b"}]
    done = take_in(board, write(tmp_path / f"v.{ending}", rows))
    assert (done.added, done.named) == (2, 1)
    assert told(board, "model_a", "model_b", "outcome", "turns", "language", "time") == [
        ("gpt-4", "vicuna-13b", "both_bad", 2, "en", "2023-04-24T15:53:11+00:00"),
        ("gpt-4", "vicuna-13b", "b", 2, None, "2023-04-24T15:53:11+00:00"),
    ]
    assert voters(board) == ["imported:arena_user_7"] * 2


def test_lmarena_s_conversations_become_turns(board: Database, tmp_path: Path) -> None:
    def said(*texts: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text} for role, text in zip(itertools.cycle(("user", "assistant")), texts)]

    row = {**LMARENA, "conversation_a": said("p", "x", "q", "y"), "conversation_b": said("p", "u", "q", "v")}
    for ending in ("jsonl", "parquet"):
        take_in(board, write(tmp_path / f"v.{ending}", [{**row, "question_id": ending}]))
    assert [[(turn["prompt"], turn["answer_a"], turn["answer_b"]) for turn in vote["conversation"]]  # type: ignore[attr-defined]
            for vote in records(board, texts=True)] == [[("p", "x", "u"), ("q", "y", "v")]] * 2  # fmt: skip
    other = write(tmp_path / "o.jsonl", [{**row, "conversation_b": said("another", "u")}])
    assert "--no-texts imports the votes alone" in refused(board, other)
    take_in(board, other, texts=False)
    assert records(board, texts=True)[-1]["conversation"] == []


# -- there and back ------------------------------------------------------------------------------


def hostile_votes(database: Database) -> None:
    nasty = "=1+1\x00\u202e\u2028🐜</script>\r\n"
    cast(database, 1, Outcome.A, ("one" + nasty, "<think>x</think>" + nasty, ""), category=None, language=None)
    cast(database, 2, Outcome.BOTH_BAD, ("one", "a", "b"), ("two", "c", "d"), voter="bob", category="writing")
    cast(database, 3, Outcome.TIE, voter="ann")


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_what_was_exported_comes_back_the_same(board: Database, tmp_path: Path, ending: str, texts: bool) -> None:
    hostile_votes(board)
    take_in(board, write(tmp_path / "others.csv", [{**VOTES[0], "voter": "x"}, VOTES[1] | {"voter": ""}]))
    fields = (*VOTE, CONVERSATION) if texts else VOTE
    first, second = tmp_path / f"1.{ending}", tmp_path / f"2.{ending}"
    write_rows(first, fields, records(board, texts=texts))
    with closing(database_with(tmp_path / "other")) as other:
        assert take_in(other, first).added == 5
        write_rows(second, fields, records(other, texts=texts))
        assert take_in(other, second).added == 0
        assert records(other, texts=texts) == records(board, texts=texts)
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_battles_that_were_exported_come_back_as_votes_with_their_texts(
    board: Database, tmp_path: Path, ending: str
) -> None:
    hostile_votes(board)
    path = tmp_path / f"b.{ending}"
    write_rows(path, BATTLE, battle_rows(records(board, texts=True), Counter()))
    with closing(database_with(tmp_path / "other")) as other:
        assert take_in(other, path).added == 3
        assert records(other) == records(board)
        assert list(battle_rows(records(other, texts=True), Counter())) == list(
            battle_rows(records(board, texts=True), Counter())
        )


def test_a_battle_that_stands_twice_in_an_export_is_an_error(board: Database, tmp_path: Path) -> None:
    cast(board, 1)
    path = tmp_path / "v.jsonl"
    write_rows(path, VOTE, records(board) * 2)
    assert f"line 2: the battle {battle_id(1)} stands in the file before" in refused(board, path)


def test_pseudonyms_made_with_another_key_are_the_same_people_here(board: Database, tmp_path: Path) -> None:
    hostile_votes(board)
    path = tmp_path / "v.jsonl"
    write_rows(path, VOTE, records(board))
    with closing(database_with(tmp_path / "other")) as other:
        take_in(other, path)
        from arena.exchange.exports import votes_rows

        assert [row["voter"] for row in votes_rows(other, CATALOG, KEY + b"!")] == [
            row["voter"] for row in records(board)
        ]


FORMULA = "=cmd|' /C calc'!A0"


def test_our_csv_comes_back_without_what_was_put_before_formulas(board: Database, tmp_path: Path) -> None:
    take_in(board, write(tmp_path / "others.jsonl", [{**VOTES[0], "model_b": FORMULA, "category": "-x"}]))
    path = tmp_path / "v.csv"
    write_rows(path, VOTE, records(board))
    assert f"'{FORMULA}" in path.read_text()
    with closing(database_with(tmp_path / "other")) as other:
        take_in(other, path)
        assert records(other) == records(board)


def test_in_a_csv_of_others_a_quote_belongs_to_the_name(board: Database, tmp_path: Path) -> None:
    take_in(board, write(tmp_path / "v.csv", [{**VOTES[0], "model_b": "'=1"}]))
    assert told(board, "model_b") == [("'=1",)]


# -- columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["model_a", "model_b"])
def test_a_column_of_something_else_than_models_is_refused(board: Database, tmp_path: Path, role: str) -> None:
    path = write(tmp_path / "v.csv", [{**VOTES[0], role: f"id {number}"} for number in range(MOST_MODELS + 5)])
    option = role.replace("_", "-")
    assert refused(board, path).endswith(f": more than 1,000 models; is --{option} the right column?")
    with board.read() as session:
        assert len(contestants(session)) == len(CATALOG)


def test_as_many_models_as_may_be_are_taken_in(board: Database, tmp_path: Path) -> None:
    fresh = MOST_MODELS - len(CATALOG)
    path = write(tmp_path / "v.csv", [{**VOTES[0], "model_b": f"m {number}"} for number in range(fresh)])
    assert take_in(board, path).added == fresh
    assert ", line 2: more than 1,000 models" in refused(board, write(tmp_path / "w.csv", VOTES))


def test_columns_that_were_guessed_are_told(board: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "v.csv", [{**VOTES[0], "judge": "ann", "tstamp": "1700000000"}])
    some = Columns(model_a="model_a", model_b="model_b", winner="winner")
    assert take_in(board, path, some).columns.guessed(some) == "voter ← judge, time ← tstamp"
    every = Columns("model_a", "model_b", "winner", "judge", "tstamp")
    assert take_in(board, path, every).columns.guessed(every) == ""


def test_an_optional_column_can_be_declined_and_a_needed_one_can_not(board: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "v.csv", [{**VOTES[0], "category": "c", "language": "en", "judge": "ann"}])
    take_in(board, path, Columns(category="-", language="-", voter="-"))
    assert told(board, "category", "language") == [(None, None)]
    assert voters(board)[0].startswith("unknown:")
    assert "has no column '-'" in refused(board, path, Columns(winner="-"))


def test_columns_of_jsonl_are_those_of_all_objects(board: Database, tmp_path: Path) -> None:
    take_in(board, write(tmp_path / "v.jsonl", [VOTES[0], {**VOTES[1], "judge": "ann", "category": "coding"}]))
    assert told(board, "category") == [(None,), ("coding",)]
    assert voters(board)[1] == "imported:ann"


def test_what_a_sentence_names_is_cut_and_can_not_drive_a_terminal(board: Database, tmp_path: Path) -> None:
    nasty = "\x1b[2J" + "x" * 100_000
    mirrored = write(tmp_path / "a.jsonl", [{**VOTES[0], "model_a": nasty, "model_b": nasty}])
    assert "line 1: '\\x1b[2Jxxx" in refused(board, mirrored)
    for cell in ({"winner": nasty}, {"tstamp": nasty}, {"anony": nasty}, {"turn": nasty}, {"voter": [nasty]}):
        assert "…" in refused(board, write(tmp_path / "b.jsonl", [VOTES[0] | cell]))
    many = write(tmp_path / "c.jsonl", [{f"{number}{nasty}": 1 for number in range(50)}])
    assert "and 30 more" in refused(board, many)


# -- who counts ----------------------------------------------------------------------------------


def exclude(database: Database, voter: str, reason: str = "spam") -> None:
    database.write(partial(exclude_voter, voter=voter, reason=reason, now=NOW))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("texts", [True, False])
def test_whether_votes_count_and_who_is_verified_comes_back_as_it_was(
    board: Database, tmp_path: Path, ending: str, texts: bool
) -> None:
    board.write(partial(remember_voter, voter="bob", source="proxy", verified=True, now=NOW))
    for number, voter in enumerate(("ann", "bob", "cat", "bob"), 1):
        cast(board, number, voter=voter)
    exclude(board, "ann", "=odd, very")
    board.write(lambda session: session.execute(text("UPDATE vote SET status = 'held' WHERE sequence = 4")) and None)
    path, again = tmp_path / f"v.{ending}", tmp_path / f"again.{ending}"
    fields = (*VOTE, CONVERSATION) if texts else VOTE
    write_rows(path, fields, records(board, texts=texts))
    with arena_in(tmp_path / "other") as other:
        assert take_in(other, path).added == 4
        assert told(other, "status", "reason", "verified") == [
            ("excluded", "=odd, very", False), ("counted", None, True), ("counted", None, False), ("held", None, True),
        ]  # fmt: skip
        assert Ledger(other).follow().size == 2
        write_rows(again, fields, records(other, texts=texts))
    assert again.read_bytes() == path.read_bytes()


def test_a_guarded_arena_judges_no_vote_of_our_own_export(board: Database, tmp_path: Path) -> None:
    """When the answers ended, and from where the vote came, is not in the file."""
    for number in range(1, 7):
        cast(board, number)
    path = tmp_path / "v.jsonl"
    write_rows(path, (*VOTE, CONVERSATION), records(board, texts=True))
    with arena_in(tmp_path / "other") as other:
        take_in(other, path)
        assert Review(other).everybody().changed == 0
        assert Reviewer(other).look().changed == 0
        assert told(other, "status", "reason") == [("counted", None)] * 6


def test_our_files_of_before_say_nothing_of_it_and_all_their_votes_count(board: Database, tmp_path: Path) -> None:
    cast(board, 1, Outcome.A, ("=1+1", "a", "b"))
    exclude(board, VOTER)
    before = tuple(field for field in VOTE if field not in STANDING)
    path = tmp_path / "v.csv"
    write_rows(path, (*before, CONVERSATION), records(board, texts=True))
    with arena_in(tmp_path / "other") as other:
        take_in(other, path)
        assert told(other, "status", "reason", "verified") == [("counted", None, False)]


def test_a_file_of_others_has_no_say_in_who_counts(board: Database, tmp_path: Path) -> None:
    take_in(board, write(tmp_path / "v.csv", [{**VOTES[0], "status": "excluded", "verified": "true"}]))
    assert told(board, "status", "verified") == [("counted", False)]


def test_whoever_is_excluded_here_counts_in_no_file(board: Database, tmp_path: Path) -> None:
    exclude(board, "imported:ann")
    rows = [{**VOTES[0], "judge": voter} for voter in ("ann", "bob")]
    take_in(board, write(tmp_path / "v.csv", rows))
    assert told(board, "status", "reason") == [("excluded", "spam"), ("counted", None)]
    board.write(partial(include_voter, voter="imported:ann"))
    assert told(board, "status") == [("counted",)] * 2


def test_whoever_is_excluded_here_is_known_by_their_pseudonym_in_our_own_export(
    board: Database, tmp_path: Path
) -> None:
    cast(board, 1)
    cast(board, 2, voter="another")
    path = tmp_path / "v.jsonl"
    write_rows(path, VOTE, records(board))
    with arena_in(tmp_path / "other") as other:
        exclude(other, VOTER)
        take_in(other, path)
        assert told(other, "status", "reason") == [("excluded", "spam"), ("counted", None)]
        other.write(partial(include_voter, voter=VOTER))
        assert records(other) == records(board)


def test_a_status_that_is_none_is_named_with_its_line(board: Database, tmp_path: Path) -> None:
    cast(board, 1)
    (row,) = records(board)
    path = write(tmp_path / "v.jsonl", [{**row, "battle": battle_id(9), "status": "banned"}])
    assert "line 1: 'banned' is no status of a vote; there are counted, held, excluded (column 'status')." in refused(
        board, path
    )
