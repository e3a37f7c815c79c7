"""The review of votes: what there is in the database → which votes count. Reads much, writes only what changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import log

from arena.integrity import rules as why
from arena.integrity.evidence import Strengths, Suspicion, bias, is_biased, strengths
from arena.integrity.histories import Ground, Places, casts_of, ground_of, is_open, others_of, record_of
from arena.integrity.rules import RULES_VERSION, Rules
from arena.integrity.standing import Facts, Standing, judge
from db import review as rows
from db.queries import contestants
from db.review import Fought, Ruling
from db.session import Database, Session
from db.tables import Voter

VOTERS_AT_ONCE = 50
_CAPPED = (why.PAIR_SHARE, why.SHARE)


@dataclass
class Findings:
    """What a review came to: votes judged, by what they are now, how many changed, and who is taken for biased."""

    votes: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    biased: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)

    def __iadd__(self, other: Findings) -> Findings:
        self.votes += other.votes
        self.changed += other.changed
        self.biased |= other.biased
        self.networks |= other.networks
        return self


@dataclass(frozen=True)
class Explanation:
    """What there is against one voter: the logarithm of its e-value, and its parts by contestant's fingerprint."""

    voter: str
    evidence: float
    biased: bool
    parts: tuple[tuple[str, Suspicion], ...]
    votes: Counter[str]


class Review:
    """Judges votes by one version of the rules. Not for several threads at once."""

    def __init__(
        self,
        database: Database,
        rules: Rules | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        offered: Collection[str] = frozenset(),
    ) -> None:
        """`offered` are the keys of prompts that the page itself proposes, and that any number may ask on a day."""
        self._database = database
        self._offered = offered
        self._rules = rules or Rules()
        self._now = now
        self._held: dict[
            str, frozenset[str]
        ] = {}  # of each network whose votes there are held; none: nothing against it

    def everybody(self, *, write: bool = True) -> Findings:
        """Judge all votes that were cast here. Raises `DatabaseProblem`."""
        with self._database.read() as session:
            voters = rows.all_voters(session)
        return self.judge(voters, write=write)

    def judge(
        self, voters: Collection[str], networks: Collection[str] | None = None, *, write: bool = True
    ) -> Findings:
        """Judge the votes of these voters, and of whoever shares a network with them that there is evidence against.

        `networks` are those with new votes; evidence about others is remembered. None: all is looked at anew.
        Raises `DatabaseProblem`.
        """
        self._held = {name: held for name, held in self._held.items() if networks is not None and name not in networks}
        with self._database.read() as session:
            ground = _ground(session)
        findings = Findings()
        waiting, done = sorted(voters), set[str]()
        while waiting:
            part, waiting = waiting[:VOTERS_AT_ONCE], waiting[VOTERS_AT_ONCE:]
            done.update(part)
            others = self._judge(ground, part, findings, write=write)
            waiting += sorted(others - done - set(waiting))
        return findings

    def explain(self, voter: str) -> Explanation:
        """What there is against a voter, and what has become of its votes. Raises `DatabaseProblem`."""
        with self._database.read() as session:
            ground, fought = _ground(session), rows.fought_by(session, [voter])
        evidence, found = self._evidence(ground, fought)
        parts = tuple((ground.names[one.contestant], one) for one in found)
        votes = Counter(row.reason or row.status or "" for row in fought if row.sequence is not None)
        return Explanation(voter, evidence, is_biased(evidence, self._rules), parts, votes)

    def _judge(self, ground: Ground, voters: Sequence[str], findings: Findings, *, write: bool) -> set[str]:
        """Judge some voters; whoever else has to be judged, now that something is known of their network."""
        now = self._now()
        with self._database.read() as session:
            fought = _by_voter(rows.fought_by(session, voters))
            known = rows.known_voters(session, voters)
            drawn_in = self._look_at_networks(session, ground, fought)
            places = self._places(session, fought)
        rulings: list[Ruling] = []
        stamped: list[str] = []
        established: dict[str, datetime | None] = {}
        for voter, battles in fought.items():
            who = known.get(voter)
            if who is not None and (who.cleared_at or who.excluded_at):
                continue
            standing = self._standing(ground, voter, battles, who, places.crowded(battles), findings)
            places.give(battles, _counted(battles, standing))
            _compare(battles, standing, rulings, stamped)
            if standing.established != bool(who and who.established_at):
                established[voter] = now if standing.established else None
        if write and (rulings or stamped or established):
            findings.changed += self._database.write(
                partial(_write, rulings=rulings, stamped=stamped, established=established, now=now)
            )
        return drawn_in

    def _standing(
        self,
        ground: Ground,
        voter: str,
        battles: Sequence[Fought],
        who: Voter | None,
        crowded: Collection[int],
        findings: Findings,
    ) -> Standing:
        evidence = self._evidence(ground, battles)[0]
        flagged = is_biased(evidence, self._rules)
        networks = {row.network for row in battles if row.network and voter in self._held.get(row.network, ())}
        facts = Facts(
            now=self._now(),
            since=min(row.created_at for row in battles),
            total=ground.total,
            established=bool(who and who.established_at),
            biased=flagged,
            doubted=evidence >= log(self._rules.doubt),
            networks=frozenset(networks),
        )
        standing = judge(casts_of(battles, crowded), self._rules, facts)
        findings.votes.update(verdict.reason or "counted" for verdict in standing.verdicts)
        findings.biased |= {voter} if flagged else set()
        findings.networks |= networks
        return standing

    def _evidence(self, ground: Ground, battles: Sequence[Fought]) -> tuple[float, list[Suspicion]]:
        record = record_of(ground, battles)
        if record.decided < self._rules.least_decided:
            return 0.0, []
        return bias(record, self._strengths(ground, battles), self._rules)

    def _strengths(self, ground: Ground, battles: Sequence[Fought]) -> Strengths:
        return strengths(others_of(ground, battles), self._rules, ground.start)

    def _look_at_networks(self, session: Session, ground: Ground, fought: Mapping[str, Sequence[Fought]]) -> set[str]:
        """Remember whose votes from which networks are held; the voters whom that concerns and has not reached yet."""
        named = {row.network for battles in fought.values() for row in battles if row.network and row.sequence}
        unseen = named - self._held.keys()
        pools: dict[str, list[Fought]] = defaultdict(list)
        for row in rows.fought_from(session, unseen):
            pools[row.network or ""].append(row)
        cleared = _cleared(session, pools.values())
        concerned: set[str] = set()
        for network, pool in pools.items():
            pooled = [row for row in pool if row.voter not in cleared]
            self._held[network] = held = self._act_as_one(session, ground, pooled)
            concerned |= {row.voter for row in pool if _missed(row, row.voter in held)}
        return concerned

    def _act_as_one(self, session: Session, ground: Ground, pool: Sequence[Fought]) -> frozenset[str]:
        """Who of the voters of a network is held, where there is evidence against several together.

        That is, beside the evidence against each of them and without those who have earned trust elsewhere: else
        somebody of a network could have its neighbours' votes held.
        """
        if not self._is_biased_pool(ground, pool):
            return frozenset()
        suspects = _by_voter(pool)
        known = _by_voter(rows.fought_by(session, suspects.keys()))
        suspects = {voter: its for voter, its in suspects.items() if not self._is_trusted(ground, its, known[voter])}
        alone = {voter for voter, its in suspects.items() if is_biased(self._evidence(ground, its)[0], self._rules)}
        beside = [row for voter, its in suspects.items() if voter not in alone for row in its]
        return frozenset(suspects) if self._is_biased_pool(ground, beside) else frozenset()

    def _is_trusted(self, ground: Ground, here: Sequence[Fought], known: Sequence[Fought]) -> bool:
        """Whether a voter is verified, or has enough votes from elsewhere that count and too little against it."""
        if any(row.verified for row in known):
            return True
        elsewhere = sum(row.status == "counted" and row.network != here[0].network for row in known)
        return elsewhere >= self._rules.plausible and self._evidence(ground, known)[0] < log(self._rules.doubt)

    def _is_biased_pool(self, ground: Ground, pool: Sequence[Fought]) -> bool:
        several = len({row.voter for row in pool}) > 1
        return several and is_biased(self._evidence(ground, pool)[0], self._rules)

    def _places(self, session: Session, fought: Mapping[str, Sequence[Fought]]) -> Places:
        asked = [row for battles in fought.values() for row in battles if row.prompt_key]
        first = min((row.cast_at for row in asked if row.cast_at), default=self._now())
        prompts = {row.prompt_key for row in asked if row.prompt_key} - set(self._offered)
        counted = rows.counted_on(session, prompts, first.replace(hour=0, minute=0, second=0, microsecond=0))
        return Places(counted, self._rules.prompts_a_day, self._offered)


