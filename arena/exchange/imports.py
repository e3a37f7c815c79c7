"""Votes of others → votes of ours, all of a file or, where one line can't be read, none."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from arena.enrolment import enrol_all
from arena.exchange import cells
from arena.exchange.exports import PSEUDONYM, VOTE_FIELDS, labels_of_voted, pseudonym
from arena.exchange.fields import STANDING, names
from arena.exchange.files import listed, shown, unharmed
from arena.exchange.languages import language_code
from arena.exchange.rows import ImportProblem, Row, RowFile, Told, untold
from db.contestants import imported_contestant
from db.imports import ImportedTurn, ImportedVote, import_votes
from db.session import Database, Session
from db.tables import Contestant
from db.voters import excluded_voters
from models.spec import ModelSpec

_BATTLE = re.compile("[0-9a-f]{32}")
_PSEUDONYM = re.compile("[0-9a-f]{16}")
_OURS = frozenset({"battle", "time", "voter", "model_a", "model_b", "outcome", "source"})
_TEXTS = (("messages_a", "messages_b"), ("conversation_a", "conversation_b"))
_NONE = "-"
# Ratings take a number for each pair: a column of something else, read as models, would end the leaderboard for good.
MOST_MODELS = 1000

Read = TypeVar("Read")


@dataclass(frozen=True)
class Columns:
    """Which column holds what; "" takes that of our own exports or of LMArena's public form, where the file has it.

    "-" takes none, where none is needed.
    """

    model_a: str = ""
    model_b: str = ""
    winner: str = ""
    voter: str = ""
    timestamp: str = ""
    turns: str = ""
    language: str = ""
    category: str = ""

    def among(self, path: Path, there: Sequence[str]) -> Columns:
        """The columns as the file has them; what it lacks is "". Raises `ImportProblem` for one that is needed."""
        found = {}
        for role in (part.name for part in fields(self)):
            named = getattr(self, role)
            if named == _NONE and role not in _NEEDED:
                found[role] = ""
                continue
            candidates = (named,) if named else _USUAL[role]
            found[role] = next((name for name in candidates if name in there), "")
            if not found[role] and (named or role in _NEEDED):
                missing = shown(named or " or ".join(candidates))
                raise ImportProblem(f"{path} has no column {missing}; there are: {listed(there)}.")
        return Columns(**found)

    def guessed(self, asked: Columns) -> str:
        """Which columns were taken by their usual names, since `asked` names none: "time ← tstamp, voter ← judge"."""
        taken = {role: getattr(self, role) for role in _USUAL if not getattr(asked, role)}
        return ", ".join(f"{_USUAL[role][0]} ← {column}" for role, column in taken.items() if column)


_NEEDED = ("model_a", "model_b", "winner")
_USUAL: Mapping[str, tuple[str, ...]] = {
    "model_a": ("model_a",),
    "model_b": ("model_b",),
    "winner": ("outcome", "winner"),
    "voter": ("voter", "judge"),
    "timestamp": ("time", "tstamp", "timestamp"),
    "turns": ("turns", "turn"),
    "language": ("language",),
    "category": ("category",),
}


@dataclass(frozen=True)
class Imported:
    """What came of a file: votes `added`, `known` before, and left out as `named` (LMArena's `anony` is false)."""

    added: int
    known: int
    named: int
    columns: Columns


def import_file(
    database: Database,
    catalog: Sequence[ModelSpec],
    path: Path,
    columns: Columns,
    now: datetime,
    key: bytes,
    *,
    texts: bool = True,
    told: Told = untold,
) -> Imported:
    """Take in the votes of a file, in its order; `told` hears the share (0 to 1) that is read.

    A vote without a time gets `now`, one without a voter a voter of its own. Of the same votes again nothing is added.
    `key` made the pseudonyms in exports of this arena: whoever is excluded is known by theirs.
    Raises `ImportProblem`; nothing is imported then.
    """
    file = RowFile(path)
    there = file.columns
    found = columns.among(path, there)
    enrol_all(database, catalog, now)
    # Only our CSV has a ' before what a spreadsheet would run; in a file of others it may belong to the name.
    disarmed = path.suffix.lower() == ".csv" and set(there) >= set(VOTE_FIELDS) - set(names(STANDING))
    reader = _Reader(found, disarmed, path.name, now, texts, _known(database, catalog))

    def work(session: Session) -> tuple[int, int]:
        reader.excluded = {pseudonym(voter.id, key): voter.id for voter in excluded_voters(session)}
        return import_votes(session, reader.votes(file.read(told)), reader.newcomers)

    added, known = database.write(work)
    return Imported(added, known, reader.named, found)


def _known(database: Database, catalog: Sequence[ModelSpec]) -> dict[str, str]:
    """Label → fingerprint."""
    return {label: fingerprint for fingerprint, label in labels_of_voted(database, catalog).items()}


@dataclass
class _Reader:
    """Reads the rows of one file; `known`: the contestants by their label; `disarmed`: `harmless` wrote the cells.

    `excluded`: the excluded voters by their pseudonyms.
    """

    columns: Columns
    disarmed: bool
    source: str
    now: datetime
    texts: bool
    known: dict[str, str]
    named: int = 0
    excluded: Mapping[str, str] = field(default_factory=dict)
    newcomers: dict[str, Contestant] = field(default_factory=dict)
    seen: Counter[bytes] = field(default_factory=Counter)

    def votes(self, rows: Iterator[Row]) -> Iterator[ImportedVote]:
        for row in rows:
            said = {name: unharmed(cell) for name, cell in row.cells.items()} if self.disarmed else row.cells
            try:
                if not _read(said, cells.truth, "anony", default=True):
                    self.named += 1
                    continue
                yield self._vote(said)
            except cells.Unreadable as error:
                raise ImportProblem(f"{row.place}: {error}{'' if str(error).endswith('?') else '.'}") from error

    def _vote(self, row: Mapping[str, Any]) -> ImportedVote:
        battle = _read(row, lambda _: self._battle(row), "battle")
        models = [self._contestant(row, role) for role in ("model_a", "model_b")]
        if models[0] == models[1]:
            itself = f"{shown(self._said(row, 'model_a'))} is compared with itself"
            raise cells.Unreadable(f"{itself} (columns {listed((self.columns.model_a, self.columns.model_b))})")
        conversation = self._conversation(row) if self.texts else ()
        ours = row.keys() >= _OURS
        return ImportedVote(
            battle_id=battle,
            voter=self._voter(row, battle),
            a=models[0],
            b=models[1],
            outcome=_read(row, cells.outcome, self.columns.winner),
            turns=len(conversation) or _read(row, cells.count, self.columns.turns, default=1),
            category=self._said(row, "category") or None,
            language=language_code(self._said(row, "language")),
            source=(_read(row, cells.text, "source") or None) if ours else self.source,
            created_at=_read(row, cells.moment, self.columns.timestamp) or self.now,
            conversation=conversation,
            **(_standing(row) if ours else {}),
        )

    def _said(self, row: Mapping[str, Any], role: str) -> str:
        return _read(row, cells.text, getattr(self.columns, role))

    def _battle(self, row: Mapping[str, Any]) -> str:
        """Our own id, else one made of all that the row says: the same file again has the same battles."""
        given = row.get("battle")
        own = isinstance(given, str) and _BATTLE.fullmatch(given)
        said = str(given) if own else json.dumps(row, sort_keys=True, default=str)
        digest = hashlib.sha256(said.encode()).digest()
        self.seen[digest] += 1
        if not own:
            # Several people may have voted the same; the second such row is the second such vote.
            return hashlib.sha256(digest + str(self.seen[digest]).encode()).hexdigest()[:32]
        if self.seen[digest] > 1:
            raise cells.Unreadable(f"the battle {given} stands in the file before")
        return said

    def _voter(self, row: Mapping[str, Any], battle: str) -> str:
        said = self._said(row, "voter")
        if not said:
            return f"unknown:{battle}"
        if said in self.excluded:
            return self.excluded[said]
        return f"{PSEUDONYM}{said}" if _PSEUDONYM.fullmatch(said) else f"imported:{said}"

    def _contestant(self, row: Mapping[str, Any], role: str) -> str:
        name = self._said(row, role)
        if not name.strip():
            raise cells.Unreadable(f"the name of a model is empty (column {shown(getattr(self.columns, role))})")
        if name not in self.known:
            if len(self.known) >= MOST_MODELS:
                option = role.replace("_", "-")
                raise cells.Unreadable(f"more than {MOST_MODELS:,} models; is --{option} the right column?")
            newcomer = imported_contestant(name, self.now)
            self.known[name] = newcomer.fingerprint
            self.newcomers[newcomer.fingerprint] = newcomer
        return self.known[name]

    def _conversation(self, row: Mapping[str, Any]) -> tuple[ImportedTurn, ...]:
        try:
            if "conversation" in row:
                return _read(row, cells.turns, "conversation")
            for a, b in _TEXTS:
                if a in row and b in row:
                    return _read(row, cells.turns_of_messages, a, b)
        except cells.Unreadable as error:
            raise cells.Unreadable(
                f"the conversation can't be read ({error}); --no-texts imports the votes alone"
            ) from error
        return ()


def _standing(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a file of ours says of whether a vote counts, as fields of `ImportedVote`."""
    status = _read(row, cells.status, "status")
    reason = None if status == "counted" else _read(row, cells.text, "reason") or None
    return {"status": status, "reason": reason, "verified": _read(row, cells.truth, "verified", default=False)}


def _read(row: Mapping[str, Any], read: Callable[..., Read], *columns: str, **options: Any) -> Read:
    """What `read` makes of the cells in `columns`; an `Unreadable` names them."""
    try:
        return read(*(row.get(column) for column in columns), **options)
    except cells.Unreadable as error:
        named = f"column{'s' if len(columns) > 1 else ''} {listed(columns)}"
        raise cells.Unreadable(f"{error} ({named})") from error
