"""Self-instruct: a teacher invents tasks after the example of a few, and only what is new and of use is kept.

As in Self-Instruct (Wang et al. 2023) and Alpaca: examples are drawn from the seeds and from what was invented before,
and a task whose ROUGE-L with any known one reaches 0.7 is dropped (section 2.2 there). Ours is that a task is dropped
too where it takes as much of an example, or an example of it: small models copy parts, or add a little.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from models.chat import Failed, Message, Sampling, storable
from models.distill.collect.asking import Spent, Teacher, rows_of, seed_of
from models.distill.collect.novelty import Novelty, share_in
from models.distill.collect.seeds import Prompt, prompt_of
from models.distill.collect.tasks import LANGUAGES, SUBJECTS, Language, can_be_shown, fault, listed, wording
from models.distill.files import Lines
from models.distill.problem import DistillProblem
from models.work import work_through

KIND: Final = "self-instruct"
# A list of eight tasks of one to three sentences; Alpaca's own rounds of 20 need a larger teacher.
ROUND_TOKENS: Final = 1024
TEMPERATURE: Final = 1.0
# Of what is invented about half is kept: what the number of rounds is reckoned from, no promise.
SHARE_KEPT: Final = 0.5
# A run asks for no more than so many times the rounds that were reckoned: whoever pays agreed to those.
MOST_TIMES: Final = 2


@dataclass(frozen=True)
class Rules:
    """How tasks are invented: `wanted` a round after `examples`, one of them invented before where there is any, with
    some of our `subjects` named.

    `similarity`: the ROUGE-L from which a task is known already. `barren`: rounds one after the other without one new
    task after which the teacher is given up. Languages take turns.
    """

    sampling: Sampling
    languages: tuple[Language, ...] = LANGUAGES
    wanted: int = 8
    examples: int = 4
    subjects: int = 4
    similarity: float = 0.7
    barren: int = 10


def rounds_for(tasks: int, rules: Rules) -> int:
    """About how many rounds that many new tasks take."""
    return math.ceil(tasks / (rules.wanted * SHARE_KEPT))


class Inventing:
    """Tasks as they are invented. Each round is a line of the file `journal`: what was kept, what dropped, and why."""

    def __init__(
        self, seeds: Sequence[Prompt], journal: Path, teacher: str, rules: Rules, avoid: Sequence[str] = ()
    ) -> None:
        """No task like a seed or like one of the texts to `avoid` (a judge's questions, say) is kept.

        Raises `DistillProblem`: a journal that can't be read or is another teacher's, a language with too few seeds.
        """
        self.journal = journal
        self._teacher = teacher
        self.rules = rules
        self._seeds = {
            language: [one.text for one in seeds if one.language in (language, "") and can_be_shown(one.text)]
            for language in rules.languages
        }
        for language, texts in self._seeds.items():
            if len(texts) < rules.examples:
                raise DistillProblem(
                    f"Self-instruct takes {rules.examples} short seeds in the language {language}, and there are "
                    f"{len(texts)}; give more, or another --language."
                )
        self._novelty = Novelty([*(one.text for one in seeds), *avoid])
        self.kept: list[Prompt] = []
        self.dropped: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._round = 0
        self._barren = 0
        for row in rows_of(journal):
            if row.get("teacher") != teacher:
                raise DistillProblem(f"{journal} holds tasks that {row.get('teacher')} invented; give another --out.")
            for task in row["kept"]:
                self._novelty.add(task)
            self._count(row)

    async def run(self, teacher: Teacher, count: int, told: Callable[[float], None] = lambda _: None) -> None:
        """Invent until `count` are `kept`; a round may bring some more. `told` gets the share that is there, 0 to 1.

        Rounds asked together are judged in their order, so the result does not depend on which reply came first.
        Raises what the teacher raises, and `DistillProblem` once it invents nothing new any more, or so little that
        `MOST_TIMES` the rounds that were reckoned (or `Rules.barren` ones, if those are more) did not bring enough.
        """
        self._barren = 0
        most = self._round + max(self.rules.barren, MOST_TIMES * rounds_for(count - len(self.kept), self.rules))
        with Lines(self.journal) as journal:
            while (missing := count - len(self.kept)) > 0:
                if self._round >= most:
                    raise DistillProblem(
                        f"Tasks take over {MOST_TIMES} times the rounds that were estimated ({len(self.kept)} of "
                        f"{count} are there); another run estimates the rest anew."
                    )
                rounds = min(teacher.parallel, rounds_for(missing, self.rules), most - self._round)
                await self._together(teacher, range(self._round, self._round + rounds), journal)
                told(min(1.0, len(self.kept) / count))
                if self._barren >= self.rules.barren:
                    raise DistillProblem(self._given_up())

    async def _together(self, teacher: Teacher, numbers: range, journal: Lines) -> None:
        rows: dict[int, dict[str, Any]] = {}

        async def propose(number: int) -> None:
            rows[number] = await self._proposed(teacher, number)

        try:
            await work_through(numbers, propose, len(numbers), (Spent,))
        finally:  # what was paid for is kept, whatever ended the others
            for number in sorted(rows):
                judged = self._judge(rows[number])
                journal.add(judged)
                self._count(judged)

    async def _proposed(self, teacher: Teacher, number: int) -> dict[str, Any]:
        """A round's proposals, not judged yet."""
        language = self.rules.languages[number % len(self.rules.languages)]
        rng = Random(f"{KIND} {number}")
        examples = self._examples(language, rng)
        subjects = rng.sample(SUBJECTS[language], self.rules.subjects)
        asked = [Message("user", wording(examples, language, self.rules.wanted, subjects))]
        text, end = await teacher.reply(asked, self.rules.sampling, seed_of(f"{KIND} {number}"))
        row: dict[str, Any] = {"round": number, "language": language, "examples": examples}
        if isinstance(end, Failed):
            return {**row, "failed": end.detail, "proposed": [], "cut": False}
        return {**row, "proposed": listed(storable(text), len(examples) + 1), "cut": end.reason == "length"}

    def _examples(self, language: Language, rng: Random) -> list[str]:
        own = [one.text for one in self.kept if one.language == language and can_be_shown(one.text)]
        invented = rng.sample(own, min(1, len(own)))
        drawn = [*rng.sample(self._seeds[language], self.rules.examples - len(invented)), *invented]
        rng.shuffle(drawn)
        return drawn

    def _judge(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The round as the journal has it; what it keeps is known from now on."""
        kept: list[str] = []
        dropped: list[dict[str, str]] = []
        for place, task in enumerate(row["proposed"], start=1):
            reason, detail = self._verdict(task, row, cut=row["cut"] and place == len(row["proposed"]))
            if reason:
                dropped.append({"task": task, "reason": reason, **({"detail": detail} if detail else {})})
            else:
                kept.append(task)
                self._novelty.add(task)
        told = {key: row[key] for key in ("round", "language", "failed") if key in row}
        return {**told, "teacher": self._teacher, "kept": kept, "dropped": dropped}

    def _verdict(self, task: str, row: Mapping[str, Any], *, cut: bool) -> tuple[str, str]:
        """Why a task is dropped, and what it is like; both empty where it is kept."""
        if reason := "cut off" if cut else fault(task, row["language"]):
            return reason, ""
        nearest = self._novelty.nearest(task, enough=self.rules.similarity)
        if nearest.similarity >= self.rules.similarity:
            return "not new", f"{nearest.similarity:.2f} {nearest.text}"
        shares = {example: share_in(task, example) for example in row["examples"]}
        copied = max(shares, key=shares.__getitem__)
        if shares[copied] >= self.rules.similarity:
            return "copied in part", f"{shares[copied]:.2f} {copied}"
        return "", ""

    def _count(self, row: Mapping[str, Any]) -> None:
        """Take over a round, from now or from the journal; one of a language that is not wanted now stays there."""
        if row["language"] in self.rules.languages:
            self.kept += [prompt_of(task, row["language"], KIND) for task in row["kept"]]
        self.dropped.update(one["reason"] for one in row["dropped"])
        if "failed" in row:
            self.failures[row["failed"]] += 1
        self._barren = 0 if row["kept"] else self._barren + 1
        self._round = row["round"] + 1

    def _given_up(self) -> str:
        why = ", ".join(f"{count} {reason}" for reason, count in self.dropped.most_common(3)) or "none could be read"
        failed = f"; {self.failures.total()} rounds failed: {next(iter(self.failures))}" if self.failures else ""
        return (
            f"Nothing new came of {self._barren} rounds (dropped of all tasks: {why}{failed}; kept: {len(self.kept)}); "
            "ask for fewer, give seeds of other kinds, or take another teacher."
        )


def inventive(sampling: Sampling) -> Sampling:
    """The sampling with room for a round's list, and as free as Alpaca's at least: a cooler one copies examples."""
    return replace(sampling, max_tokens=ROUND_TOKENS, temperature=max(TEMPERATURE, sampling.temperature))
