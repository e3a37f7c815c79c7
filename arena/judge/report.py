"""Judgments → the report: totals, wins, categories, and how far the judge can be trusted. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from arena.judge.agreement import Agreement as Agreement  # part of what this module offers, like the next ones
from arena.judge.agreement import Concord as Concord
from arena.judge.agreement import agreement_of
from arena.judge.bias import PositionBias as PositionBias
from arena.judge.bias import position_bias
from arena.judge.bootstrap import Estimate as Estimate
from arena.judge.chain import Chained as Chained
from arena.judge.chain import chained
from arena.judge.flags import Flag as Flag
from arena.judge.flags import FlagCode as FlagCode
from arena.judge.flags import flags_of
from arena.judge.joined import BATTLES, compared, current
from arena.judge.length import LengthBias as LengthBias
from arena.judge.length import LengthBin as LengthBin
from arena.judge.length import length_bias
from arena.judge.pairs import Contradiction as Contradiction
from arena.judge.pairs import PairReport as PairReport
from arena.judge.pairs import Tally as Tally
from arena.judge.pairs import pair_reports
from arena.judge.singles import SingleReport as SingleReport
from arena.judge.singles import single_reports
from arena.judge.strength import JudgeRating as JudgeRating
from arena.judge.strength import PeopleRating as PeopleRating
from arena.judge.strength import judge_ratings
from db.judging import JudgedRow, VoteAndVerdicts


@dataclass(frozen=True)
class JudgeReport:
    """All that one judge said in one form of one set of questions ("battles": of people's battles).

    `done` and `failed` count judgments; `outdated` of them are of questions whose text has changed since, and in no
    other figure. `tokens` (read and written) and `cost` (dollars) are sums of those known, None where none is;
    `unknown_tokens` and `unknown_cost` count the judgments of which they are not known, or not wholly.
    """

    judge: str
    judge_name: str
    form: str
    set: str
    pairs: tuple[PairReport, ...]
    singles: tuple[SingleReport, ...]
    chain: tuple[Chained, ...]
    ratings: tuple[JudgeRating, ...]
    position: PositionBias | None
    length: LengthBias | None
    flags: tuple[Flag, ...]
    done: int
    failed: int
    outdated: int
    tokens: int | None
    unknown_tokens: int
    cost: float | None
    unknown_cost: int

    @property
    def useless(self) -> bool:
        return any(flag.useless for flag in self.flags)


@dataclass(frozen=True)
class Report:
    """A part for each judge, form and set, the one with the most judgments first; an agreement for each judge and form.

    There is an agreement only where people voted on what the judge judged.
    """

    parts: tuple[JudgeReport, ...]
    agreements: tuple[Agreement, ...] = ()

    @property
    def pairs(self) -> tuple[PairReport, ...]:
        return tuple(pair for part in self.parts for pair in part.pairs)

    def agreement_with(self, part: JudgeReport) -> Agreement | None:
        """Of people with the judge of a part in its form."""
        return next((one for one in self.agreements if (one.judge, one.form) == (part.judge, part.form)), None)


def build_report(
    rows: Sequence[JudgedRow],
    *,
    baseline: str | None,
    people: Mapping[str, PeopleRating] | None = None,
    votes: Sequence[VoteAndVerdicts] = (),
) -> Report:
    """The report of these judgments.

    `baseline`, a fingerprint or name: only its pairs, and it is the baseline of each. Without one the baseline of a
    pair is who was always shown first, as in the published reviews, and else who does better. Chains then lead to the
    one the judge rates highest. `people`: ratings by fingerprint, shown beside the judge's. `votes`: of battles with
    both. Raises `ValueError` where no judgment is of `baseline`.
    """
    baselines = None if baseline is None else _named(rows, baseline)
    parts: dict[tuple[str, str, str], list[JudgedRow]] = {}
    for row in rows:
        parts.setdefault((row.judge, row.form, row.set or BATTLES), []).append(row)
    reports = [_part(ours, set_name, baselines, people or {}) for (_, _, set_name), ours in parts.items()]
    return Report(
        tuple(sorted(reports, key=lambda part: -(part.done + part.failed))),
        tuple(
            found
            for judge, form, name in dict.fromkeys((row.judge, row.form, row.judge_name) for row in rows)
            if (found := agreement_of([one for one in votes if (one.judge, one.form) == (judge, form)], name))
        ),
    )


def _part(
    rows: Sequence[JudgedRow], set_name: str, baselines: Collection[str] | None, people: Mapping[str, PeopleRating]
) -> JudgeReport:
    counted = current(rows)
    comparisons = compared(counted)
    position, length = position_bias(comparisons), length_bias(comparisons)
    ratings = judge_ratings(comparisons, people)
    references = baselines or [one.contestant for one in ratings[:1]]
    tokens = [count for row in rows for count in (row.prompt_tokens, row.tokens) if count is not None]
    costs = [row.cost for row in rows if row.cost is not None]
    done = sum(row.status == "done" for row in rows)
    return JudgeReport(
        judge=rows[0].judge,
        judge_name=rows[0].judge_name,
        form=rows[0].form,
        set=set_name,
        pairs=pair_reports(comparisons, set_name, baselines),
        singles=single_reports(counted),
        chain=tuple(one for reference in references for one in chained(comparisons, reference)),
        ratings=ratings,
        position=position,
        length=length,
        flags=flags_of(counted, position, length),
        done=done,
        failed=len(rows) - done,
        outdated=len(rows) - len(counted),
        tokens=sum(tokens) if tokens else None,
        unknown_tokens=sum(row.prompt_tokens is None or row.tokens is None for row in rows),
        cost=sum(costs) if costs else None,
        unknown_cost=len(rows) - len(costs),
    )


def _named(rows: Sequence[JudgedRow], baseline: str) -> tuple[str, ...]:
    """The fingerprints that `baseline` means."""
    known = {row.a: row.name_a for row in rows} | {row.b: row.name_b or "" for row in rows if row.b}
    found = tuple(one for one, name in known.items() if baseline.casefold() in (one, name.casefold()))
    if not found:
        raise ValueError(f"No judgment is of '{baseline}'; there are {', '.join(sorted(set(known.values())))}.")
    return found
