"""Contestants by themselves: mean scores of the single form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from arena.judge.bootstrap import Estimate, ratio
from arena.judge.joined import category_of, cluster_of, summed, unit
from db.judging import JudgedRow


@dataclass(frozen=True)
class SingleReport:
    """One contestant in the single form: the mean score, 1 to 10, over all questions and by category.

    `mean` is None below two questions.
    """

    contestant: str
    name: str
    mean: Estimate | None
    by_category: dict[str, float]
    judged: int
    failed: int


def single_reports(rows: Sequence[JudgedRow]) -> tuple[SingleReport, ...]:
    """Of judgments of one judge in one set, those of the single form; the best first."""
    contestants: dict[str, dict[str, JudgedRow]] = {}
    for row in rows:
        if row.b is None:
            ours = contestants.setdefault(row.a, {})
            if row.status == "done" or unit(row) not in ours or ours[unit(row)].status != "done":
                ours[unit(row)] = row
    found = [_single_report(list(ours.values())) for ours in contestants.values()]
    return tuple(sorted(found, key=lambda one: (-one.mean.value if one.mean else 0.0, one.name)))


def _single_report(rows: Sequence[JudgedRow]) -> SingleReport:
    done = [(row, row.score_a) for row in rows if row.status == "done" and row.score_a is not None]
    scored = [(category_of(row), score) for row, score in done]
    clusters = [cluster_of(row) for row, _ in done]
    return SingleReport(
        contestant=rows[0].a,
        name=rows[0].name_a,
        mean=ratio(summed([score for _, score in done], clusters), summed([1.0] * len(done), clusters)),
        by_category={
            name: fmean(score for category, score in scored if category == name)
            for name in dict.fromkeys(category for category, _ in scored)
        },
        judged=len(scored),
        failed=len(rows) - len(scored),
    )
