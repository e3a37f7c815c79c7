"""Leaderboard and speeds → text: a table for people, JSON, CSV."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from arena.exports import Record, write_cells
from arena.leaderboard import Standing
from arena.speed import Speed

LEADERBOARD_FIELDS = (
    "rank", "model", "name", "rating", "lower", "upper", "votes", "win_rate", "elo", "provisional",
    "quantization", "license", "fingerprint",
)  # fmt: skip
SPEED_FIELDS = (
    "model", "name", "engine", "quantization", "answers", "prompt_tokens", "tokens", "first_token_seconds",
    "first_token_p95", "tokens_per_second", "joules_per_1000_tokens", "fingerprint",
)  # fmt: skip

UNKNOWN = "–"
_TABLE_WIDTH = 160

Form = Literal["table", "json", "csv"]


# -- the leaderboard -----------------------------------------------------------------------------


def leaderboard_text(standings: Sequence[Standing], form: Form) -> str:
    """The leaderboard as a table for people, a JSON list or CSV; ends with a newline."""
    if form == "table":
        return _leaderboard_table(standings)
    return _file_text(LEADERBOARD_FIELDS, leaderboard_records(standings), form)


def leaderboard_records(standings: Iterable[Standing]) -> list[dict[str, object]]:
    """One record a contestant with the fields of `LEADERBOARD_FIELDS`: ratings to 0.01, shares to 0.0001."""
    return [
        {
            "rank": row.rank,
            "model": row.model,
            "name": row.name,
            "rating": _rounded(row.rating),
            "lower": _rounded(row.lower),
            "upper": _rounded(row.upper),
            "votes": row.votes,
            "win_rate": _rounded(row.win_rate, 4),
            "elo": _rounded(row.elo),
            "provisional": row.provisional,
            "quantization": row.quantization,
            "license": row.license,
            "fingerprint": row.fingerprint[:12],
        }
        for row in standings
    ]


def _leaderboard_table(standings: Sequence[Standing]) -> str:
    table = Table("#", "Model", "Rating", "95 %", "Votes", "Wins", "Elo", "Quantization", "License")
    for row in standings:
        interval = UNKNOWN if row.lower is None or row.upper is None else f"{row.lower:.0f} … {row.upper:.0f}"
        cells = [
            str(row.rank),
            row.name,
            (UNKNOWN if row.rating is None else f"{row.rating:.0f}") + (" ?" if row.provisional else ""),
            interval,
            str(row.votes),
            UNKNOWN if row.win_rate is None else f"{row.win_rate:.0%}",
            f"{row.elo:.0f}",
            row.quantization,
            row.license,
        ]
        # As Text, or a name with square brackets would be read as markup.
        table.add_row(*map(Text, cells))
    table.caption = "? provisional: few votes or a wide interval" if any(row.provisional for row in standings) else None
    return _printed(table, numbers=(0, 2, 3, 4, 5, 6))


# -- speeds --------------------------------------------------------------------------------------


def speed_text(speeds: Sequence[Speed], form: Form) -> str:
    """The speeds as a table for people, a JSON list or CSV; ends with a newline."""
    if form == "table":
        return _speed_table(speeds)
    return _file_text(SPEED_FIELDS, speed_records(speeds), form)


def speed_records(speeds: Iterable[Speed]) -> list[dict[str, object]]:
    """One record a contestant with the fields of `SPEED_FIELDS`: seconds to 0.001, all else to 0.01."""
    return [
        {
            "model": row.model,
            "name": row.name,
            "engine": row.engine,
            "quantization": row.quantization,
            "answers": row.answers,
            "prompt_tokens": _rounded(row.prompt_tokens),
            "tokens": _rounded(row.tokens),
            "first_token_seconds": _rounded(row.first_token_seconds, 3),
            "first_token_p95": _rounded(row.first_token_p95, 3),
            "tokens_per_second": _rounded(row.tokens_per_second),
            "joules_per_1000_tokens": _rounded(row.joules_per_1000_tokens),
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


def _speed_table(speeds: Sequence[Speed]) -> str:
    measured = ("Prompt tokens", "Output tokens", "First token, s", "p95, s", "Tokens/s", "J/1,000 tokens")
    table = Table("Model", "Engine", "Quantization", "Answers", *measured)
    for row in speeds:
        table.add_row(*map(Text, (row.name, row.engine, row.quantization, str(row.answers), *speed_figures(row))))
    return _printed(table, numbers=range(3, 10))


# -- forms ---------------------------------------------------------------------------------------


def _file_text(fields: Sequence[str], records: Sequence[Record], form: Literal["json", "csv"]) -> str:
    if form == "json":
        return json.dumps(records, indent=2, ensure_ascii=False) + "\n"
    page = io.StringIO()
    write_cells(page, fields, records)
    return page.getvalue()


def _printed(table: Table, numbers: Iterable[int]) -> str:
    for column in numbers:
        table.columns[column].justify = "right"
    page = io.StringIO()
    Console(file=page, width=_TABLE_WIDTH, color_system=None, force_terminal=False).print(table)
    return page.getvalue()


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
