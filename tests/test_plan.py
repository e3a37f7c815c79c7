"""Which judgments there are to be, and under which key each is paid once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from arenas import NOW
from hypothesis import given
from hypothesis import strategies as st

from arena.judge.battles import battle_tasks, comparison_of
from arena.judge.plan import Comparison, key_of, pairs_among, plan, tasks_of
from arena.judge.verdict import FORMS
from arena.judge.wordings import taken_apart
from db.judged_battles import BattleTexts
from db.tables import Answer, Question

JUDGE = "f" * 64
ANT, BEE, CAT = "a" * 64, "b" * 64, "c" * 64


def question(number: str, category: str = "generic", reference: list[str] | None = None) -> Question:
    return Question(
        id=f"id of {number}", set="paddock", number=number, category=category, language="en",
        turns=[f"Question {number}?"], reference=reference, created_at=NOW,
    )  # fmt: skip


def answer(number: str, contestant: str, status: str = "finished") -> Answer:
    return Answer(
        id=f"{number}{contestant[0]}", question_id=f"id of {number}", contestant=contestant,
        turns=[f"{contestant[0]} on {number}"], status=status, created_at=NOW,
    )  # fmt: skip


def answers(numbers: str, *contestants: str) -> list[Answer]:
    return [answer(number, one) for number in numbers for one in contestants]


def battle(a: str = BEE, b: str = ANT, question_id: str | None = None) -> BattleTexts:
    return BattleTexts("battle", a, b, None, "en", ("Why?",), (f"{a[0]} speaks",), (f"{b[0]} speaks",), question_id)


def test_every_pair_is_judged_in_both_orders_question_by_question() -> None:
    planned = plan(JUDGE, "score", [(ANT, BEE)], [question("1"), question("2")], answers("12", ANT, BEE))
    assert [(task.comparison.question_id, task.first) for task in planned.tasks] == [
        ("id of 1", "a"), ("id of 1", "b"), ("id of 2", "a"), ("id of 2", "b"),
    ]  # fmt: skip
    assert planned.missing == {}
    assert len({task.key for task in planned.tasks}) == 4


def test_the_judge_is_shown_whoever_comes_first_first() -> None:
    ant_first, bee_first = plan(JUDGE, "pairwise", [(ANT, BEE)], [question("1")], answers("1", ANT, BEE)).tasks
    for task, first, second in ((ant_first, "a on 1", "b on 1"), (bee_first, "b on 1", "a on 1")):
        form, shown = taken_apart(task.messages()[0].text)
        assert (form, shown.turns, shown.first, shown.second) == ("pairwise", ("Question 1?",), (first,), (second,))


def test_one_answer_alone_is_judged_once_for_each_contestant() -> None:
    tasks = plan(JUDGE, "single", [(ANT, None), (BEE, None)], [question("1")], answers("1", ANT, BEE)).tasks
    assert [(task.comparison.a, task.comparison.b, task.first) for task in tasks] == [
        (ANT, None, "a"),
        (BEE, None, "a"),
    ]
    assert taken_apart(tasks[1].messages()[0].text)[1].first == ("b on 1",)


def test_questions_without_both_answers_are_named_and_left_out() -> None:
    given_answers = [*answers("123", ANT), answer("1", BEE), answer("2", BEE, status="failed")]
    planned = plan(JUDGE, "score", [(ANT, BEE)], [question(number) for number in "123"], given_answers)
    assert {task.comparison.question_id for task in planned.tasks} == {"id of 1"}
    assert planned.missing == {BEE: ("2", "3")}


def test_a_reference_is_shown_and_decides_the_wording() -> None:
    asked = [question("1", "math", ["42"]), question("2", "coding"), question("3")]
    tasks = plan(JUDGE, "score", [(ANT, BEE)], asked, answers("123", ANT, BEE)).tasks
    assert [task.wording.kind for task in tasks[::2]] == ["exact", "coding", "general"]
    assert taken_apart(tasks[0].messages()[0].text)[1].reference == ("42",)


def test_a_key_changes_with_all_that_decides_a_judgment_and_with_nothing_else() -> None:
    base = ("judge", "score", "score/general/1", ("1", "2"), "a")
    others = [
        ("another", *base[1:]),
        (base[0], "pairwise", *base[2:]),
        (*base[:2], "score/general/2", *base[3:]),
        (*base[:3], ("2", "1"), base[4]),
        (*base[:3], ("12",), base[4]),
        (*base[:4], "b"),
    ]
    assert len({key_of(*parts) for parts in (base, *others)}) == 1 + len(others)
    assert key_of("judge", "score", "score/general/1", ["1", "2"], "a") == key_of(*base)


@given(st.permutations([ANT, BEE, CAT]), st.sampled_from(FORMS))
def test_pairs_are_the_same_judgments_however_they_are_named(named: Sequence[str], form: str) -> None:
    assert pairs_among(named) == [(ANT, BEE), (ANT, CAT), (BEE, CAT)]
    assert pairs_among(named, BEE) == [(ANT, BEE), (BEE, CAT)]


def test_in_one_order_neither_contestant_always_has_the_first_place() -> None:
    def first(number: int) -> str:
        of = Comparison(ANT, BEE, "generic", ("?",), None, ("x",), ("y",), f"q{number}", f"{number}a", f"{number}b")
        (task,) = tasks_of(JUDGE, "score", of, both_orders=False)
        return task.first

    firsts = [first(number) for number in range(200)]
    assert 70 < firsts.count("a") < 130
    assert firsts == [first(number) for number in range(200)]


def test_a_battle_is_judged_by_contestant_whichever_side_each_was_on() -> None:
    assert comparison_of(battle(ANT, BEE)) == comparison_of(battle(BEE, ANT))
    tasks = battle_tasks(JUDGE, "pairwise", [battle(BEE, ANT)])
    assert [(task.comparison.battle_id, task.first) for task in tasks] == [("battle", "a"), ("battle", "b")]
    assert taken_apart(tasks[0].messages()[0].text)[1].first == ("a speaks",)


def test_a_battle_is_judged_anew_when_its_answers_change_and_not_when_its_label_does() -> None:
    def keys(one: BattleTexts) -> list[tuple[str, str]]:
        return [(task.key, task.wording.name) for task in battle_tasks(JUDGE, "pairwise", [one])]

    assert keys(battle()) == keys(replace(battle(), category="coding")) == keys(replace(battle(), category="math"))
    assert {name.rpartition("/")[0] for _, name in keys(battle())} == {"pairwise/general"}
    others = [replace(battle(), **changed) for changed in (
        {"prompts": ("Why not?",)}, {"answers_a": ("another",)}, {"answers_b": ("another",)}, {"battle_id": "other"},
    )]  # fmt: skip
    assert len({key for one in (battle(), *others) for key, _ in keys(one)}) == 2 * 5
