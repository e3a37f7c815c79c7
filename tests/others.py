"""Files of others with votes in them, and what an arena makes of them, for tests of imports."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from voted import CATALOG, KEY, records

from arena.exchange.imports import Columns, Imported, import_file
from arena.exchange.rows import ImportProblem
from db.session import Database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
VOTES = (
    {"model_a": "ant", "model_b": "owl", "winner": "model_a"},
    {"model_a": "owl", "model_b": "emu", "winner": "tie"},
)


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file of others, in the form of its ending."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            sheet = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            sheet.writeheader()
            sheet.writerows(rows)
    return path


def take_in(database: Database, path: Path, columns: Columns | None = None, **options: Any) -> Imported:
    return import_file(database, CATALOG, path, columns or Columns(), NOW, KEY, **options)


def refused(database: Database, path: Path, columns: Columns | None = None) -> str:
    """Why a file is refused; nothing of it may be there then."""
    before = records(database)
    with pytest.raises(ImportProblem) as caught:
        take_in(database, path, columns)
    assert records(database) == before
    said = str(caught.value)
    assert str(path) in said
    assert said.endswith((".", "?"))
    assert said.isprintable()
    assert len(said) < 2000
    return said


def told(database: Database, *fields: str) -> list[tuple[object, ...]]:
    return [tuple(row[field] for field in fields) for row in records(database)]
