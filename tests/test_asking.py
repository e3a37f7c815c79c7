"""A teacher answers prompts: what is stored, what is left out, and what is asked again; the teacher follows rules."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.chat import Done, Failed, Message, Sampling
from models.distill.collect.asking import Asking, Manner
from models.distill.collect.seeds import Prompt
from models.distill.conversation import Origin
from models.distill.files import read_conversations
from models.distill.problem import DistillProblem

ORIGIN = Origin("a test", "rules-1", "MIT")
MANNER = Manner(Sampling(max_tokens=7))


class Rules:
    """Says what the prompt asks for: "cut", "empty", "fail", "end" (which it raises), else its own words."""

    def __init__(self, parallel: int = 2) -> None:
        self.parallel = parallel
        self.asked: list[tuple[Message, ...]] = []
        self.seeds: dict[str, int] = {}
        self.most = self._under_way = 0

    async def reply(self, messages: Sequence[Message], sampling: Sampling, seed: int) -> tuple[str, Done | Failed]:
        assert sampling == MANNER.sampling
        text = messages[-1].text
        self.asked.append(tuple(messages))
        self.seeds[text] = seed
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        await asyncio.sleep(0.001)
        self._under_way -= 1
        if text == "end":
            raise DistillProblem("The teacher has gone home.")
        answers: dict[str, tuple[str, Done | Failed]] = {
            "cut": (" half of it", Done("length", 7)),
            "empty": (" \n", Done("stop", 1)),
            "fail": ("some", Failed("out of order")),
        }
        return answers.get(text, (f" {text} is answered.\n", Done("stop", 3)))


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(f"p{place}", text) for place, text in enumerate(texts)]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_answer_becomes_a_conversation_that_says_where_it_comes_from(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.jsonl"
    shares: list[float] = []
    asking = Asking(prompts("one", "two", "three"), out, ORIGIN, MANNER)
    teacher = Rules()
    summary = asyncio.run(asking.run(teacher, shares.append))
    assert (summary.known, summary.new, summary.over) == (0, 3, 3)
    found = {one.id: one for one in read_conversations(out)}
    assert sorted(found) == ["p0", "p1", "p2"]
    assert found["p1"].messages == (Message("user", "two"), Message("assistant", "two is answered."))
    assert {one.origin for one in found.values()} == {ORIGIN}
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    assert teacher.most == 2
    assert not asking.left_out.exists()


def test_what_is_over_is_not_asked_again_and_failures_are(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asked = prompts("one", "fail", "cut", "empty", "two")
    first = asyncio.run(Asking(asked, out, ORIGIN, MANNER).run(Rules()))
    assert (first.new, first.cut, first.empty, first.failures) == (2, 1, 1, Counter({"out of order": 1}))
    teacher = Rules()
    again = Asking(asked, out, ORIGIN, MANNER)
    assert [one.text for one in again.left] == ["fail"]
    second = asyncio.run(again.run(teacher))
    assert (second.known, second.new, second.failures.total()) == (4, 0, 1)
    assert [messages[-1].text for messages in teacher.asked] == ["fail"]
    assert [one.id for one in read_conversations(out)] == ["p0", "p4"]


def test_answers_that_are_left_out_are_kept_aside_with_the_reason(tmp_path: Path) -> None:
    asking = Asking(prompts("cut", "empty"), tmp_path / "out.jsonl", ORIGIN, MANNER)
    asyncio.run(asking.run(Rules(parallel=1)))
    assert rows(tmp_path / "out.jsonl") == []
    manner = {"teacher": "rules-1", "style": "", "max_tokens": 7}
    assert rows(asking.left_out) == [
        {"id": "p0", "why": "cut", "prompt": "cut", "answer": "half of it", **manner},
        {"id": "p1", "why": "empty", "prompt": "empty", "answer": "", **manner},
    ]
    for other in (
        Asking(prompts("cut", "empty"), tmp_path / "out.jsonl", Origin("", "rules-2"), MANNER),
        Asking(prompts("cut", "empty"), tmp_path / "out.jsonl", ORIGIN, Manner(MANNER.sampling, "In rhyme.")),
        Asking(prompts("other", "one"), tmp_path / "out.jsonl", ORIGIN, MANNER),
    ):
        assert len(other.left) == 2


@pytest.mark.parametrize(("max_tokens", "left"), [(6, 0), (7, 0), (8, 2)])
def test_what_was_cut_is_asked_again_where_more_tokens_are_allowed(tmp_path: Path, max_tokens: int, left: int) -> None:
    asked = prompts("cut", "empty", "one")
    asyncio.run(Asking(asked, tmp_path / "out.jsonl", ORIGIN, MANNER).run(Rules()))
    again = Asking(asked, tmp_path / "out.jsonl", ORIGIN, Manner(Sampling(max_tokens=max_tokens)))
    assert len(again.left) == left


def test_cut_answers_are_kept_and_marked_where_that_is_wanted_even_afterwards(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asked = prompts("cut", "empty")
    asyncio.run(Asking(asked, out, ORIGIN, MANNER).run(Rules()))
    keeping = Asking(asked, out, ORIGIN, Manner(MANNER.sampling, keep_cut=True))
    assert [one.text for one in keeping.left] == ["cut"]
    asyncio.run(keeping.run(Rules()))
    (row,) = rows(out)
    assert row["cut"] is True
    assert row["messages"][1]["content"] == "half of it"
    assert Asking(asked, out, ORIGIN, MANNER).left == ()


def test_the_student_does_not_see_the_style_that_the_teacher_was_given(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    teacher = Rules()
    asyncio.run(Asking(prompts("one"), out, ORIGIN, Manner(MANNER.sampling, "Answer in rhyme.")).run(teacher))
    assert teacher.asked == [(Message("system", "Answer in rhyme."), Message("user", "one"))]
    (row,) = rows(out)
    assert [one["role"] for one in row["messages"]] == ["user", "assistant"]
    assert row["style"] == "Answer in rhyme."


@pytest.mark.parametrize(
    ("asked", "origin", "style", "said"),
    [
        (prompts("one"), Origin("a test", "rules-2", "MIT"), "", "an answer to p0 of the teacher rules-1"),
        (prompts("one"), ORIGIN, "In rhyme.", "an answer to p0 of another style"),
        (prompts("two"), ORIGIN, "", "an answer to p0 of another prompt"),
    ],
)
def test_answers_of_another_teacher_prompt_or_style_are_not_mixed_in(
    tmp_path: Path, asked: list[Prompt], origin: Origin, style: str, said: str
) -> None:
    out = tmp_path / "out.jsonl"
    asyncio.run(Asking(prompts("one"), out, ORIGIN, MANNER).run(Rules()))
    with pytest.raises(DistillProblem, match=f"out.jsonl holds {said}; give another --out."):
        Asking(asked, out, origin, Manner(MANNER.sampling, style))


def test_conversations_of_other_prompts_stay_where_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asyncio.run(Asking([Prompt("other", "one")], out, Origin("", "somebody"), MANNER).run(Rules()))
    asyncio.run(Asking(prompts("one", "two"), out, ORIGIN, MANNER).run(Rules(parallel=1)))
    assert [one.id for one in read_conversations(out)] == ["other", "p0", "p1"]


def test_what_came_before_the_teacher_went_is_kept_and_counted(tmp_path: Path) -> None:
    asking = Asking(prompts("one", "end", "two"), tmp_path / "out.jsonl", ORIGIN, MANNER)
    with pytest.raises(DistillProblem, match="gone home"):
        asyncio.run(asking.run(Rules(parallel=1)))
    assert asking.summary.new == 1
    assert [one.id for one in read_conversations(tmp_path / "out.jsonl")] == ["p0"]


def test_a_line_that_a_kill_cut_off_is_asked_for_again(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asyncio.run(Asking(prompts("one", "two"), out, ORIGIN, MANNER).run(Rules(parallel=1)))
    whole = out.read_bytes()
    out.write_bytes(whole[:-9])
    asking = Asking(prompts("one", "two"), out, ORIGIN, MANNER)
    assert [one.text for one in asking.left] == ["two"]
    asyncio.run(asking.run(Rules()))
    assert out.read_bytes() == whole


def test_the_same_prompt_is_asked_with_the_same_seed_and_another_with_another(tmp_path: Path) -> None:
    one, other = Rules(1), Rules(2)
    for number, teacher in enumerate((one, other)):
        asyncio.run(Asking(prompts("one", "two"), tmp_path / f"{number}.jsonl", ORIGIN, MANNER).run(teacher))
    assert one.seeds == other.seeds
    assert len(set(one.seeds.values())) == 2
