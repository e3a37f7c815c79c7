from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from models.distill.collect import reading
from models.distill.collect.reading import rows_of
from models.distill.problem import DistillProblem

ROWS = [{"id": "a", "said": ["x\n\u4f60\u597d", 1.5, None]}, {}, {"quote": 'a "} ], {" \\', "deep": {"er": [[], {}]}}]
ROW_LISTS = st.lists(
    st.dictionaries(
        st.text(max_size=5), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5), max_size=4
    ),
    max_size=6,
)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "chats.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in rows_of(path)]


def lines(given: Sequence[object], *, plain: bool = True) -> str:
    return "".join(json.dumps(row, ensure_ascii=plain) + "\n" for row in given)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2, ensure_ascii=False),
        lines(ROWS),
        lines(ROWS).replace("\n", "\r\n\r\n"),
        lines(ROWS).rstrip("\n"),
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        "\ufeff" + lines(ROWS),
        f"\ufeff \n{json.dumps(ROWS)}\n\n",
    ],
)
def test_a_list_and_lines_are_read_alike_however_they_are_laid_out(tmp_path: Path, text: str) -> None:
    assert rows(written(tmp_path, text)) == ROWS


def test_parquet_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "chats.parquet"
    parquet.write_table(pa.Table.from_pylist([{"id": "a", "messages": [{"role": "user"}]}, {"id": None}]), path)
    assert [place for place, _ in rows_of(path)] == [f"{path}, row 1", f"{path}, row 2"]
    assert rows(path) == [{"id": "a", "messages": [{"role": "user"}]}, {"id": None, "messages": None}]


@pytest.mark.slow
@settings(deadline=None)
@given(ROW_LISTS, st.booleans(), st.booleans(), st.integers(1, 9))
def test_rows_are_whole_wherever_the_pieces_of_the_file_end(
    given: list[dict[str, Any]], plain: bool, as_list: bool, piece: int
) -> None:
    text = json.dumps(given, ensure_ascii=plain) if as_list else lines(given, plain=plain)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_PIECE", piece)
        assert rows(written(Path(folder), text.encode(errors="replace"))) == json.loads(
            json.dumps(given, ensure_ascii=plain).encode(errors="replace")
        )


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("piece", [3, 1 << 20])
def test_a_list_that_is_cut_off_anywhere_is_refused(
    tmp_path: Path, indent: int | None, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIECE", piece)
    texts = [json.dumps(row, indent=indent) for row in (*ROWS, {"others": [True, -1.5e-7, "\U0001f600"]})]
    whole = f"[{', '.join(texts)}]"
    for end in range(1, len(whole)):
        path = written(tmp_path, whole[:end])
        found: list[dict[str, Any]] = []
        with pytest.raises(DistillProblem, match="is cut off") as problem:
            found.extend(row for _, row in rows_of(path))
        said = str(problem.value).removeprefix(str(path))
        assert said.startswith((f" is cut off after row {len(found)}: ", f", row {len(found) + 1} "))
        assert len(found) == sum(len(", ".join(texts[:count])) < end for count in range(1, len(texts) + 1))


def test_a_last_line_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, lines(ROWS)[:-4])
    with pytest.raises(DistillProblem) as problem:
        rows(path)
    assert str(problem.value).startswith(f"{path}, row 3 (line 3) is cut off (")


def test_a_row_is_named_by_its_number_and_the_line_it_begins_on(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(ROWS, indent=1))
    begins = [number for number, line in enumerate(path.read_text().split("\n"), start=1) if line[:2] == " {"]
    assert [place for place, _ in rows_of(path)] == [
        f"{path}, row {row} (line {line})" for row, line in enumerate(begins, start=1)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{}, 3]", "row 2 (line 1) is no JSON object; each row is one, in braces."),
        ('{}\n{"a": }\n{}', "row 2 (line 2) is no JSON (Expecting value); mend or remove it."),
        ("{}\nFrom: ann\n{}\n" + "{}\n" * 9, "row 2 (line 2) is no JSON (Expecting value); mend or remove it."),
        ("[{}\n{}]", "row 1 (line 1) is followed by '{', which can't stand there; mend the file."),
        ("[{}] {}", "row 1 (line 1) is followed by '{', which can't stand there; mend the file."),
        ("[{},]", "row 2 (line 1) is no JSON (Expecting value); mend or remove it."),
        ("[" * 100_000, "row 1 (line 1) is nested too deeply, or has too long a number; remove it."),
        ('{"n": ' + "9" * 5000 + "}", "row 1 (line 1) is nested too deeply, or has too long a number; remove it."),
    ],
)
def test_what_is_no_row_is_named_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DistillProblem) as problem:
        rows(path)
    assert str(problem.value) == f"{path}, {said}"


def test_a_file_that_is_no_text_or_can_t_be_read_is_named(tmp_path: Path) -> None:
    cases = (
        (written(tmp_path, b'{"a": "\xe9"}\n'), "is no UTF-8 text; save it as UTF-8."),
        (tmp_path / "none.json", "can't be read (No such file or directory)."),
        (tmp_path, "can't be read (Is a directory)."),
    )
    for path, said in cases:
        with pytest.raises(DistillProblem) as problem:
            rows(path)
        assert str(problem.value) == f"{path} {said}"


def test_a_parquet_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, b"PAR1 and no more")
    with pytest.raises(DistillProblem) as problem:
        rows(path)
    assert str(problem.value).startswith(f"{path} is no whole Parquet file (")


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert [rows(written(tmp_path, text)) for text in ("", "\n \n", "[]", "[ ]\n")] == [[], [], [], []]


def test_a_large_file_is_never_held_as_a_whole_and_tells_how_far_it_is(tmp_path: Path) -> None:
    row, count = {"said": "word " * 2000}, 3000
    path = written(tmp_path, json.dumps([row] * count))
    shares: list[float] = []
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows_of(path, shares.append)) == count
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 4
    finally:
        tracemalloc.stop()
    assert shares == sorted(shares)
    assert shares[-1] == 1
