"""`python -m arena distill collect teacher | self-instruct`: a model's answers to prompts, given or invented."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.distill_asked import (
    Answers,
    Tutor,
    beware,
    judges_texts,
    named,
    origin_of,
    tell,
    to_answer,
    to_invent,
    tutoring,
    work_off,
)
from arena.commands.judge_work import Spending, consent
from arena.commands.opened import kindly, say
from arena.commands.progress import bar

if TYPE_CHECKING:
    from models.distill.collect.asking import Asking
    from models.distill.collect.instruct import Inventing
    from models.distill.collect.seeds import Prompt
    from models.spec import ModelSpec

Language = Literal["en", "zh", "all"]

# What conversations say of where they come from.
TEACHER, SELF_INSTRUCT = "distill collect teacher", "distill collect self-instruct"

Teacher = Annotated[str, typer.Option("--teacher", help="A model of the catalogue, by its id or name.")]
Out = Annotated[Path, typer.Option(help="The file of conversations; what it holds already is not asked again.")]
InLanguage = Annotated[Language, typer.Option(help="Only prompts of this language.")]
Style = Annotated[
    str, typer.Option(help="A system message (@FILE: from a file) that the student never sees, but learns to follow.")
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="The longest answer; default: as in the catalogue.")]
KeepCut = Annotated[bool, typer.Option("--keep-cut", help="Keep answers that were cut there, marked so.")]
Parallel = Annotated[int | None, typer.Option(min=1, help="Requests at a time; default: 16, of a local model 4.")]
Limit = Annotated[
    float, typer.Option("--limit-dollars", min=0, help="Ask before spending more; what was not asked about ends there.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Spend without asking, as in a script.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would take and ask for nothing.")]
PricesFile = Annotated[Path | None, typer.Option("--prices", help="Prices of tokens; default: models/prices.toml.")]


def teacher(
    name: Teacher,
    out: Out,
    prompts: Annotated[Path | None, typer.Option(help="A .txt or .jsonl of prompts; default: our own seeds.")] = None,
    language: InLanguage = "all",
    style: Style = "",
    max_tokens: MaxTokens = None,
    keep_cut: KeepCut = False,
    parallel: Parallel = None,
    limit_dollars: Limit = 1.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    prices: PricesFile = None,
) -> None:
    """Let a model answer prompts; each answer becomes a conversation to learn from."""
    answers = Answers(out, style, max_tokens, keep_cut)
    spending = Spending(limit_dollars, yes, dry_run, prices, 0, parallel)
    with _kindly_alone(out):
        settings, spec = named(name)
        asked = _prompts(prompts, language)
        asking = _asking(asked, spec, TEACHER, answers)
        if not asking.left:
            say(f"All {len(asked)} prompts are over already; nothing was asked.")
            return
        beware(asking.left)
        agreed = consent(spec, to_answer(asking, spec, answers), spending)
        if agreed is None:
            return
        with tutoring(spec, settings, agreed, parallel) as tutor:
            work_off(_answer(asking, tutor), lambda: _sum_up(asking, tutor, out))
    _end(asking)


def self_instruct(
    name: Teacher,
    count: Annotated[int, typer.Option(min=1, help="So many new tasks, those of earlier runs included.")],
    out: Out,
    seeds: Annotated[Path | None, typer.Option(help="A .txt or .jsonl of tasks; default: our own seeds.")] = None,
    language: InLanguage = "all",
    style: Style = "",
    max_tokens: MaxTokens = None,
    keep_cut: KeepCut = False,
    parallel: Parallel = None,
    limit_dollars: Limit = 1.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    prices: PricesFile = None,
) -> None:
    """Let a model invent tasks after the example of seeds, keep what is new and of use, and have it answer them."""
    answers = Answers(out, style, max_tokens, keep_cut)
    spending = Spending(limit_dollars, yes, dry_run, prices, 0, parallel)
    with _kindly_alone(out):
        settings, spec = named(name)
        inventing = _inventing(_prompts(seeds, language), language, spec, out)
        asking = _asking(inventing.kept[:count], spec, SELF_INSTRUCT, answers)
        if len(inventing.kept) >= count and not asking.left:
            say(f"All {count} tasks are invented and over already; nothing was asked.")
            return
        agreed = consent(spec, to_invent(inventing, asking, count, spec, answers), spending)
        if agreed is None:
            return
        lesson = _Lesson(inventing, asking, lambda: _asking(inventing.kept[:count], spec, SELF_INSTRUCT, answers))
        with tutoring(spec, settings, agreed, parallel) as tutor:
            work_off(lesson.run(tutor, count), lambda: lesson.sum_up(tutor, out))
    _end(lesson.asking)


def register(app: typer.Typer) -> None:
    app.command()(teacher)
    app.command()(self_instruct)


@contextmanager
def _kindly_alone(out: Path) -> Iterator[None]:
    """From reading what is there to the last answer: two runs into one file would both ask, and pay, for the same."""
    with kindly():
        from models.distill.files import alone

        with alone(out):
            yield


class _Lesson:
    """Tasks are invented, then answered; wherever it ends, it can say how far it came."""

    def __init__(self, inventing: Inventing, asking: Asking, renewed: Callable[[], Asking]) -> None:
        """`asking` is of the tasks there are, what `renewed` gives of those there are by then."""
        self.asking = asking
        self._inventing = inventing
        self._renewed = renewed
        self._known = len(inventing.kept)

    async def run(self, tutor: Tutor, count: int) -> None:
        with bar("Tasks are invented") as told:
            await self._inventing.run(tutor, count, told)
        self.asking = self._renewed()
        await _answer(self.asking, tutor)

    def sum_up(self, tutor: Tutor, out: Path) -> None:
        kept, dropped = self._inventing.kept, self._inventing.dropped
        why = f": {', '.join(f'{count} {reason}' for reason, count in dropped.most_common())}" if dropped else ""
        say(
            f"{len(kept) - self._known} tasks are new, {self._known} were invented before; "
            f"in all {dropped.total()} were dropped{why} ({self._inventing.journal} has each with its reason)."
        )
        _sum_up(self.asking, tutor, out)


def _prompts(path: Path | None, language: Language) -> tuple[Prompt, ...]:
    from models.distill.collect.seeds import in_language, own_seeds, read_prompts

    return in_language(read_prompts(path) if path else own_seeds(), language)


def _asking(prompts: Sequence[Prompt], spec: ModelSpec, verb: str, answers: Answers) -> Asking:
    from models.distill.collect.asking import Asking

    return Asking(prompts, answers.out, origin_of(spec, verb), answers.manner(spec))


def _inventing(seeds: Sequence[Prompt], language: Language, spec: ModelSpec, out: Path) -> Inventing:
    """Nothing near the judge's questions is invented: a student taught on them could not be judged by them."""
    from models.distill.collect.instruct import Inventing, Rules, inventive
    from models.distill.collect.tasks import LANGUAGES

    rules = Rules(inventive(spec.chat_sampling()), LANGUAGES if language == "all" else (language,))
    journal = out.with_name(f"{out.name}.invented")
    return Inventing(seeds, journal, origin_of(spec, SELF_INSTRUCT).teacher, rules, avoid=judges_texts())


async def _answer(asking: Asking, tutor: Tutor) -> None:
    with bar("The teacher answers") as told:
        await asking.run(tutor, told)


def _sum_up(asking: Asking, tutor: Tutor, out: Path) -> None:
    tell(asking, out)
    tutor.sum_up()


def _end(asking: Asking) -> None:
    """A script is to know where not every prompt is over."""
    if asking.summary.failures:
        say("The same command asks for the failed ones again.")
        raise typer.Exit(1)
