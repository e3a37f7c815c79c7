"""Leaderboard and votes → text and files. A vote carries a keyed pseudonym, never an id, address or cookie."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from arena.leaderboard import Standing, entrants, model_labels
from db.queries import contestants
from db.session import Database
from db.votes import VoteRow, texts_of, votes_after
from models.catalog import ModelSpec

LEADERBOARD_FIELDS = (
    "rank", "model", "name", "rating", "lower", "upper", "votes", "win_rate", "elo", "provisional",
    "quantization", "license", "fingerprint",
)  # fmt: skip
VOTE_FIELDS = ("battle", "time", "voter", "model_a", "model_b", "outcome", "turns")
TEXT_FIELD = "conversation"

_BATTLES_AT_ONCE = 500
_TABLE_WIDTH = 160
_FORMULA_STARTS = frozenset("=+-@＝＋－＠")
_LINE_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})

Record = Mapping[str, object]


class ExportError(Exception):
    """An export can't be written; the message is one sentence that names the path."""


# -- the leaderboard -----------------------------------------------------------------------------


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


def leaderboard_text(standings: Sequence[Standing], form: Literal["table", "json", "csv"]) -> str:
    """The leaderboard as a table for people, a JSON list or CSV; ends with a newline."""
    if form == "table":
        return _table(standings)
    records = leaderboard_records(standings)
    if form == "json":
        return json.dumps(records, indent=2, ensure_ascii=False) + "\n"
    page = io.StringIO()
    _write_cells(page, LEADERBOARD_FIELDS, records)
    return page.getvalue()


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


def _table(standings: Sequence[Standing]) -> str:
    table = Table("#", "Model", "Rating", "95 %", "Votes", "Wins", "Elo", "Quantization", "License")
    for column in (0, 2, 3, 4, 5, 6):
        table.columns[column].justify = "right"
    for row in standings:
        interval = "–" if row.lower is None or row.upper is None else f"{row.lower:.0f} … {row.upper:.0f}"
        cells = [
            str(row.rank),
            row.name,
            ("–" if row.rating is None else f"{row.rating:.0f}") + (" ?" if row.provisional else ""),
            interval,
            str(row.votes),
            "–" if row.win_rate is None else f"{row.win_rate:.0%}",
            f"{row.elo:.0f}",
            row.quantization,
            row.license,
        ]
        # As Text, or a name with square brackets would be read as markup.
        table.add_row(*map(Text, cells))
    table.caption = "? provisional: few votes or a wide interval" if any(row.provisional for row in standings) else None
    page = io.StringIO()
    Console(file=page, width=_TABLE_WIDTH, color_system=None, force_terminal=False).print(table)
    return page.getvalue()


# -- votes ---------------------------------------------------------------------------------------


def votes_rows(
    database: Database, catalog: Sequence[ModelSpec], key: bytes, *, texts: bool = False
) -> Iterator[dict[str, object]]:
    """Every vote in the order of the commits, with the fields of `VOTE_FIELDS`, read while it is consumed.

    `voter` is the first 16 hex digits of HMAC-SHA256(`key`, voter id). Models are named as on the
    leaderboard. With `texts` also `conversation`: a list of {prompt, answer_a, answer_b}, one a turn.
    """
    with database.read() as session:
        votes = votes_after(session, 0)
        voted = {side for vote in votes for side in (vote.a, vote.b)}
        known = entrants(catalog, contestants(session))
    models = model_labels(who for who in known if who.current or who.fingerprint in voted)
    for first in range(0, len(votes), _BATTLES_AT_ONCE):
        part = votes[first : first + _BATTLES_AT_ONCE]
        records = [_vote_record(vote, models, key) for vote in part]
        if texts:
            # A session for each part: one held open all along would keep the log from being checkpointed.
            with database.read() as session:
                conversations = texts_of(session, [vote.battle_id for vote in part])
            for vote, record in zip(part, records, strict=True):
                record[TEXT_FIELD] = conversations[vote.battle_id]
        yield from records


def _vote_record(vote: VoteRow, models: Mapping[str, str], key: bytes) -> dict[str, object]:
    return {
        "battle": vote.battle_id,
        "time": vote.created_at.astimezone(UTC).isoformat(timespec="seconds"),
        "voter": hmac.new(key, vote.voter.encode(), hashlib.sha256).hexdigest()[:16],
        "model_a": models[vote.a],
        "model_b": models[vote.b],
        "outcome": vote.outcome.value,
        "turns": vote.turns,
    }


# -- files ---------------------------------------------------------------------------------------


def write_jsonl(path: Path, rows: Iterable[Record]) -> int:
    """One JSON object a line, exact, whatever the texts hold; the number of rows. Raises `ExportError`."""
    return _write(path, lambda page: sum(1 for row in rows if page.write(json_line(row) + "\n")))


def write_csv(path: Path, fields: Sequence[str], rows: Iterable[Record]) -> int:
    """CSV with a header, every cell quoted, no cell a formula; the number of rows. Raises `ExportError`."""
    return _write(path, lambda page: _write_cells(page, fields, rows))


def write_text(path: Path, text: str) -> None:
    """Raises `ExportError` where `path` can't be written."""
    _write(path, lambda page: page.write(text))


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


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    return harmless(value if isinstance(value, str) else json_line(value))


def _write_cells(page: TextIO, fields: Sequence[str], rows: Iterable[Record]) -> int:
    sheet = csv.writer(page, quoting=csv.QUOTE_ALL, lineterminator="\n")
    sheet.writerow(fields)
    count = 0
    for row in rows:
        sheet.writerow([_cell(row[field]) for field in fields])
        count += 1
    return count


def _write(path: Path, fill: Callable[[TextIO], int]) -> int:
    try:
        with _replacing(path.resolve()) as page:
            return fill(page)
    except OSError as error:
        raise ExportError(f"The export can't be written to {path} ({error.strerror}); choose another path.") from error


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of `path` when complete, and is gone when anything fails."""
    draft = path.parent / f".paddock-{secrets.token_hex(8)}.part"
    try:
        # Only CSV cells can still hold a lone surrogate here; UTF-8 has no form for one.
        with draft.open("x", encoding="utf-8", errors="backslashreplace", newline="") as page:
            yield page
            page.flush()
            os.fsync(page.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
