"""Which of one voter's votes count, and why another does not: pure, the same again from the same votes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from arena.integrity import rules as why
from arena.integrity.rules import Rules


@dataclass(frozen=True)
class Cast:
    """A vote, with what the rules read of it; `pair` holds two fingerprints, `network` is null where not known.

    `seconds` is how long after the answers' end it was cast, `shown` how many characters the longer answer has; None
    where that is not known. `prompt` is the key of its prompt, None where none is or prompts may be repeated (stored
    questions); `crowded`: enough battles on that prompt count on that day. A vote that is not `open` stays what it is:
    it is settled, or something other than these rules excluded it.
    """

    battle_id: str
    pair: frozenset[str]
    network: str | None
    seconds: float | None
    shown: int | None
    prompt: str | None
    crowded: bool
    verified: bool
    open: bool
    status: str
    reason: str | None


@dataclass(frozen=True)
class Facts:
    """What is known of the voter beside its votes, at the moment `now`.

    `since`: its first battle. `total`: how many votes would count in the whole arena. `established`: its votes have
    counted at once before. `biased`: there is evidence against all of its votes; `doubted`: there is some, too little
    for that and too much for a newcomer; `networks`: those that there is evidence against.
    """

    now: datetime
    since: datetime
    total: int
    established: bool
    biased: bool
    doubted: bool = False
    networks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """What one vote is to be; a `reason` of None counts."""

    battle_id: str
    reason: str | None

    @property
    def status(self) -> str:
        return "held" if self.reason else "counted"


@dataclass(frozen=True)
class Standing:
    """The verdicts on a voter's open votes, in their order, and whether its next ones count at once."""

    verdicts: tuple[Verdict, ...]
    established: bool


def judge(casts: Sequence[Cast], rules: Rules, facts: Facts) -> Standing:
    """What one voter's votes are to be; `casts` are all of them, in the order of their commits."""
    reasons = _reasons(casts, rules, facts)
    plausible = sum(reasons[cast.battle_id] is None for cast in casts)
    old = facts.now - facts.since >= rules.newcomer
    grown = not facts.doubted and (plausible >= rules.plausible or (plausible > 0 and old))
    # Who was established and turns out to be biased is watched from the next vote on, not seconds after it.
    established = not facts.biased and (facts.established or grown)
    verdicts = [
        Verdict(cast.battle_id, reasons[cast.battle_id] or (None if established or cast.verified else why.NEW))
        for cast in casts
        if cast.open
    ]
    return Standing(tuple(verdicts), established)


def too_fast(seconds: float | None, shown: int | None, rules: Rules) -> bool:
    """Whether nobody reads that much in this time; not where the time is not known."""
    if seconds is None:
        return False
    return seconds < min(rules.quick_seconds + (shown or 0) / rules.read_chars, rules.most_seconds)


def most_votes(total: int, rules: Rules) -> int:
    """How many votes of one voter count, where `total` votes would."""
    return max(rules.least_share, int(rules.share * total))


def _reasons(casts: Sequence[Cast], rules: Rules, facts: Facts) -> dict[str, str | None]:
    """Of each vote what speaks against it, youth left aside; only those that count use up what a voter may."""
    pairs: Counter[frozenset[str]] = Counter()
    prompts: set[str] = set()
    reasons: dict[str, str | None] = {}
    counted, most = 0, most_votes(facts.total, rules)
    for cast in casts:
        reason = _against(cast, rules, facts) if cast.open else _kept(cast)
        if cast.open and reason is None:
            if cast.prompt in prompts or cast.crowded:
                reason = why.PROMPT_REPEATED
            elif pairs[cast.pair] >= rules.votes_on_a_pair:
                reason = why.PAIR_SHARE
            elif counted >= most:
                reason = why.SHARE
        if reason is None:
            counted += 1
            pairs[cast.pair] += 1
            prompts |= {cast.prompt} if cast.prompt else set()
        reasons[cast.battle_id] = reason
    return reasons


def _kept(cast: Cast) -> str | None:
    return None if cast.status == "counted" else cast.reason or cast.status


def _against(cast: Cast, rules: Rules, facts: Facts) -> str | None:
    if facts.biased:
        return why.BIASED
    if cast.network in facts.networks:
        return why.NETWORK_BIASED
    return why.TOO_FAST if too_fast(cast.seconds, cast.shown, rules) else None
