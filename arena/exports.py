"""Votes → records, and records → files. A vote carries a keyed pseudonym, never an id, address or cookie."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TextIO

from arena.leaderboard import entrants, model_labels
from db.queries import contestants
from db.session import Database
from db.votes import VoteRow, texts_of, votes_after
from models.catalog import ModelSpec

VOTE_FIELDS = ("battle", "time", "voter", "model_a", "model_b", "outcome", "turns")
TEXT_FIELD = "conversation"

_BATTLES_AT_ONCE = 500
_FORMULA_STARTS = frozenset("=+-@＝＋－＠")
_LINE_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})

Record = Mapping[str, object]


class ExportError(Exception):
    """An export can't be written; the message is one sentence that names the path."""


# -- votes ---------------------------------------------------------------------------------------


def votes_rows(
    database: Database, catalog: Sequence[ModelSpec], key: bytes, *, texts: bool = False
) -> Iterator[dict[str, object]]:
    """Every vote in the order of the commits, with the fields of `VOTE_FIELDS`, read while it is consumed.

    `voter` is the first 16 hex digits of HMAC-SHA256(`key`, voter id). Models are named as on the
    leaderboard. With `texts` also `conversation`: one object a turn, with the keys that `texts_of` gives.
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
    return _write(path, lambda page: write_cells(page, fields, rows))


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


def write_cells(page: TextIO, fields: Sequence[str], rows: Iterable[Record]) -> int:
    """What `write_csv` writes, to an open page; the number of rows."""
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
