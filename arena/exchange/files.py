"""Records → CSV, JSONL and Parquet, in files that take their place only when whole; texts that harm no reader."""

from __future__ import annotations

import csv
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from arena.exchange.fields import Field, names

_FORMULA_STARTS = frozenset("=+-@＝＋－＠")
_LINE_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_ROWS_AT_ONCE = 10_000
_TEXTS_AT_ONCE = 500
_LETTERS_SHOWN = 60
_NAMES_SHOWN = 20

Record = Mapping[str, object]


class ExportError(Exception):
    """An export can't be written; the message is one sentence that names the path."""


# -- files ---------------------------------------------------------------------------------------


def write_rows(path: Path, fields: Sequence[Field], rows: Iterable[Record]) -> int:
    """CSV, JSONL or Parquet, by the ending of `path`; the number of rows. Raises `ExportError`."""
    match path.suffix:
        case ".csv":
            return write_csv(path, names(fields), rows)
        case ".parquet":
            return write_parquet(path, fields, rows)
    return write_jsonl(path, rows)


def write_jsonl(path: Path, rows: Iterable[Record]) -> int:
    """One JSON object a line, exact, whatever the texts hold; the number of rows. Raises `ExportError`."""
    return _write(path, lambda page: sum(1 for row in rows if page.write(json_line(row) + "\n")))


def write_csv(path: Path, fields: Sequence[str], rows: Iterable[Record]) -> int:
    """CSV with a header, every cell quoted, no cell a formula; the number of rows. Raises `ExportError`."""
    return _write(path, lambda page: write_cells(page, fields, rows))


def write_parquet(path: Path, fields: Sequence[Field], rows: Iterable[Record]) -> int:
    """Parquet with a typed column a field, exact; the number of rows.

    Raises `ExportError`, also for half a surrogate pair: UTF-8, which Parquet keeps texts in, has no form for it.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(field.name, _arrow(field)) for field in fields])
    at_once = _TEXTS_AT_ONCE if any(isinstance(field.kind, tuple) for field in fields) else _ROWS_AT_ONCE

    def fill(draft: Path) -> int:
        count = 0
        with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
            left = iter(rows)
            while part := list(islice(left, at_once)):
                columns = [_column([row[field.name] for row in part], field) for field in fields]
                writer.write_batch(pa.record_batch(columns, schema=schema))
                count += len(part)
        return count

    try:
        return _replace(path, fill)
    except UnicodeEncodeError as error:
        raise ExportError(f"{path} can't hold half of a surrogate pair, as a text has it; use JSONL.") from error


def write_text(path: Path, text: str) -> None:
    """Raises `ExportError` where `path` can't be written."""
    _write(path, lambda page: page.write(text))


# -- forms ---------------------------------------------------------------------------------------


def json_line(value: object) -> str:
    """JSON on one line even for readers that break lines at U+2028; lone surrogates become escapes."""
    line = json.dumps(value, ensure_ascii=False).translate(_LINE_BREAKS)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return line


def harmless(text: str) -> str:
    """`text` with a ' before it where a spreadsheet would run it as a formula."""
    start = next((letter for letter in text if letter.isprintable() and not letter.isspace()), "")
    return f"'{text}" if start in _FORMULA_STARTS or text[:1] in ("\t", "\r") else text


def unharmed(text: str) -> str:
    """What `harmless` was given, but for a text that began with such a ' itself."""
    return text[1:] if text[:1] == "'" and harmless(text[1:]) == text else text


def write_cells(page: TextIO, fields: Sequence[str], rows: Iterable[Record]) -> int:
    """What `write_csv` writes, to an open page; the number of rows."""
    sheet = csv.writer(page, quoting=csv.QUOTE_ALL, lineterminator="\n")
    sheet.writerow(fields)
    count = 0
    for row in rows:
        sheet.writerow([_cell(row[field]) for field in fields])
        count += 1
    return count


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    return harmless(value if isinstance(value, str) else json_line(value))


def _arrow(field: Field) -> Any:
    import pyarrow as pa

    if isinstance(field.kind, tuple):
        return pa.list_(pa.struct([(part.name, _arrow(part)) for part in field.kind]))
    return {
        "text": pa.string(),
        "count": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
        "time": pa.timestamp("ms", tz="UTC"),
    }[field.kind]


def _column(values: list[object], field: Field) -> Any:
    import pyarrow as pa

    if field.kind == "time":
        return pa.array(values, pa.string()).cast(_arrow(field))
    return pa.array(values, _arrow(field))


# -- texts of others, where people read them ---------------------------------------------------


def shown(text: str) -> str:
    """`text` as a sentence can quote it: its first 60 characters, whatever is no print as an escape."""
    return f"{text[:_LETTERS_SHOWN]!r}{'…' if len(text) > _LETTERS_SHOWN else ''}"


def listed(names: Sequence[str]) -> str:
    """The first 20 of them, quoted; "none" where there are none."""
    left = len(names) - _NAMES_SHOWN
    return (", ".join(map(shown, names[:_NAMES_SHOWN])) or "none") + (f" and {left:,} more" if left > 0 else "")


def printable(text: str) -> str:
    """`text` without what a terminal would obey: any white space is a space, anything else that is no print a �."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "�" for letter in text)


# -- places --------------------------------------------------------------------------------------


def _write(path: Path, fill: Callable[[TextIO], int]) -> int:
    def fill_page(draft: Path) -> int:
        # Only CSV cells can still hold a lone surrogate here; UTF-8 has no form for one.
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as page:
            return fill(page)

    return _replace(path, fill_page)


def _replace(path: Path, fill: Callable[[Path], int]) -> int:
    try:
        with _replacing(path.resolve()) as draft:
            return fill(draft)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"The export can't be written to {path} ({reason}); choose another path.") from error


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file that takes the place of `path` when complete, and is gone when anything fails."""
    draft = path.parent / f".paddock-{secrets.token_hex(8)}.part"
    try:
        draft.touch(exist_ok=False)
        yield draft
        with draft.open("rb") as whole:
            os.fsync(whole.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
