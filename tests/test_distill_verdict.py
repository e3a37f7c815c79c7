"""Whether teaching helped, by its stated rules."""

from __future__ import annotations

import pytest

from models.distill.held_out import Change
from models.distill.verdict import RULES, Judged, verdict

FELL, ROSE, SAME = (
    Change(2.0, 2.0 * ratio, ratio, ratio - 0.05, ratio + 0.05) for ratio in (0.8, 1.2, 1.01)
)  # fmt: skip


def judged(share: float, useless: bool = False) -> Judged:
    return Judged("Judge", 40, 0, 20, 10, 10, share, share - 0.1, share + 0.1, useless)


BETTER, WORSE, OPEN = judged(0.7), judged(0.3), judged(0.55)


@pytest.mark.parametrize(
    ("said", "change", "helped"),
    [
        (BETTER, FELL, True),
        (BETTER, SAME, True),
        (BETTER, None, True),
        (OPEN, FELL, None),
        (None, FELL, None),
        (OPEN, SAME, None),
        (None, None, None),
        (BETTER, ROSE, None),
        (WORSE, FELL, None),
        (WORSE, ROSE, False),
        (WORSE, SAME, False),
        (WORSE, None, False),
        (OPEN, ROSE, False),
        (None, ROSE, False),
        (judged(0.9, useless=True), SAME, None),
        (judged(0.1, useless=True), FELL, None),
    ],
)
def test_teaching_helped_where_the_judge_says_so_and_the_loss_is_not_worse(
    said: Judged | None, change: Change | None, helped: bool | None
) -> None:
    told = verdict("Student", "Base", said, change)
    assert told.helped is helped
    begins = {True: ("Teaching Student helped:",), False: ("Teaching Student did not",), None: ("Whether", "Student")}
    assert told.sentence.startswith(begins[helped])
    assert ("can't be told" in told.sentence) is (helped is None)


@pytest.mark.parametrize(("low", "high", "helped"), [(0.5, 0.9, None), (0.51, 0.9, True), (0.1, 0.49, False)])
def test_an_interval_that_touches_one_half_leaves_it_open(low: float, high: float, helped: bool | None) -> None:
    told = verdict("S", "B", Judged("J", 9, 0, 5, 4, 0, 0.5, low, high, useless=False), None)
    assert told.helped is helped


def test_the_reasons_give_the_figures_with_their_intervals() -> None:
    by_judge, by_loss = verdict("Student", "Base", BETTER, FELL).reasons
    assert by_judge == (
        "Judge finds it better: against Base, Student gets 70.0 % (60.0–80.0) of the points on 40 questions, 20 won, "
        "10 lost, 10 ties."
    )
    assert by_loss == "The held-out loss fell: from 2.000 to 1.600 nats a token, -20.0 % (-25.0 to -15.0)."


def test_a_loss_that_fell_alone_says_no_more_than_that_the_teacher_is_imitated() -> None:
    like_its_teacher = "Student answers more like its teacher; whether that is better can't be told: "
    for said, words in (
        (OPEN, "the judge leaves it open"),
        (None, "the judge gave no verdict"),
        (judged(0.9, useless=True), "the judge is useless, see its flags"),
    ):
        assert verdict("Student", "Base", said, FELL).sentence == f"{like_its_teacher}{words}, the held-out loss fell."


def test_a_useless_judge_is_called_so() -> None:
    told = verdict("Student", "Base", judged(0.9, useless=True), None)
    assert told.reasons[0].startswith("Judge is useless, see its flags: against Base, Student gets 90.0 %")
    assert "the held-out loss is not known" in told.sentence


def test_a_loss_since_another_student_is_not_called_one_since_the_base() -> None:
    by_loss = verdict("Student", "Base", BETTER, FELL, "run-1").reasons[1]
    assert by_loss.endswith(" The loss before is not the base's but that of run-1, which it went on from.")


def test_the_rules_are_told() -> None:
    assert len(RULES) == 3
    assert all("better" in rule for rule in RULES)
