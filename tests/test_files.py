"""Files: exact where they promise it, harmless where they must be, whole or not there."""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from arena.exchange.fields import CONVERSATION, MESSAGE, VOTE, Field, names
from arena.exchange.files import (
    ExportError,
    harmless,
    json_line,
    unharmed,
    write_csv,
    write_jsonl,
    write_parquet,
    write_rows,
    write_text,
)

pytestmark = pytest.mark.integrity

FORMULAS = (
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", "\n@x",
    "＝1+1", "＋1", "－1", "＠x", "\ufeff=1", "\x00=1", "\u200b-1",
)  # fmt: skip


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- hostile texts -------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_spreadsheet_never_runs_a_cell(formula: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "f.csv", ["cell"], [{"cell": formula}])
    (row,) = read_csv(tmp_path / "f.csv")
    assert row["cell"] == f"'{formula}"


@pytest.mark.parametrize("text", ["", " ", "a=b", "1-1", "x@y", "'=1", "(=1)", "[-1]", "蚁", "🐜", "\n"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, "", "'", "a=b", "'quoted'", "''=1"])
def test_a_cell_that_was_made_harmless_can_be_taken_back(text: str) -> None:
    assert unharmed(harmless(text)) == text


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


# -- Parquet -------------------------------------------------------------------------------------

TEXT = (Field("text", "text", ""), Field("said", MESSAGE, ""))


def test_hostile_strings_come_back_identical_from_parquet(tmp_path: Path) -> None:
    texts = [text for text in hostile_strings() if not any("\ud800" <= letter <= "\udfff" for letter in text)]
    assert len(texts) > 100
    rows = [{"text": text, "said": [{"role": text, "content": text}] * 2} for text in texts]
    assert write_parquet(tmp_path / "h.parquet", TEXT, rows) == len(texts)
    assert parquet.read_table(tmp_path / "h.parquet").to_pylist() == rows


def test_half_a_letter_is_refused_by_parquet_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"h\.parquet can't hold half of a surrogate pair, .* use JSONL\.$"):
        write_parquet(tmp_path / "h.parquet", TEXT, [{"text": "\ud800", "said": []}])
    assert not list(tmp_path.iterdir())


def test_every_kind_of_field_has_its_type_also_without_rows(tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "v.parquet", (*VOTE, CONVERSATION, Field("sure", "truth", ""), Field("x", "number", "")), []
    )
    schema = parquet.read_schema(tmp_path / "v.parquet")
    assert schema.names == [*names(VOTE), "conversation", "sure", "x"]
    types = {name: str(schema.field(name).type) for name in ("battle", "time", "turns", "sure", "x")}
    assert types == {
        "battle": "string", "time": "timestamp[ms, tz=UTC]", "turns": "int64", "sure": "bool", "x": "double",
    }  # fmt: skip
    assert str(schema.field("conversation").type).startswith("list<element: struct<prompt: string, answer_a: string")


def test_what_is_not_known_is_null_in_parquet(tmp_path: Path) -> None:
    fields = [Field(kind, kind, "") for kind in ("text", "count", "number", "truth", "time")]
    row: dict[str, object] = dict.fromkeys(names(fields))
    write_parquet(tmp_path / "n.parquet", fields, [row])
    assert parquet.read_table(tmp_path / "n.parquet").to_pylist() == [row]


def test_rows_beyond_one_group_come_all_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.exchange.files._TEXTS_AT_ONCE", 7)
    rows = [{"text": str(number), "said": [{"role": "user", "content": "x"}]} for number in range(50)]
    assert write_parquet(tmp_path / "r.parquet", TEXT, iter(rows)) == 50
    assert parquet.read_table(tmp_path / "r.parquet").to_pylist() == rows


@pytest.mark.parametrize(("name", "start"), [("t.csv", b'"text"'), ("t.jsonl", b'{"text"'), ("t.parquet", b"PAR1")])
def test_the_ending_of_a_name_chooses_the_form(name: str, start: bytes, tmp_path: Path) -> None:
    assert write_rows(tmp_path / name, TEXT, [{"text": "x", "said": []}]) == 1
    assert (tmp_path / name).read_bytes().startswith(start)


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v.csv", "v.jsonl", "v.parquet"])
def test_a_failure_midway_leaves_the_old_file_and_no_draft(name: str, tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, object]]:
        yield {"text": "x", "said": []}
        raise RuntimeError

    (tmp_path / name).write_text("old")
    with pytest.raises(RuntimeError):
        write_rows(tmp_path / name, TEXT, broken())
    assert (tmp_path / name).read_text() == "old"
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "t.csv", "a long first version")
    write_text(tmp_path / "t.csv", "short\r\n")
    assert (tmp_path / "t.csv").read_bytes() == b"short\r\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "x"


@pytest.mark.parametrize("name", ["missing/v.csv", "folder", "file/v.csv", "n" * 300, "missing/v.parquet"])
def test_a_path_that_cannot_be_written_is_named_in_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ExportError) as caught:
        write_rows(tmp_path / name, TEXT, [])
    message = str(caught.value)
    assert str(tmp_path / name) in message
    assert message.endswith(".")
    assert "\n" not in message
    assert sorted(tmp_path.iterdir()) == before
