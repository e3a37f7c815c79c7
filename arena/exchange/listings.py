"""Rows → text: tables for people, Markdown, JSON, CSV; and the table of speeds in these forms."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from arena.boards.speed import Speed
from arena.exchange.files import Record, printable, write_cells

SPEED_FIELDS = (
    "model", "name", "engine", "quantization", "answers", "prompt_tokens", "tokens", "first_token_seconds",
    "first_token_p95", "tokens_per_second", "joules_per_1000_tokens", "fingerprint",
)  # fmt: skip

UNKNOWN = "–"
_TABLE_WIDTH = 160
_SPEED_HEADERS = (
    "Model", "Engine", "Quantization", "Answers",
    "Prompt tokens", "Output tokens", "First token, s", "p95, s", "Tokens/s", "J/1,000 tokens",
)  # fmt: skip

Form = Literal["table", "json", "csv"]


# -- speeds --------------------------------------------------------------------------------------


def speed_text(speeds: Sequence[Speed], form: Form) -> str:
    """The speeds as a table for people, a JSON list or CSV; ends with a newline."""
    match form:
        case "json":
            return json_text(speed_records(speeds))
        case "csv":
            return csv_text(SPEED_FIELDS, speed_records(speeds))
    table = table_of(_SPEED_HEADERS, range(3, 10))
    for row in speeds:
        add_line(table, (row.name, row.engine, row.quantization, str(row.answers), *speed_figures(row)))
    return printed(table)


def speed_records(speeds: Iterable[Speed]) -> list[dict[str, object]]:
    """One record a contestant with the fields of `SPEED_FIELDS`: seconds to 0.001, all else to 0.01."""
    return [
        {
            "model": row.model,
            "name": row.name,
            "engine": row.engine,
            "quantization": row.quantization,
            "answers": row.answers,
            "prompt_tokens": rounded(row.prompt_tokens),
            "tokens": rounded(row.tokens),
            "first_token_seconds": rounded(row.first_token_seconds, 3),
            "first_token_p95": rounded(row.first_token_p95, 3),
            "tokens_per_second": rounded(row.tokens_per_second),
            "joules_per_1000_tokens": rounded(row.joules_per_1000_tokens),
            "fingerprint": row.fingerprint[:12],
        }
        for row in speeds
    ]


def speed_figures(row: Speed) -> list[str]:
    """What was measured of a row's answers, as people read it, in the order of `SPEED_FIELDS`."""
    figures = (
        (row.prompt_tokens, 0),
        (row.tokens, 0),
        (row.first_token_seconds, 2),
        (row.first_token_p95, 2),
        (row.tokens_per_second, 1),
        (row.joules_per_1000_tokens, 0),
    )
    return [UNKNOWN if value is None else f"{value:.{digits}f}" for value, digits in figures]


# -- forms ---------------------------------------------------------------------------------------


def json_text(records: Sequence[Record]) -> str:
    return json.dumps(records, indent=2, ensure_ascii=False) + "\n"


def csv_text(fields: Sequence[str], records: Iterable[Record]) -> str:
    page = io.StringIO()
    write_cells(page, fields, records)
    return page.getvalue()


def markdown_table(headers: Sequence[str], lines: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """A table in GitHub's Markdown, the columns `numbers` aligned to the right; no cell can break out of it."""
    rules = ["---:" if column in numbers else "---" for column in range(len(headers))]
    safe = ([_markdown_cell(cell) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in (headers, rules, *safe))


def _markdown_cell(text: str) -> str:
    for mark in "\\|*_`[]<>~$#":
        text = text.replace(mark, f"\\{mark}")
    return printable(" ".join(text.split()))


def table_of(headers: Sequence[str], numbers: Iterable[int]) -> Table:
    table = Table(*headers)
    for column in numbers:
        table.columns[column].justify = "right"
    return table


def add_line(table: Table, cells: Iterable[str]) -> None:
    """A row of plain text: square brackets in a name are no markup, and a terminal has nothing to obey."""
    table.add_row(*(Text(printable(cell)) for cell in cells))


def printed(table: Table) -> str:
    page = io.StringIO()
    Console(file=page, width=_TABLE_WIDTH, color_system=None, force_terminal=False).print(table)
    return page.getvalue()


def rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
