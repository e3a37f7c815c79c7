"""The journal: every voted battle as one line of JSON, so that a lost database can be told again.

A line holds the whole rows of the vote, its battle, the battle's turns and contestants, and its question where it was
on one, by the names of their columns: a column that is added later comes along by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, insert, select, true, update
from sqlalchemy.orm import Session

from db.forget import forgotten
from db.parts import parts
from db.session import DatabaseProblem
from db.tables import Answer, Base, Battle, Contestant, Counter, Judgment, Question, Turn, UtcDateTime, Vote
from db.votes import VOTES, decided

Row = dict[str, Any]
# In the order in which references allow them to be stored.
_TABLES: dict[str, Table] = {
    part: Base.metadata.tables[entity.__tablename__]
    for part, entity in (
        ("contestants", Contestant),
        ("questions", Question),
        ("battle", Battle),
        ("turns", Turn),
        ("vote", Vote),
    )
}
_MANY = ("contestants", "questions", "turns")


@dataclass(frozen=True)
class Line:
    """One line of a journal, without its end, and the number of its vote."""

    sequence: int
    text: str


@dataclass(frozen=True)
class Entry:
    """A line that was read: the rows of each table, each value as its column takes it."""

    rows: Mapping[str, Sequence[Row]]

    @property
    def battle_id(self) -> str:
        return str(self.rows["vote"][0]["battle_id"])

    @property
    def sequence(self) -> int:
        return int(self.rows["vote"][0]["sequence"])


@dataclass(frozen=True)
class Replayed:
    """How many votes a journal added, and how many of its votes were there already."""

    added: int = 0
    known: int = 0


# -- writing ---------------------------------------------------------------------------------------


def lines_after(session: Session, sequence: int, limit: int) -> list[Line]:
    """The first `limit` votes newer than a watermark, each with its battle, in the order of their commits."""
    vote, battle, turn = (_TABLES[part] for part in ("vote", "battle", "turns"))
    votes = _rows(session, vote, vote.c.sequence > sequence, limit)
    ids = [row["battle_id"] for row in votes]
    battles = {row["id"]: row for row in _rows(session, battle, battle.c.id.in_(ids))}
    turns: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(session, turn, turn.c.battle_id.in_(ids)):
        turns[row["battle_id"]].append(row)
    beside = _beside(session, battles.values())
    return [
        Line(row["sequence"], _line(row, battles[row["battle_id"]], turns[row["battle_id"]], beside)) for row in votes
    ]


def _beside(session: Session, battles: Collection[Row]) -> dict[str, Row]:
    """The contestants and questions of these battles, by their keys."""
    contestant, question = _TABLES["contestants"], _TABLES["questions"]
    fingerprints = {row[side] for row in battles for side in ("contestant_a", "contestant_b")}
    ids = {row["question_id"] for row in battles if row["question_id"]}
    models = _rows(session, contestant, contestant.c.fingerprint.in_(fingerprints))
    questions = _rows(session, question, question.c.id.in_(ids)) if ids else []
    return {row["fingerprint"]: row for row in models} | {row["id"]: row for row in questions}


def _rows(session: Session, table: Table, condition: ColumnElement[bool], limit: int | None = None) -> list[Row]:
    order = [table.c.sequence] if "sequence" in table.c else list(table.primary_key.columns)
    found = session.execute(select(table).where(condition).order_by(*order).limit(limit))
    return [dict(row) for row in found.mappings()]


def _line(vote: Row, battle: Row, turns: list[Row], beside: Mapping[str, Row]) -> str:
    sides = dict.fromkeys((battle["contestant_a"], battle["contestant_b"]))
    asked = [battle["question_id"]] if battle["question_id"] else []
    written = {
        "contestants": [beside[name] for name in sides],
        "questions": [beside[name] for name in asked],
        "battle": battle,
        "turns": turns,
        "vote": vote,
    }
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"), default=datetime.isoformat)


# -- reading ---------------------------------------------------------------------------------------


def read_journal(path: Path) -> tuple[list[Entry], str]:
    """The entries of a file, and a sentence where its last line is broken: whoever wrote it was ended in the middle.

    Raises `DatabaseProblem`, naming file and line, where another line is broken or a newer Paddock wrote it.
    """
    entries: list[Entry] = []
    # Not splitlines: a prompt may hold other characters that end a line for it.
    lines = path.read_bytes().split(b"\n")
    last = max((number for number, line in enumerate(lines) if line.strip()), default=-1)
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            entries.append(_entry(dict(json.loads(line))))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            if number == last:
                return entries, f"The last line of {path.name} is broken and was left out: it was never whole."
            raise DatabaseProblem(
                f"The journal {path.name} is broken in line {number + 1}; take that line out to go on without its vote."
            ) from error
        except LookupError as error:
            raise DatabaseProblem(
                f"The journal {path.name}, line {number + 1}, knows {error}, which this code does not; update Paddock."
            ) from error
    return entries, ""


class _Unknown(LookupError):
    """A table or column that this code does not have."""


def _entry(read: Mapping[str, Any]) -> Entry:
    if unknown := sorted(set(read) - set(_TABLES)):
        raise _Unknown(unknown[0])
    read = {"questions": [], **read}  # older lines have none
    rows: dict[str, Sequence[Row]] = {}
    for part, table in _TABLES.items():
        given = read[part] if part in _MANY else [read[part]]
        rows[part] = [{name: _value(table, name, value) for name, value in row.items()} for row in given]
    entry = Entry(rows)
    if not entry.battle_id or not entry.sequence:
        raise ValueError(entry)
    return entry


def _value(table: Table, name: str, value: object) -> object:
    if name not in table.c:
        raise _Unknown(f"{table.name}.{name}")
    is_time = isinstance(table.c[name].type, UtcDateTime) and value is not None
    return datetime.fromisoformat(str(value)) if is_time else value


# -- telling it again ------------------------------------------------------------------------------


def replay(session: Session, entries: Iterable[Entry]) -> Replayed:
    """Store the votes that are missing, by the ids of their battles; a second time it adds nothing.

    A battle that is there without its vote, as it stood when the database was copied, becomes what the journal says.
    A number that another vote has already is not taken twice: the replayed one gets the next. What is known of a
    contestant stays.
    """
    by_id = {entry.battle_id: entry for entry in entries}
    added = sum(_replay(session, part) for part in parts(by_id.values()))
    return Replayed(added, len(by_id) - added)


def _replay(session: Session, entries: Sequence[Entry]) -> int:
    known = _there(session, Vote.battle_id, [entry.battle_id for entry in entries])
    added = [entry for entry in entries if entry.battle_id not in known]
    if not added:
        return 0
    _store_missing(session, "contestants", Contestant.fingerprint, added)
    _store_missing(session, "questions", Question.id, added)
    ids = [entry.battle_id for entry in added]
    session.execute(delete(Turn).where(Turn.battle_id.in_(ids)), execution_options={"synchronize_session": False})
    begun, battle = _there(session, Battle.id, ids), _TABLES["battle"]
    for entry in added:
        if entry.battle_id in begun:  # not deleted: a judge may have spoken of it
            session.execute(update(battle).where(battle.c.id == entry.battle_id).values(entry.rows["battle"][0]))
    _store(session, "battle", [row for entry in added for row in entry.rows["battle"] if row["id"] not in begun])
    _store(session, "turns", [row for entry in added for row in entry.rows["turns"]])
    _store(session, "vote", _numbered(session, added))
    return len(added)


def _store_missing(session: Session, part: str, key: Any, added: Sequence[Entry]) -> None:
    named = {row[key.key]: row for entry in added for row in entry.rows[part]}
    missing = named.keys() - _there(session, key, named)
    _store(session, part, [named[name] for name in sorted(missing)])


def _there(session: Session, column: Any, keys: Iterable[Any]) -> set[Any]:
    return set(session.scalars(select(column).where(column.in_(list(keys)))))


def _store(session: Session, part: str, rows: Iterable[Row]) -> None:
    # What an older line does not say is left to the column's default, so only rows that say the same go together.
    alike: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        alike[tuple(sorted(row))].append(row)
    for together in alike.values():
        session.execute(insert(_TABLES[part]), together)


def _numbered(session: Session, added: Sequence[Entry]) -> list[Row]:
    """The rows of these votes, each with a number of its own; the counter stands at the highest of all."""
    taken = _there(session, Vote.sequence, [entry.sequence for entry in added])
    counter = session.get(Counter, VOTES) or Counter(name=VOTES, value=0)
    free = max(counter.value, *(entry.sequence for entry in added))
    rows = []
    for entry in added:
        number = entry.sequence
        if number in taken:
            number = free = free + 1
        taken.add(number)
        # What the review came to after the line was written is in no journal: it is to judge the vote anew.
        rows.append({**entry.rows["vote"][0], "sequence": number, "rules": None})
    counter.value = free
    session.add(counter)
    session.flush()
    return rows


def all_told_until(session: Session, sequence: int, told: Collection[str]) -> int:
    """The newest number up to which every vote after `sequence` is one of these battles."""
    rows = session.execute(
        select(Vote.sequence, Vote.battle_id).where(Vote.sequence > sequence).order_by(Vote.sequence)
    )
    for number, battle_id in rows:
        if battle_id not in told:
            break
        sequence = number
    return sequence


def beside_votes(session: Session) -> str:
    """A digest of what may change and no journal tells: decisions on votes, contestants, judgments, texts forgotten.

    Not what the review came to: it judges replayed votes anew.
    """
    rows = [tuple(row.values()) for row in _rows(session, _TABLES["contestants"], true())]
    judged = [
        tuple(session.execute(select(func.count(), func.max(table.created_at)).select_from(table)).one())
        for table in (Question, Answer, Judgment)
    ]
    return hashlib.sha256(repr((decided(session), rows, judged, forgotten(session))).encode()).hexdigest()
