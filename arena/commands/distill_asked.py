"""A model of the catalogue as a teacher: who pays agrees first, it is asked in bulk, what it took is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from arena.commands.judge_work import Agreed
from arena.commands.opened import say, stop

if TYPE_CHECKING:
    from arena.judge.asked import Asked
    from arena.judge.estimate import Estimate
    from arena.settings import Settings
    from models.chat import Done, Failed, Message, Sampling
    from models.distill.collect.asking import Asking, Manner
    from models.distill.collect.instruct import Inventing
    from models.distill.collect.seeds import Prompt
    from models.distill.conversation import Origin
    from models.prices import Price
    from models.spec import ModelSpec

# For the estimate: large models answer such tasks in about as many tokens, and ask them in so many.
ANSWER_TOKENS = 300
TASK_TOKENS = 45
WORDING_TOKENS = 600


@dataclass(frozen=True)
class Answers:
    """What the options say of the answers; `style` is a text, or @FILE for one that holds it."""

    out: Path
    style: str
    max_tokens: int | None
    keep_cut: bool

    def manner(self, spec: ModelSpec) -> Manner:
        from models.distill.collect.asking import Manner

        sampling = spec.chat_sampling()
        return Manner(
            replace(sampling, max_tokens=self.max_tokens or sampling.max_tokens), _style(self.style), self.keep_cut
        )


def _style(given: str) -> str:
    if not given.startswith("@"):
        return given.strip()
    try:
        return Path(given[1:]).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error.reason
        stop(f"The style {given[1:]} can't be read ({why}); give a text, or @ and a file of UTF-8.")


def named(name: str) -> tuple[Settings, ModelSpec]:
    """The settings in force, and the model of the catalogue, or student, of this id or name."""
    from arena.judge.named import judge_named
    from arena.settings import load_settings
    from models.catalog import load_catalog

    loaded = load_settings()
    return loaded, judge_named(name, load_catalog(loaded.catalog, students=loaded.students))


def origin_of(spec: ModelSpec, verb: str) -> Origin:
    """Who answers, by the name that its maker's terms go by: behind an endpoint the model's there."""
    from models.distill.conversation import Origin

    name = spec.endpoint.model if spec.endpoint else spec.id
    return Origin(verb, name if name.casefold() == spec.id else f"{name} ({spec.id})", spec.license)


def beware(prompts: Sequence[Prompt]) -> None:
    """Say how many prompts a judge of the student would know."""
    from models.distill.collect.novelty import Novelty

    known = Novelty(judges_texts())
    near = [one.id for one in prompts if known.nearest(one.text, enough=0.7).similarity >= 0.7]
    if near:
        say(
            f"Beware: {len(near)} prompts are nearly questions of our judge ({', '.join(near[:5])}); "
            "of a student taught on them its judgments tell little."
        )


def judges_texts() -> list[str]:
    from arena.judge.questions import own_questions

    return [text for question in own_questions() for text in question.turns]


def to_answer(asking: Asking, spec: ModelSpec, answers: Answers) -> Callable[[Price | None], Estimate]:
    """What the answers that are left will take."""
    from arena.judge.estimate import tokens_read

    read = sum(tokens_read(asking.messages(prompt)) for prompt in asking.left)
    return _estimate(len(asking.left), read, len(asking.left) * _longest(spec, answers))


def to_invent(
    inventing: Inventing, asking: Asking, count: int, spec: ModelSpec, answers: Answers
) -> Callable[[Price | None], Estimate]:
    """What the tasks that are missing and all answers that are left will take."""
    from arena.judge.estimate import tokens_in, tokens_read
    from models.distill.collect.instruct import rounds_for

    missing = max(0, count - len(inventing.kept))
    rounds = rounds_for(missing, inventing.rules)
    style = tokens_in(answers.manner(spec).style)
    read = sum(tokens_read(asking.messages(prompt)) for prompt in asking.left)
    read += rounds * WORDING_TOKENS + missing * (TASK_TOKENS + style)
    left = len(asking.left) + missing
    made = rounds * inventing.rules.wanted * TASK_TOKENS + left * _longest(spec, answers)
    return _estimate(rounds + left, read, made)


def _longest(spec: ModelSpec, answers: Answers) -> int:
    return min(ANSWER_TOKENS, answers.manner(spec).sampling.max_tokens)


def _estimate(requests: int, read: int, made: int) -> Callable[[Price | None], Estimate]:
    from arena.judge.estimate import Estimate

    return lambda price: Estimate(requests, read, made, price.cost(read, made) if price else None)


class Tutor:
    """A `Teacher` of models.distill who counts what it takes, and stops where nobody agreed to pay more."""

    def __init__(self, spec: ModelSpec, asked: Asked, agreed: Agreed, parallel: int | None) -> None:
        self._spec = spec
        self._asked = asked
        self._agreed = agreed
        self.parallel = asked.parallel(spec.id, parallel)
        self.read = 0
        self.made = 0
        self.counted = True

    @property
    def dollars(self) -> float | None:
        return self._agreed.price.cost(self.read, self.made) if self._agreed.price else None

    async def reply(self, messages: Sequence[Message], sampling: Sampling, seed: int) -> tuple[str, Done | Failed]:
        """Raises `JudgeProblem`: the teacher can't be had; `Spent`: all has been spent that was agreed to."""
        from arena.prompts import visible_text
        from models.distill.collect.asking import Spent

        ceiling, dollars = self._agreed.ceiling, self.dollars
        if ceiling is not None and dollars is not None and dollars > ceiling:
            raise Spent(
                f"It has cost {dollars:.2f} dollars, more than was estimated and all that --limit-dollars allows; a "
                "higher limit or --yes lets another run go on."
            )
        reply = await self._asked.reply(self._spec.id, messages, sampling, seed)
        self._count(messages, reply.text, reply.end)
        return visible_text(reply.text, complete=True), reply.end

    def _count(self, messages: Sequence[Message], text: str, end: Done | Failed) -> None:
        """By the server's count, else by characters, so that the limit holds for one that tells none too."""
        from arena.judge.estimate import tokens_in, tokens_read
        from models.chat import Failed

        if isinstance(end, Failed):
            return
        self.counted &= end.tokens is not None and end.prompt_tokens is not None
        self.read += tokens_read(messages) if end.prompt_tokens is None else end.prompt_tokens
        self.made += tokens_in(text) if end.tokens is None else end.tokens

    def sum_up(self) -> None:
        dollars = "dollars not known" if self.dollars is None else f"{self.dollars:.4f} dollars"
        how = "" if self.counted else " (estimated from characters where the server did not count)"
        say(f"{self._spec.name} read {self.read:,} tokens and generated {self.made:,}{how}, {dollars}.")


