"""What the contestants' answers took → rows of the table of speeds; follows new votes from a watermark."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from arena.boards.standings import Entrant, entrants, model_labels
from arena.boards.usage import Totals
from db.queries import contestants
from db.session import Database
from db.usage import took_after
from db.votes import newest_vote, rules_version
from models.spec import ModelSpec


@dataclass(frozen=True)
class Speed:
    """One row: what a contestant's `answers` took, each figure over those of which it is known (None: of none).

    `prompt_tokens`, `tokens` and `first_token_seconds` are means. `first_token_p95`, `tokens_per_second` and
    `joules_per_1000_tokens` are defined in `arena.boards.usage.Totals`.
    """

    model: str
    name: str
    fingerprint: str
    engine: str
    quantization: str
    url: str
    answers: int
    prompt_tokens: float | None
    tokens: float | None
    first_token_seconds: float | None
    first_token_p95: float | None
    tokens_per_second: float | None
    joules_per_1000_tokens: float | None


class Speeds:
    """The speeds of one database's contestants. Safe to share between threads.

    It counts every finished answer of battles whose vote counts, superseded ones too: they were generated.
    Before the vote a battle moves nothing here, or it would tell who is playing. It remembers sums and the
    times to the first token (8 bytes an answer), so a refresh reads the votes after its watermark only; all of them
    where the rules which votes count have changed.
    """

    def __init__(self, database: Database, catalog: Sequence[ModelSpec]) -> None:
        """`catalog` may grow meanwhile; see `Roster`."""
        self._database = database
        self._catalog = catalog
        self._lock = threading.Lock()
        self._rules, self._watermark = 0, 0
        self._totals: dict[str, Totals] = defaultdict(Totals)

    def refresh(self) -> tuple[Speed, ...]:
        """Take in the votes since the last refresh; the rows, fastest first, those of unknown speed last."""
        with self._lock:
            known = self._take_in()
            labels = model_labels(who for who in known if who.current or who.fingerprint in self._totals)
            rows = [
                _row(labels[who.fingerprint], who, self._totals[who.fingerprint])
                for who in known
                if who.fingerprint in self._totals
            ]
        return tuple(sorted(rows, key=lambda row: (-(row.tokens_per_second or 0), row.name, row.fingerprint)))

    def _take_in(self) -> tuple[Entrant, ...]:
        """Count the answers of new votes; everybody who may have a row."""
        try:
            with self._database.read() as session:
                rules = rules_version(session)
                if rules != self._rules:
                    self._begin(rules)
                for turn in took_after(session, self._watermark):
                    self._totals[turn.a].add(turn.took_a)
                    self._totals[turn.b].add(turn.took_b)
                # Imported votes too, of which nothing was given: they need not be looked at again.
                self._watermark = newest_vote(session)
                return entrants(self._catalog, contestants(session))
        except BaseException:
            # Half of a vote's turns may be counted: the next refresh begins anew.
            self._begin(self._rules)
            raise

    def _begin(self, rules: int) -> None:
        self._rules, self._watermark, self._totals = rules, 0, defaultdict(Totals)


def _row(label: str, who: Entrant, totals: Totals) -> Speed:
    return Speed(
        model=label,
        name=who.name,
        fingerprint=who.fingerprint,
        engine=who.engine,
        quantization=who.quantization,
        url=who.url,
        answers=totals.answers,
        prompt_tokens=totals.prompt_tokens.mean,
        tokens=totals.tokens.mean,
        first_token_seconds=totals.first_token_seconds,
        first_token_p95=totals.first_token_p95,
        tokens_per_second=totals.tokens_per_second,
        joules_per_1000_tokens=totals.joules_per_1000_tokens,
    )
