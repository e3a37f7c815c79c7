"""The leaderboard → a table for people, Markdown, JSON, CSV, Parquet, and the form of LMArena's catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from arena.boards.standings import Standing
from arena.exchange.fields import LEADERBOARD, names
from arena.exchange.files import write_parquet
from arena.exchange.listings import UNKNOWN, add_line, csv_text, json_text, markdown_table, printed, rounded, table_of

Method = Literal["bt", "elo"]
TextForm = Literal["table", "json", "csv", "markdown"]

LEADERBOARD_FIELDS = names(LEADERBOARD)
CONFIDENCE = "confidence_95"
SPREAD = "spread_over_random_orders"

_HEADERS = ("#", "Ranks", "Model", "Rating", "95 %", "Votes", "Wins", "Elo", "Quantization", "License")
_ELO_HEADERS = ("#", "Ranks", "Model", "Rating", "Spread", *_HEADERS[5:])
_NUMBERS = (0, 1, 3, 4, 5, 6, 7)
_PROVISIONAL = "? provisional: few votes, a wide interval, or no chain of votes to the others"
_SPREAD_NOTE = "Spread: where Elo ends in 95 % of random orders of the same votes; no confidence"


def leaderboard_text(rows: Sequence[Standing], form: TextForm, method: Method = "bt") -> str:
    """The leaderboard as a table for people, Markdown, a JSON list or CSV; ends with a newline."""
    match form:
        case "json":
            return json_text(leaderboard_records(rows, method))
        case "csv":
            return csv_text(LEADERBOARD_FIELDS, leaderboard_records(rows, method))
    shown = by_elo(rows) if method == "elo" else rows
    headers, cells = (_ELO_HEADERS if method == "elo" else _HEADERS), [_cells(row) for row in shown]
    notes = [_PROVISIONAL] if any(row.provisional for row in shown) else []
    notes += [_SPREAD_NOTE] if method == "elo" else []
    if form == "markdown":
        return markdown_table(headers, cells, _NUMBERS) + "".join(f"\n{note}\n" for note in notes)
    table = table_of(headers, _NUMBERS)
    for line in cells:
        add_line(table, line)
    table.caption = "\n".join(notes) or None
    return printed(table)


def write_leaderboard(path: Path, rows: Sequence[Standing], method: Method = "bt") -> None:
    """The leaderboard as Parquet. Raises `ExportError`."""
    write_parquet(path, LEADERBOARD, leaderboard_records(rows, method))


def leaderboard_records(rows: Iterable[Standing], method: Method = "bt") -> list[dict[str, object]]:
    """One record a contestant with the fields of `arena.exchange.fields.LEADERBOARD`: points to 0.01, shares to 0.0001.

    With "elo" rating, order and ranks are Elo's, and `lower` and `upper` its spread over random orders of the votes,
    which `interval` says.
    """
    shown = by_elo(rows) if method == "elo" else rows
    return [_record(row, SPREAD if method == "elo" else CONFIDENCE) for row in shown]


def lmarena_text(boards: Iterable[tuple[str, Iterable[Standing]]]) -> str:
    """`{category: {model: {"rating", "rating_q975", "rating_q025"}}}`, as lmarena/arena-catalog has it.

    A contestant without a rating, an interval or a place among the others is left out: the form has no word for it.
    """
    catalog = {
        category: {
            row.model: {"rating": row.rating, "rating_q975": row.upper, "rating_q025": row.lower}
            for row in rows
            if None not in (row.rank, row.rating, row.lower, row.upper)
        }
        for category, rows in boards
    }
    return json.dumps(catalog, indent=4, ensure_ascii=False) + "\n"


def by_elo(rows: Iterable[Standing]) -> list[Standing]:
    """The rows with Elo in place of the rating, highest first; who has no votes has no rank."""
    ordered = sorted(rows, key=lambda row: -row.elo)
    heights = [round(row.elo, 2) for row in ordered if row.votes]
    return [
        replace(
            row,
            rank=heights.index(round(row.elo, 2)) + 1 if row.votes else None,
            rank_lower=None,
            rank_upper=None,
            rating=row.elo,
            lower=row.elo_lower,
            upper=row.elo_upper,
            swap=None,  # votes that would swap the neighbours of the other ranking
        )
        for row in ordered
    ]


def _record(row: Standing, interval: str) -> dict[str, object]:
    return {
        "rank": row.rank,
        "rank_lower": row.rank_lower,
        "rank_upper": row.rank_upper,
        "model": row.model,
        "name": row.name,
        "rating": rounded(row.rating),
        "lower": rounded(row.lower),
        "upper": rounded(row.upper),
        "interval": interval,
        "votes": row.votes,
        "win_rate": rounded(row.win_rate, 4),
        "wins": row.wins,
        "elo": rounded(row.elo),
        "elo_lower": rounded(row.elo_lower),
        "elo_upper": rounded(row.elo_upper),
        "swap": row.swap,
        "island": row.island,
        "provisional": row.provisional,
        "engine": row.engine,
        "quantization": row.quantization,
        "license": row.license,
        "fingerprint": row.fingerprint[:12],
        "state": row.state,
    }


def _cells(row: Standing) -> list[str]:
    between = UNKNOWN if row.lower is None or row.upper is None else f"{row.lower:.0f} … {row.upper:.0f}"
    return [
        UNKNOWN if row.rank is None else str(row.rank),
        UNKNOWN if row.rank_lower is None else f"{row.rank_lower}–{row.rank_upper}",
        row.name + (" (archived)" if row.state == "archived" else ""),
        (UNKNOWN if row.rating is None else f"{row.rating:.0f}") + (" ?" if row.provisional else ""),
        between,
        str(row.votes),
        UNKNOWN if row.win_rate is None else f"{row.win_rate:.0%}",
        f"{row.elo:.0f}",
        row.quantization,
        row.license,
    ]
