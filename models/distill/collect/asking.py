"""A teacher answers prompts: each answer is on the disk before the next is asked for, and no prompt is paid twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from models.chat import Done, Failed, Message, Sampling
from models.distill.collect.seeds import Prompt
from models.distill.conversation import Conversation, Origin, record
from models.distill.files import Lines, read_rows
from models.distill.problem import DistillProblem
from models.work import work_through


class Spent(DistillProblem):
    """No more may be asked for. What is under way is paid for: it ends first, and is kept."""


class Teacher(Protocol):
    """Whoever answers; what it raises ends the asking, so it waits and tries again by itself where that helps."""

    @property
    def parallel(self) -> int:
        """How many answers to ask for at once."""
        ...

    async def reply(self, messages: Sequence[Message], sampling: Sampling, seed: int) -> tuple[str, Done | Failed]:
        """One whole answer, without the reasoning before it, and how it ended."""
        ...


@dataclass(frozen=True)
class Manner:
    """How a teacher is asked, and what is kept.

    `style` is a system message that the student never sees: it learns to answer so unasked ("context distillation",
    Askell et al. 2021). An answer that `sampling.max_tokens` cut is left out unless `keep_cut`, which marks it.
    """

    sampling: Sampling
    style: str = ""
    keep_cut: bool = False


@dataclass
class Summary:
    """How far it came: prompts that were `known` before, answered since, and left without a row (`cut` and `empty`).

    `failures` counts why answers failed; they are asked for again the next time.
    """

    known: int = 0
    new: int = 0
    cut: int = 0
    empty: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> int:
        """How many were asked for now."""
        return self.new + self.cut + self.empty + self.failures.total()


class Asking:
    """Prompts on their way to becoming conversations in the file `out`; what is there stays and is not asked again.

    Answers that are left out go to `left_out`, with the reason: delete a line of it, and it is asked for again.
    """

    def __init__(self, prompts: Sequence[Prompt], out: Path, origin: Origin, manner: Manner) -> None:
        """`origin` is what each conversation says of itself.

        Raises `DistillProblem` where `out` can't be read, or holds answers of another teacher, another style, or to
        another prompt of the same id.
        """
        self._out = out
        self.left_out = out.with_name(f"{out.name}.left-out")
        self._origin = origin
        self._manner = manner
        by_id = {one.id: one for one in prompts}
        settled = {str(row["id"]) for row in rows_of(self.left_out) if self._is_over(row, by_id.get(row["id"]))}
        for row in rows_of(out):
            if (prompt := by_id.get(row.get("id", ""))) is not None:
                self._check(row, prompt)
                settled.add(prompt.id)
        self.left = tuple(one for one in prompts if one.id not in settled)
        self.summary = Summary(known=len(prompts) - len(self.left))

    def messages(self, prompt: Prompt) -> list[Message]:
        """What the teacher is asked."""
        style = [Message("system", self._manner.style)] if self._manner.style else []
        return [*style, Message("user", prompt.text)]

    async def run(self, teacher: Teacher, told: Callable[[float], None] = lambda _: None) -> Summary:
        """Ask for what is left; `told` gets the share that is over, 0 to 1.

        Raises what the teacher raises and `DistillProblem` (nothing can be written); `summary` says how far it came.
        """
        with Lines(self._out) as kept:

            async def ask(prompt: Prompt) -> None:
                text, end = await teacher.reply(self.messages(prompt), self._manner.sampling, seed_of(prompt.id))
                self._take(kept, prompt, text.strip(), end)
                told(self.summary.over / len(self.left))

            await work_through(self.left, ask, teacher.parallel, (Spent,))
        return self.summary

    def _take(self, kept: Lines, prompt: Prompt, text: str, end: Done | Failed) -> None:
        if isinstance(end, Failed):
            self.summary.failures[end.detail] += 1
            return
        cut = bool(text) and end.reason == "length"
        if not text or (cut and not self._manner.keep_cut):
            with Lines(self.left_out) as left_out:
                why = "cut" if cut else "empty"
                row = {"id": prompt.id, "why": why, "prompt": prompt.text, "answer": text}
                told = {"style": self._manner.style, "max_tokens": self._manner.sampling.max_tokens}
                left_out.add({**row, "teacher": self._origin.teacher, **told})
            self.summary.cut += cut
            self.summary.empty += not cut
            return
        answered = (Message("user", prompt.text), Message("assistant", text))
        marks = {**({"style": self._manner.style} if self._manner.style else {}), **({"cut": True} if cut else {})}
        kept.add(record(Conversation(prompt.id, answered, self._origin)) | marks)
        self.summary.new += 1

    def _is_over(self, row: dict[str, Any], prompt: Prompt | None) -> bool:
        """Whether an answer that was left out settles the prompt: it is this teacher's, to this, in this style.

        One that may be longer now is asked for again, an empty one too: its reasoning may have taken all the room.
        """
        if row.get("max_tokens", 0) < self._manner.sampling.max_tokens:
            return False
        if prompt is None or (self._manner.keep_cut and row["why"] == "cut"):
            return False
        was = (row["prompt"], row["teacher"], row["style"])
        return was == (prompt.text, self._origin.teacher, self._manner.style)

    def _check(self, row: dict[str, Any], prompt: Prompt) -> None:
        """The row of a prompt is an answer to it, of this teacher, in this style."""
        asked = next((one.get("content") for one in row.get("messages", ()) if one.get("role") == "user"), None)
        for what, was, now in (
            ("another prompt", asked, prompt.text),
            (f"the teacher {row.get('teacher') or 'nobody knows'}", row.get("teacher", ""), self._origin.teacher),
            ("another style", row.get("style", ""), self._manner.style),
        ):
            if was != now:
                raise DistillProblem(f"{self._out} holds an answer to {prompt.id} of {what}; give another --out.")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that a verb goes on with, without a last line that a kill cut off; none where it is not."""
    if not path.exists():
        return []
    Lines(path).close()
    return [row for _, row in read_rows(path)]


def seed_of(name: str) -> int:
    """The same whenever the same is asked for: 31 bits of a hash."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1
