"""Rows of a file that others wrote (CSV, TSV, JSONL, Parquet), each with the place where it stands."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena.exchange.files import printable, shown

_LARGEST_CELL = 2**31 - 1
_ROWS_AT_ONCE = 1000
_REASON_LETTERS = 200


Told = Callable[[float], None]


def untold(share: float) -> None:
    """For whoever does not want to hear how much is read."""


class ImportProblem(Exception):
    """A file can't be imported; the message is one sentence that names the file and, where it is one, the line."""


@dataclass(frozen=True)
class Row:
    """What stands in one row, by column; an empty cell is "" or None. `place` is "FILE, line 7" (Parquet: row)."""

    place: str
    cells: dict[str, Any]


class RowFile:
    """A file of rows. Raises `ImportProblem` where it is none, can't be read, or is broken in some line.

    `read` goes through it once more each time, holding little of it in memory, and tells `told` the share (0 to 1)
    that is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        readers = {".csv": self._separated, ".tsv": self._separated, ".jsonl": self._lines, ".parquet": self._parquet}
        if path.suffix.lower() not in readers:
            raise ImportProblem(f"{path}: the name must end in .csv, .tsv, .jsonl or .parquet.")
        self._reader = readers[path.suffix.lower()]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns: the header's, or the keys of all objects; none in an empty file."""
        with self._explained():
            if self.path.suffix.lower() == ".parquet":
                from pyarrow import parquet

                return self._distinct(parquet.read_schema(self.path).names)
            if self.path.suffix.lower() == ".jsonl":
                return tuple(dict.fromkeys(name for row in self._lines(untold) for name in row.cells))
            with self._text() as (_, page):
                return self._distinct(next(self._cells(page), ()))

    def read(self, told: Told = untold) -> Iterator[Row]:
        with self._explained():
            yield from self._reader(told)

    def _separated(self, told: Told) -> Iterator[Row]:
        size = max(1, self.path.stat().st_size)
        with self._text() as (raw, page):
            sheet = self._cells(page)
            header = self._distinct(next(sheet, ()))
            before = sheet.line_num
            for count, cells in enumerate(sheet):
                # A quoted cell may hold line breaks, so a row is named by the line it begins in.
                place, before = f"{self.path}, line {before + 1}", sheet.line_num
                if cells and len(cells) != len(header):
                    raise ImportProblem(f"{place}: {len(cells)} cells under {len(header)} columns.")
                if count % _ROWS_AT_ONCE == 0:
                    told(raw.tell() / size)
                if cells:
                    yield Row(place, dict(zip(header, cells, strict=True)))

    def _distinct(self, header: Sequence[str]) -> tuple[str, ...]:
        for name, times in Counter(header).items():
            if times > 1:
                raise ImportProblem(f"{self.path} has two columns {shown(name)}; rename one.")
        return tuple(header)

    def _cells(self, page: io.TextIOWrapper) -> Any:
        csv.field_size_limit(_LARGEST_CELL)  # a conversation is longer than the library expects of a cell
        return csv.reader(page, delimiter="\t" if self.path.suffix.lower() == ".tsv" else ",", strict=True)

    def _lines(self, told: Told) -> Iterator[Row]:
        size = max(1, self.path.stat().st_size)
        with self._text() as (raw, page):
            for number, line in enumerate(page, 1):
                place = f"{self.path}, line {number}"
                if not line.strip():
                    continue
                try:
                    cells = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise ImportProblem(f"{place} is no JSON ({error}).") from error
                if not isinstance(cells, dict):
                    raise ImportProblem(f'{place}: an object was expected, as in {{"model_a": …}}.')
                if number % _ROWS_AT_ONCE == 0:
                    told(raw.tell() / size)
                yield Row(place, cells)

    def _parquet(self, told: Told) -> Iterator[Row]:
        from pyarrow import parquet

        number = 0
        with parquet.ParquetFile(self.path) as file:
            self._distinct(file.schema_arrow.names)
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                told(number / max(1, file.metadata.num_rows))
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(f"{self.path}, row {number}", cells)

    @contextmanager
    def _text(self) -> Iterator[tuple[io.BufferedReader, io.TextIOWrapper]]:
        """The file as text, and as bytes beside it, which know how far the reading is."""
        with self.path.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as page:
            yield raw, page

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise ImportProblem(f"{self.path} is not in UTF-8 ({error.reason}); convert it.") from error
        except csv.Error as error:
            raise ImportProblem(f"{self.path} is no table of such cells ({error}).") from error
        except OSError as error:
            raise ImportProblem(f"{self.path} can't be read ({error.strerror or error}).") from error
        except (ValueError, OverflowError) as error:  # from Arrow: a file that is no Parquet, a time that is none
            reason = next(iter(str(error).splitlines()), "")[:_REASON_LETTERS]
            raise ImportProblem(f"{self.path} can't be read ({printable(reason) or 'no reason is given'}).") from error
