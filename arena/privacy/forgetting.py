"""What one visitor wrote, or one battle: found by whatever name it has for people, counted, and forgotten."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from arena.exchange.exports import pseudonym
from arena.integrity.rules import LASTING
from arena.labelling import label_missing
from arena.voters import ID_CHARS
from db.forget import Written, battles_of, erase_traces, forget_texts, forget_voter, voters, written_in
from db.parts import parts
from db.session import Database, Session
from db.tables import Battle


class NobodyFound(Exception):
    """No voter and no battle has this name; the message is one sentence."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Nobody is called {name} here; give the code that About shows to its visitor, the pseudonym of an export, "
            "or the id of a battle."
        )


@dataclass(frozen=True)
class Found:
    """The battles that are meant; `voter` where they are all of one voter's."""

    voter: str | None
    battles: tuple[str, ...]


def find(session: Session, name: str, pseudonym_key: bytes) -> Found:
    """Whose battles `name` means: a voter's id, the pseudonym in our exports, or a battle's id.

    Raises `NobodyFound`.
    """
    name = name.strip().lower()
    if battles := battles_of(session, name):
        return Found(name, tuple(battles))
    if session.get(Battle, name) is not None:
        return Found(None, (name,))
    for voter in voters(session):
        if pseudonym(voter, pseudonym_key) == name:
            return Found(voter, tuple(battles_of(session, voter)))
    raise NobodyFound(name)


def look(database: Database, name: str, pseudonym_key: bytes) -> Written:
    """What there is to be forgotten. Raises `NobodyFound`."""
    with database.read() as session:
        return written_in(session, find(session, name, pseudonym_key).battles)


def forget(database: Database, name: str, pseudonym_key: bytes, *, votes: bool) -> int:
    """Empty the texts for good; how many battles had any. With `votes` another id, by chance, takes the voter's place.

    Labels that were not told yet are told first, since ratings by category rest on them. Nobody else may write to a
    SQLite file meanwhile. Raises `NobodyFound` and `DatabaseProblem`.
    """
    with database.read() as session:
        found = find(session, name, pseudonym_key)
    label_missing(database)
    # In parts, so that on a shared database others get their turn.
    emptied = sum(
        database.write(lambda session, part=part: forget_texts(session, part, LASTING))  # type: ignore[misc]
        for part in parts(found.battles)
    )
    if votes:
        instead = secrets.token_hex(ID_CHARS // 2)
        database.write(lambda session: forget_voter(session, found.battles, found.voter, instead))
    erase_traces(database.url)
    return emptied
