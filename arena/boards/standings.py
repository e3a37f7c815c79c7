"""Who is on the leaderboard, and what one row of it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from db.tables import Contestant
from models.spec import ModelSpec


@dataclass(frozen=True)
class Entrant:
    """What the leaderboard shows of a contestant besides its votes; `current`: the catalogue has it.

    `state` is that of `db.tables.Contestant`.
    """

    fingerprint: str
    model: str
    name: str
    engine: str
    quantization: str
    license: str
    url: str
    current: bool
    state: str = "on"


@dataclass(frozen=True)
class Standing:
    """One row of the leaderboard; ratings in points of the Elo scale, intervals at 95 %.

    `rating` is None where no finite one exists, `lower` and `upper` where nothing was compared. `rank` and the
    interval of ranks, which holds for the whole table at once, are None for who has no rating, or no chain of votes
    to those with the most votes (`island` 0 is theirs; ratings of different islands are not comparable). `votes` are
    the selection's; `wins` and `win_rate` count a tie as half a win. `elo` is the online rating, `elo_lower` and
    `elo_upper` where 95 % of random orders of the same votes end. `swap`: how many votes for it against the row
    above, all won, would put it there; None where there is none above, or it can't be said. `provisional`: few votes,
    a wide interval, or another island. `state`: "on", "off" (not drawn for now) or "archived".
    """

    rank: int | None
    rank_lower: int | None
    rank_upper: int | None
    model: str
    name: str
    fingerprint: str
    rating: float | None
    lower: float | None
    upper: float | None
    votes: int
    wins: float
    win_rate: float | None
    elo: float
    elo_lower: float | None
    elo_upper: float | None
    swap: int | None
    island: int
    provisional: bool
    engine: str
    quantization: str
    license: str
    url: str
    state: str


def entrants(catalog: Iterable[ModelSpec], remembered: Iterable[Contestant]) -> tuple[Entrant, ...]:
    """Everybody who took or may take part, oldest first; the catalogue's names win over remembered ones."""
    known = {
        row.fingerprint: Entrant(
            row.fingerprint,
            row.model_id,
            row.name,
            row.engine,
            row.quantization,
            row.license,
            row.url,
            current=False,
            state=row.state,
        )
        for row in remembered
    }
    for spec in catalog:
        state = known[spec.fingerprint].state if spec.fingerprint in known else "on"
        known[spec.fingerprint] = Entrant(
            spec.fingerprint, spec.id, spec.name, spec.engine, spec.quantization, spec.license, spec.url,
            current=True, state=state,
        )  # fmt: skip
    return tuple(known.values())


def model_labels(listed: Iterable[Entrant]) -> dict[str, str]:
    """Fingerprint → model id, unique: where several share an id, all but the latest get "@" + 8 hex digits.

    `listed` comes oldest first; the catalogue's contestant counts as the latest of its id.
    """
    labels: dict[str, str] = {}
    latest: dict[str, str] = {}
    for entrant in sorted(listed, key=lambda entrant: entrant.current):
        older = latest.get(entrant.model)
        if older is not None:
            labels[older] = f"{entrant.model}@{older[:8]}"
        labels[entrant.fingerprint] = entrant.model
        latest[entrant.model] = entrant.fingerprint
    return labels