def _ground(session: Session) -> Ground:
    return ground_of((one.fingerprint for one in contestants(session)), rows.pairings(session, _CAPPED))


def _by_voter(fought: Iterable[Fought]) -> dict[str, list[Fought]]:
    found: dict[str, list[Fought]] = defaultdict(list)
    for row in fought:
        found[row.voter].append(row)
    return found


def _cleared(session: Session, pools: Iterable[Iterable[Fought]]) -> set[str]:
    known = rows.known_voters(session, {row.voter for pool in pools for row in pool})
    return {voter for voter, one in known.items() if one.cleared_at}


def _missed(row: Fought, held: bool) -> bool:
    """Whether a vote does not say yet what its network has come to."""
    if row.sequence is None or not is_open(row):
        return False
    return row.reason not in (why.NETWORK_BIASED, why.BIASED) if held else row.reason == why.NETWORK_BIASED


def _counted(battles: Iterable[Fought], standing: Standing) -> set[str]:
    """The battles whose votes count by these verdicts, or as an administrator would have it."""
    statuses = {verdict.battle_id: verdict.status for verdict in standing.verdicts}
    return {row.battle_id for row in battles if statuses.get(row.battle_id, row.status) == "counted"}


def _compare(battles: Sequence[Fought], standing: Standing, rulings: list[Ruling], stamped: list[str]) -> None:
    """Tell what is new from what was judged the same before."""
    before = {row.battle_id: row for row in battles}
    for verdict in standing.verdicts:
        row = before[verdict.battle_id]
        was, now = (row.status or "counted", row.reason), (verdict.status, verdict.reason)
        if was != now:
            rulings.append(Ruling(verdict.battle_id, was, now))
        elif row.rules != RULES_VERSION:
            stamped.append(verdict.battle_id)


def _write(
    session: Session,
    rulings: Sequence[Ruling],
    stamped: Sequence[str],
    established: Mapping[str, datetime | None],
    now: datetime,
) -> int:
    rows.write_established(session, established, now)
    return rows.write_rulings(session, rulings, stamped, RULES_VERSION)
