"""Ratings and contestants → rows of the leaderboard; follows new votes from a watermark."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from arena.ratings import PRIOR_DRAWS, START, Rating, Tally, bradley_terry, elo
from db.outcome import Outcome
from db.queries import contestants
from db.session import Database
from db.tables import Contestant
from db.votes import VoteRow, votes_after
from models.catalog import ModelSpec

ENOUGH_VOTES = 30
WIDEST_MARGIN = 200.0
_POINTS = {outcome: outcome.score_a for outcome in Outcome}


@dataclass(frozen=True)
class Entrant:
    """What the leaderboard shows of a contestant besides its votes; `current`: the catalogue has it."""

    fingerprint: str
    model: str
    name: str
    engine: str
    quantization: str
    license: str
    url: str
    current: bool


@dataclass(frozen=True)
class Standing:
    """One row of the leaderboard; ratings in Elo points, the interval at 95 %.

    `rating` is None where no finite one exists, `lower` and `upper` also where nothing was compared.
    `wins` and `win_rate` count a tie and both-bad as half a win. `provisional`: too few votes, too wide
    an interval, or no chain of votes to the contestants with the most votes.
    """

    rank: int
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
    provisional: bool
    quantization: str
    license: str
    url: str


def entrants(catalog: Iterable[ModelSpec], remembered: Iterable[Contestant]) -> tuple[Entrant, ...]:
    """Everybody who took or may take part, oldest first; the catalogue's names win over remembered ones."""
    known = {
        row.fingerprint: Entrant(
            row.fingerprint, row.model_id, row.name, row.engine, row.quantization, row.license, row.url, current=False
        )
        for row in remembered
    }
    for spec in catalog:
        known[spec.fingerprint] = Entrant(
            spec.fingerprint, spec.id, spec.name, spec.engine, spec.quantization, spec.license, spec.url, current=True
        )
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


def standings(
    listed: Sequence[Entrant],
    ratings: Mapping[str, Rating],
    elos: Mapping[str, float],
    *,
    enough_votes: int = ENOUGH_VOTES,
    widest_margin: float = WIDEST_MARGIN,
) -> tuple[Standing, ...]:
    """The rows, highest rating first; equal ratings (to 0.01) share a rank, those without one come last.

    A contestant of the catalogue without votes stands at the prior's 1000, provisional, without an
    interval; one that left the catalogue is listed while it has votes. Provisional are those with fewer
    than `enough_votes`, an interval wider than ± `widest_margin` points, or outside of component 0.
    """
    rated = {who.fingerprint: ratings.get(who.fingerprint) or _unrated(who.fingerprint) for who in listed}
    shown = [who for who in listed if who.current or rated[who.fingerprint].votes]
    heights = {who.fingerprint: _height(rated[who.fingerprint]) for who in shown}
    labels = model_labels(shown)
    shown.sort(key=lambda who: (-heights[who.fingerprint], -rated[who.fingerprint].votes, who.name, who.fingerprint))
    order = sorted(heights.values(), reverse=True)
    return tuple(
        _standing(
            order.index(heights[who.fingerprint]) + 1,
            labels[who.fingerprint],
            who,
            rated[who.fingerprint],
            elos.get(who.fingerprint, START),
            provisional=_provisional(rated[who.fingerprint], enough_votes, widest_margin),
        )
        for who in shown
    )


def _unrated(fingerprint: str) -> Rating:
    return Rating(fingerprint, START, None, None, votes=0, wins=0.0, component=-1)


def _standing(rank: int, model: str, who: Entrant, rating: Rating, folded: float, *, provisional: bool) -> Standing:
    return Standing(
        rank=rank,
        model=model,
        name=who.name,
        fingerprint=who.fingerprint,
        rating=rating.rating,
        lower=rating.lower,
        upper=rating.upper,
        votes=rating.votes,
        wins=rating.wins,
        win_rate=rating.wins / rating.votes if rating.votes else None,
        elo=folded,
        provisional=provisional,
        quantization=who.quantization,
        license=who.license,
        url=who.url,
    )


def _height(rating: Rating) -> float:
    # Rounded as it is shown: equal numbers must not carry different ranks because of a float's last digit.
    return float("-inf") if rating.rating is None else round(rating.rating, 2)


def _provisional(rating: Rating, enough_votes: int, widest_margin: float) -> bool:
    if rating.lower is None or rating.upper is None:
        return True
    margin = (rating.upper - rating.lower) / 2
    return rating.votes < enough_votes or margin > widest_margin or rating.component != 0


class Leaderboard:
    """The leaderboard of one database. Safe to share between threads.

    It remembers counts and the running Elo, so a refresh reads the votes after its watermark only.
    """

    def __init__(
        self,
        database: Database,
        catalog: Sequence[ModelSpec],
        prior: float = PRIOR_DRAWS,
        enough_votes: int = ENOUGH_VOTES,
    ) -> None:
        self._database = database
        self._catalog = tuple(catalog)
        self._prior = prior
        self._enough_votes = enough_votes
        self._lock = threading.Lock()
        self._watermark = 0
        self._tally = Tally()
        self._elos: dict[str, float] = {}
        # None: counts are newer than the rows.
        self._listed: tuple[Entrant, ...] | None = None
        self._rows: tuple[Standing, ...] = ()

    @property
    def rows(self) -> tuple[Standing, ...]:
        """The rows as of the last refresh; empty before the first."""
        return self._rows

    @property
    def voters(self) -> int:
        """How many voters' votes are in the rows."""
        return self._tally.voters

    def refresh(self) -> tuple[Standing, ...]:
        """Take in the votes since the last refresh and give the rows; cheap where nothing is new."""
        with self._lock:
            with self._database.read() as session:
                listed = entrants(self._catalog, contestants(session))
                votes = votes_after(session, self._watermark)
            if votes:
                self._count(votes)
            if listed != self._listed:
                self._rows = standings(
                    listed, bradley_terry(self._tally, self._prior), self._elos, enough_votes=self._enough_votes
                )
                self._listed = listed
            return self._rows

    def _count(self, votes: Sequence[VoteRow]) -> None:
        a, b = [vote.a for vote in votes], [vote.b for vote in votes]
        points = [_POINTS[vote.outcome] for vote in votes]
        elos = elo(a, b, points, self._elos)
        self._tally.add(a, b, points, [vote.voter for vote in votes])
        # Last: should anything above fail, no vote was taken in, and the next refresh reads it again.
        self._elos, self._watermark, self._listed = elos, votes[-1].sequence, None
