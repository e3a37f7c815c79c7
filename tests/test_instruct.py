"""Self-instruct: what is kept of what a teacher invents, why the rest is dropped, and how a run goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from models.chat import Done, Failed, Message, Sampling
from models.distill.collect.instruct import KIND, ROUND_TOKENS, Inventing, Rules, inventive, rounds_for
from models.distill.collect.novelty import rouge_l
from models.distill.collect.seeds import Prompt, own_seeds, prompt_of
from models.distill.collect.tasks import Language
from models.distill.problem import DistillProblem

SEEDS = own_seeds()
RULES = Rules(Sampling(), languages=("en",), wanted=3, barren=4)
ACTS = ("sing", "dance", "swim")

Said = Callable[[str, int], tuple[str, Done | Failed]]


class Inventor:
    """A teacher that says what `said` makes of the question and of how often it was asked before."""

    def __init__(self, said: Said, parallel: int = 1) -> None:
        self._said = said
        self.parallel = parallel
        self.asked: list[str] = []

    async def reply(self, messages: Sequence[Message], sampling: Sampling, seed: int) -> tuple[str, Done | Failed]:
        number = len(self.asked)
        self.asked.append(messages[-1].text)
        await asyncio.sleep(0.01 / (1 + number))  # the first to be asked is the last to answer
        return self._said(messages[-1].text, number)


def task_of(number: int, act: str) -> str:
    """It shares no word with any other one."""
    return " ".join(f"{act}{number}{letter}" for letter in "abcde")


def three_new(question: str, number: int) -> tuple[str, Done]:
    lines = [f"{place}. {task_of(number, act)}" for place, act in enumerate(ACTS, start=5)]
    return "\n".join(lines), Done("stop", 90)


def says(*tasks: str, cut: bool = False) -> Said:
    text = "\n".join(f"{place}. {task}" for place, task in enumerate(tasks, start=5))
    return lambda question, number: (text, Done("length" if cut else "stop", 90))


def inventing(folder: Path, rules: Rules = RULES, **more: Any) -> Inventing:
    return Inventing(SEEDS, folder / "invented", "inventor", rules, **more)


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "invented").read_text(encoding="utf-8").splitlines()]


def test_new_tasks_are_kept_until_there_are_enough(tmp_path: Path) -> None:
    shares: list[float] = []
    work = inventing(tmp_path)
    asyncio.run(work.run(Inventor(three_new), 7, shares.append))
    assert [one.text for one in work.kept] == [task_of(number, act) for number in range(3) for act in ACTS]
    assert {(one.language, one.kind) for one in work.kept} == {("en", KIND)}
    assert [one.id for one in work.kept] == [prompt_of(one.text).id for one in work.kept]
    assert shares == pytest.approx([3 / 7, 6 / 7, 1])


def test_each_task_that_is_dropped_is_told_with_its_reason(tmp_path: Path) -> None:
    seed = next(one.text for one in SEEDS if one.id == "seed-en-05")
    own = "Which three tools would a clockmaker save from a fire?"
    avoided = "Which seven wonders would a mermaid visit on a rainy holiday?"
    proposals = [
        own,
        own.replace("three", "two"),
        seed,
        avoided,
        "Birds!",
        "Describe the photo of a bird.",
        "Half of a",
    ]
    work = inventing(tmp_path, avoid=[avoided])
    asyncio.run(work.run(Inventor(says(*proposals, cut=True)), 1))
    (row,) = journal(tmp_path)
    assert row["kept"] == [own]
    reasons = {one["task"]: one["reason"] for one in row["dropped"]}
    assert list(reasons.values()) == ["not new", "not new", "not new", "too short", "more than text", "cut off"]
    assert row["dropped"][1]["detail"] == f"1.00 {seed}"
    assert work.dropped == {"not new": 3, "too short": 1, "more than text": 1, "cut off": 1}


def test_a_part_of_an_example_is_no_new_task(tmp_path: Path) -> None:
    def half_an_example(question: str, number: int) -> tuple[str, Done]:
        longest = max((line for line in question.split("\n") if line[:3] in ("1. ", "2. ", "3. ", "4. ")), key=len)
        words = longest[3:].split()
        own = task_of(number, ACTS[0])
        return f"5. {' '.join(words[: len(words) // 2])}\n6. {own}", Done("stop", 9)

    work = inventing(tmp_path)
    asyncio.run(work.run(Inventor(half_an_example), 1))
    assert [one["reason"] for one in journal(tmp_path)[0]["dropped"]] == ["copied in part"]


def test_no_two_tasks_that_are_kept_are_alike(tmp_path: Path) -> None:
    work = inventing(tmp_path)
    asyncio.run(work.run(Inventor(three_new), 20))
    texts = [one.text for one in work.kept]
    assert max(rouge_l(a, b) for place, a in enumerate(texts) for b in texts[:place]) < RULES.similarity


def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    one = Inventor(three_new)
    asyncio.run(inventing(whole).run(one, 12))
    asyncio.run(inventing(parts).run(Inventor(three_new), 6))
    rest = Inventor(lambda question, number: three_new(question, number + 2))
    again = inventing(parts)
    assert len(again.kept) == 6
    asyncio.run(again.run(rest, 12))
    assert rest.asked == one.asked[2:]
    assert (parts / "invented").read_bytes() == (whole / "invented").read_bytes()


def test_what_came_is_kept_where_the_teacher_ends_another_round(tmp_path: Path) -> None:
    def second_ends(question: str, number: int) -> tuple[str, Done | Failed]:
        if number == 0:  # the last to answer
            raise DistillProblem("It has gone home.")
        return three_new(question, number)

    work = inventing(tmp_path)
    with pytest.raises(DistillProblem, match="gone home"):
        asyncio.run(work.run(Inventor(second_ends, parallel=3), 30))
    assert [row["round"] for row in journal(tmp_path)] == [1, 2]
    assert len(work.kept) == 6


def test_rounds_that_are_asked_together_are_judged_in_their_order(tmp_path: Path) -> None:
    work = inventing(tmp_path)
    asyncio.run(work.run(Inventor(three_new, parallel=4), 12))
    assert [one.text for one in work.kept] == [task_of(number, act) for number in range(4) for act in ACTS]


def test_languages_take_turns_and_each_is_asked_in_its_own(tmp_path: Path) -> None:
    birds = "\u8bf7\u4ecb\u7ecd\u4e00\u79cd\u4e0d\u4f1a\u98de\u7684\u9e1f\u3002"

    def both(question: str, number: int) -> tuple[str, Done]:
        return (f"5. {birds}", Done("stop", 9)) if "\u4efb\u52a1" in question else three_new(question, number)

    languages: tuple[Language, ...] = ("en", "zh")
    work = inventing(tmp_path, Rules(Sampling(), languages=languages, wanted=3))
    asyncio.run(work.run(Inventor(both), 4))
    assert [(row["round"], row["language"]) for row in journal(tmp_path)] == [(0, "en"), (1, "zh")]
    assert work.kept[-1] == prompt_of(birds, "zh", KIND)
    assert all(one.language == "en" for one in inventing(tmp_path).kept)


def test_examples_are_seeds_and_one_task_that_was_invented(tmp_path: Path) -> None:
    teacher = Inventor(three_new)
    work = inventing(tmp_path)
    asyncio.run(work.run(teacher, 9))
    seeds = [one.text for one in SEEDS if one.language == "en"]
    invented = {one.text for one in work.kept}
    for number, question in enumerate(teacher.asked):
        assert sum(f". {text}\n" in question for text in seeds) == (3 if number else 4)
        assert sum(f". {text}\n" in question for text in invented) == (1 if number else 0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (says("Name three birds that can't fly."), "dropped of all tasks: 4 not new"),
        (lambda question, number: ("I'd rather not.", Done("stop", 5)), "dropped of all tasks: none could be read"),
        (lambda question, number: ("", Failed("out of order")), "4 rounds failed: out of order"),
    ],
)
def test_a_teacher_that_invents_nothing_new_is_given_up(tmp_path: Path, said: Said, why: str) -> None:
    work = inventing(tmp_path)
    with pytest.raises(DistillProblem) as raised:
        asyncio.run(work.run(Inventor(said), 50))
    assert "Nothing new came of 4 rounds" in str(raised.value)
    assert why in str(raised.value)


def test_a_teacher_with_few_ideas_is_asked_twice_what_was_estimated_and_no_more(tmp_path: Path) -> None:
    def one_in_three(question: str, number: int) -> tuple[str, Done]:
        return f"5. {task_of(number // 3, 'sing')}", Done("stop", 30)

    teacher = Inventor(one_in_three, parallel=4)
    for run in (1, 2):
        work = inventing(tmp_path)
        estimated = rounds_for(30 - len(work.kept), RULES)
        asked = len(teacher.asked)
        with pytest.raises(
            DistillProblem, match=r"over 2 times the rounds that were estimated \(\d+ of 30 are there\)"
        ):
            asyncio.run(work.run(teacher, 30))
        assert len(teacher.asked) - asked == 2 * estimated, run
    assert len(work.kept) > 5


def test_tasks_that_another_teacher_invented_are_not_mixed_in(tmp_path: Path) -> None:
    asyncio.run(inventing(tmp_path).run(Inventor(three_new), 3))
    with pytest.raises(DistillProblem, match="holds tasks that inventor invented; give another --out"):
        Inventing(SEEDS, tmp_path / "invented", "somebody", RULES)


def test_too_few_seeds_of_a_language_are_named(tmp_path: Path) -> None:
    few = [Prompt("1", "Why is the sky blue?", "en"), Prompt("2", "x" * 500, "en")]
    with pytest.raises(DistillProblem, match="takes 4 short seeds in the language en, and there are 1; give more"):
        Inventing(few, tmp_path / "invented", "inventor", RULES)


def test_rounds_are_reckoned_from_the_half_that_is_kept() -> None:
    assert [rounds_for(tasks, Rules(Sampling())) for tasks in (0, 1, 4, 5, 52_000)] == [0, 1, 1, 2, 13_000]


def test_the_teacher_is_given_room_and_freedom_to_invent() -> None:
    assert inventive(Sampling(0.2, max_tokens=64)) == Sampling(1.0, max_tokens=ROUND_TOKENS)
    assert inventive(Sampling(1.5)).temperature == 1.5
