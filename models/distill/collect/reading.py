"""Rows of files of others: a JSON array, JSON lines or Parquet, each read piece by piece, so that size is no matter."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from models.distill.problem import DistillProblem

Told = Callable[[float], None]
Row = tuple[str, dict[str, Any]]

_PIECE = 1 << 20  # bytes
_LARGEST_ROW = 1 << 26  # characters; nothing that can be learnt from is longer
_ROWS_AT_ONCE = 500
_DECODER = json.JSONDecoder()
_LETTER = re.compile(r"\S")
_BEGUN = re.compile(r"[\w.+-]*\s*")  # nothing, or what may be the beginning of a word or a number


def rows_of(path: Path, told: Told = lambda _: None) -> Iterator[Row]:
    """Each row with its place ("chats.json, row 3 (line 12)"); `told` hears the share that is read, 0 to 1.

    Raises `DistillProblem` that names the place: for a file that can't be read or is cut off, and for a row that is no
    object.
    """
    try:
        with path.open("rb") as file:
            size = max(1, path.stat().st_size)
            if file.read(4) == b"PAR1":
                yield from _parquet_rows(path, told)
                return
            file.seek(0)
            for place, value in _Values(path, file, lambda read: told(read / size)):
                if not isinstance(value, dict):
                    raise DistillProblem(f"{place} is no JSON object; each row is one, in braces.")
                yield place, value
    except OSError as error:
        raise DistillProblem(f"{path} can't be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise DistillProblem(f"{path} is no UTF-8 text; save it as UTF-8.") from error


class _Values:
    """The values of a JSON array or of JSON lines with their places; little more than one of them is ever held."""

    def __init__(self, path: Path, file: BinaryIO, told: Callable[[int], None]) -> None:
        self._path, self._file, self._told = path, file, told
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended = "", 0, False
        self._row, self._line, self._counted = 0, 1, 0

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        if self._next() != "[":
            while self._next():
                yield self._value()
            return
        self._at += 1
        if self._next() != "]":
            yield self._value()
        while self._next() == ",":
            self._at += 1
            self._next()
            yield self._value()
        self._close()

    def _close(self) -> None:
        """The list ends, and the file with it."""
        mark = self._next()
        if not mark:
            raise DistillProblem(f"{self._path} is cut off after row {self._row}: its list has no end; mend the file.")
        self._at += mark == "]"
        if letter := self._next():
            raise DistillProblem(f"{self._place()} is followed by {letter!r}, which can't stand there; mend the file.")

    def _next(self) -> str:
        """The next letter that is no white space, left where it is; "" at the end."""
        while True:
            if found := _LETTER.search(self._text, self._at):
                self._at = found.start()
                return found[0]
            self._at = len(self._text)
            if not self._more():
                return ""

    def _value(self) -> tuple[str, Any]:
        self._row += 1
        self._count_lines()
        place = self._place()
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # What looks wrong may only not be read yet.
                if not self._ended and len(self._text) <= _LARGEST_ROW:
                    self._more(len(self._text))
                    continue
                raise DistillProblem(f"{place} {self._fault(error)} ({error.msg}); mend or remove it.") from error
            except (RecursionError, ValueError) as error:
                raise DistillProblem(f"{place} is nested too deeply, or has too long a number; remove it.") from error
            return place, value

    def _fault(self, error: json.JSONDecodeError) -> str:
        begun = _BEGUN.fullmatch(self._text, error.pos) or error.msg.startswith("Unterminated")
        return "is cut off" if self._ended and begun else "is no JSON"

    def _place(self) -> str:
        return f"{self._path}, row {self._row} (line {self._line})"

    def _count_lines(self) -> None:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at

    def _more(self, size: int = 0) -> bool:
        """Read on, and forget what was read before; False at the end of the file."""
        if self._ended:
            return False
        piece = self._file.read(max(size, _PIECE))
        self._ended = not piece
        self._count_lines()
        self._text = self._text[self._at :] + self._decoder.decode(piece, final=self._ended)
        self._at = self._counted = 0
        self._told(self._file.tell())
        return not self._ended


def _parquet_rows(path: Path, told: Told) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            rows = (row for batch in file.iter_batches(_ROWS_AT_ONCE) for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                yield f"{path}, row {number}", row
                told(number / file.metadata.num_rows)
    except ArrowException as error:
        raise DistillProblem(f"{path} is no whole Parquet file ({error}).") from error
