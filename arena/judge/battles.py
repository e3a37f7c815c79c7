"""Battles of people as comparisons for a judge: the same prompts and answers that were voted on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from arena.judge.plan import Comparison, Task, tasks_of
from arena.judge.verdict import Form
from db.judged_battles import BattleTexts, battles_to_judge
from db.judging import states_of
from db.session import Session

# One wording for all: a label may come later or change, and a judgment is not to be paid again for it.
CATEGORY = "generic"
AT_ONCE = 500  # battles whose texts are read together


def comparison_of(battle: BattleTexts) -> Comparison:
    """The battle's turns by contestant; which side each was on is left behind, as a judge is asked in both orders."""
    swapped = battle.b < battle.a
    a, b = (battle.b, battle.a) if swapped else (battle.a, battle.b)
    said_a, said_b = (battle.answers_b, battle.answers_a) if swapped else (battle.answers_a, battle.answers_b)
    return Comparison(
        a=a,
        b=b,
        category=CATEGORY,
        turns=battle.prompts,
        reference=None,
        said_a=said_a,
        said_b=said_b,
        battle_id=battle.battle_id,
        battle_mark=battle.mark,
    )


def battle_tasks(
    judge: str, form: Form, battles: Sequence[BattleTexts], *, both_orders: bool = True
) -> tuple[Task, ...]:
    """Every judgment of these battles, battle by battle; `judge` is its fingerprint."""
    return tuple(
        task for battle in battles for task in tasks_of(judge, form, comparison_of(battle), both_orders=both_orders)
    )


def tasks_left(
    session: Session,
    judge: str,
    form: Form,
    limit: int | None = None,
    *,
    both_orders: bool = True,
    over_since: datetime | None = None,
) -> Sequence[Task]:
    """The judgments of all battles, or with a `limit` those of the oldest so many that are not judged whole.

    What people said of stored answers is left out: a judge's word on these answers counts for it already. Battles that
    nobody voted on come along where they were over by `over_since`.
    """
    tasks: list[Task] = []
    count = offset = 0
    while limit is None or count < limit:
        found = battles_to_judge(session, limit=AT_ONCE, offset=offset, over_since=over_since)
        if not found:
            break
        offset += len(found)
        by_battle = [battle_tasks(judge, form, [battle], both_orders=both_orders) for battle in found]
        states = states_of(session, [task.key for of in by_battle for task in of]) if limit is not None else {}
        left = [of for of in by_battle if any(states.get(task.key) != "done" for task in of)]
        left = left if limit is None else left[: limit - count]
        count += len(left)
        tasks += (task for of in left for task in of)
    return tasks
