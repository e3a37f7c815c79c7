"""Whether a judge says what people say of the same battles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arena.judge.bootstrap import Estimate, bootstrapped, share
from arena.judge.joined import UNKNOWN_CATEGORY
from arena.judge.verdict import joined_outcome
from arena.ratings.tally import Floats
from db.judging import VoteAndVerdicts
from db.outcome import Outcome

_OUTCOMES = ("a", "b", "tie")
Table = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Concord:
    """Over `battles` that both decided: the share of equal verdicts, and Cohen's kappa.

    Kappa is (raw - chance) / (1 - chance). Which of two contestants is called a means nothing, so each battle is
    counted from both sides: with the shares t of ties, chance is (1 - t_people)(1 - t_judge) / 2 + t_people t_judge,
    and without ties one half. Kappa is None where chance explains all (both only ever say "tie"), and of one battle.
    Intervals take battles as independent.
    """

    battles: int
    raw: Estimate
    kappa: Estimate | None


@dataclass(frozen=True)
class Agreement:
    """Of people and one judge in one form; "both are bad" counts as a tie, so does a disagreement of the two orders.

    `with_ties`: over all battles with both verdicts; `without_ties`: over those in which neither is a tie (None where
    there are none). `by_category`: the same with ties, of each kind of question. `failed` battles have no verdict.
    `table`: how often people said the row and the judge the column; both in the order a, b, tie.
    """

    judge: str
    judge_name: str
    form: str
    with_ties: Concord
    without_ties: Concord | None
    by_category: tuple[tuple[str, Concord], ...]
    by_category_without_ties: tuple[tuple[str, Concord], ...]
    failed: int
    table: Table


def agreement_of(rows: Sequence[VoteAndVerdicts], judge_name: str) -> Agreement | None:
    """Of one judge in one form; None where no battle has both a vote and a verdict.

    Of two judgments of a battle (the wording changed since) the later counts.
    """
    said: dict[str, tuple[str, int, int]] = {}
    failed = set()
    for row in rows:
        if (verdict := joined_outcome(row.verdicts.values())) is None:
            failed.add(row.battle_id)
        else:
            said[row.battle_id] = (row.category or UNKNOWN_CATEGORY, _column(row.people), _OUTCOMES.index(verdict))
    overall = _counts(list(said.values()))
    with_ties, without_ties = concord(overall), concord(_decided(overall))
    if with_ties is None:
        return None
    by_category = {
        name: _counts([one for one in said.values() if one[0] == name])
        for name in dict.fromkeys(name for name, _, _ in said.values())
    }
    return Agreement(
        judge=rows[0].judge,
        judge_name=judge_name,
        form=rows[0].form,
        with_ties=with_ties,
        without_ties=without_ties,
        by_category=tuple((name, found) for name, table in by_category.items() if (found := concord(table))),
        by_category_without_ties=tuple(
            (name, found) for name, table in by_category.items() if (found := concord(_decided(table)))
        ),
        failed=len(failed - said.keys()),
        table=tuple((int(a), int(b), int(tie)) for a, b, tie in overall),
    )


def concord(table: Floats) -> Concord | None:
    """Of how often people said the row and the judge the column (3, 3: a, b, tie); None of nothing."""
    battles = int(table.sum())
    # A column for each battle, nine rows: which of the cells it is in.
    columns = np.repeat(np.eye(9), table.astype(np.int64).ravel(), axis=1)
    raw = share(columns[[0, 4, 8]].sum(0), np.ones(battles))
    return Concord(battles, raw, bootstrapped(columns, kappa)) if raw else None


def kappa(cells: Floats) -> Floats:
    """(n,) Cohen's kappa of tables whose nine cells, row by row, are (9, n); each battle counted from both sides."""
    whole = cells.sum(0)
    people, judge = cells[6:9].sum(0) / whole, cells[[2, 5, 8]].sum(0) / whole
    chance = (1 - people) * (1 - judge) / 2 + people * judge
    return np.asarray((cells[[0, 4, 8]].sum(0) / whole - chance) / (1 - chance))


def _column(people: Outcome) -> int:
    return _OUTCOMES.index(people.value if people.value in _OUTCOMES else Outcome.TIE.value)


def _counts(said: Sequence[tuple[str, int, int]]) -> Floats:
    table = np.zeros((3, 3))
    for _, people, judge in said:
        table[people, judge] += 1
    return table


def _decided(table: Floats) -> Floats:
    """The same without the battles in which one of them says tie."""
    decided = table.copy()
    decided[2], decided[:, 2] = 0, 0
    return decided