@contextmanager
def tutoring(spec: ModelSpec, settings: Settings, agreed: Agreed, parallel: int | None) -> Iterator[Tutor]:
    """The model while the block lasts."""
    from arena.judge.asked import models_of
    from arena.settings import endpoint_keys

    keys = endpoint_keys([spec.endpoint.key] if spec.endpoint else [])
    with models_of([spec], settings, keys, say) as asked:
        yield Tutor(spec, asked, agreed, parallel)


def work_off(work: Coroutine[None, None, None], sum_up: Callable[[], None]) -> None:
    """Do it all in one event loop, and say how far it came, however it ends."""
    from arena.judge.problem import JudgeProblem
    from models.distill.problem import DistillProblem

    try:
        asyncio.run(work)
    except (JudgeProblem, DistillProblem, KeyboardInterrupt) as ended:
        say(f"{str(ended) or 'Stopped.'} What came is kept, and the same command goes on from there.")
        sum_up()
        raise typer.Exit(1) from None
    sum_up()


def tell(asking: Asking, out: Path) -> None:
    """How many answers there are, and what became of the others."""
    summary = asking.summary
    left = len(asking.left) - summary.over
    rest = f", {left} are left" if left else ""
    said = f"{summary.new} answers are new in {out}, {summary.known} prompts were over before"
    say(f"{said}, {summary.failures.total()} failed{rest}.")
    for why, count in summary.failures.most_common(3):
        say(f"    {count} failed: {why}")
    if summary.cut or summary.empty:
        say(f"    {summary.cut} were cut at their longest and {summary.empty} empty; they are in {asking.left_out}.")
