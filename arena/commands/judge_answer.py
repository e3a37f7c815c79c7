"""`python -m arena judge questions | answer`: what is asked, and contestants' answers to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.judge_work import Opened, opened_whole
from arena.commands.opened import kindly, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arena.judge.answering import Answering, Progress
    from arena.judge.questions import Question
    from models.spec import ModelSpec

Language = Literal["en", "zh", "all"]

Set = Annotated[str, typer.Option("--set", metavar="FILE", help="A file of questions; paddock: our own 80.")]
InLanguage = Annotated[Language, typer.Option("--language", help="The questions' language.")]
Categories = Annotated[str, typer.Option(help="Only these categories, by commas.")]


def questions(
    name: Set = "paddock",
    language: InLanguage = "all",
    categories: Categories = "",
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file can be used.")] = False,
) -> None:
    """Print the questions of a set, or check a file of one's own."""
    with kindly():
        found = _questions(name, language, categories)
        if not check:
            for one in found:
                turns = f" ({len(one.turns)} turns)" if len(one.turns) > 1 else ""
                key = ", with a reference" if one.reference else ""
                typer.echo(
                    f"{one.number} {one.language or '-'} {one.category}{turns}{key}: {' '.join(one.turns[0].split())}"
                )
        languages = ", ".join(dict.fromkeys(one.language or "no language" for one in found))
        counts = ", ".join(f"{category} {count}" for category, count in _by_category(found).items())
        say(f"{len(found)} questions of set {found[0].set} ({languages}) can be asked: {counts}.")


def answer(
    contestants: Annotated[
        list[str], typer.Argument(metavar="CONTESTANT…", help="Models of the catalogue, by id or name.")
    ],
    name: Set = "paddock",
    language: InLanguage = "en",
    categories: Categories = "",
    limit: Annotated[int | None, typer.Option(min=1, help="So many questions, spread over the categories.")] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="Answers of a model at a time; default: 16, of a local one 4.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Cut answers shorter than the catalogue does; stored ones stay as cut.")
    ] = None,
) -> None:
    """Put the questions to contestants and store what they answer; what is stored already is not asked again."""
    with kindly(), opened_whole() as opened:
        from arena.judge.answering import Answering, Limits, spread
        from arena.judge.named import judge_named
        from db.session import only_one

        specs = list({(spec := judge_named(one, opened.specs)).id: spec for one in contestants}.values())
        found = _questions(name, language, categories)
        if limit is not None:
            found = spread(found, limit)
        _enrol(opened, specs)
        with only_one(opened.database.url, "judge answer", "asking for answers"):
            _run(Answering(opened.database, specs, found, Limits(parallel, max_tokens)), opened)


def register(app: typer.Typer) -> None:
    for verb in (questions, answer):
        app.command()(verb)


def _questions(name: str, language: Language, categories: str) -> tuple[Question, ...]:
    from arena.judge.questions import OWN_SET, chosen, load_questions, own_questions

    loaded = own_questions() if name == OWN_SET else load_questions(Path(name))
    return chosen(loaded, language, [category.strip() for category in categories.split(",") if category.strip()])


def _by_category(questions: Sequence[Question]) -> dict[str, int]:
    from collections import Counter

    return dict(Counter(question.category for question in questions))


def _enrol(opened: Opened, specs: Sequence[ModelSpec]) -> None:
    from datetime import UTC, datetime

    from arena.enrolment import enrol_all

    enrol_all(opened.database, specs, datetime.now(UTC))


def _run(work: Answering, opened: Opened) -> None:
    """Ask, and say at the end what is there, however it ends."""
    from arena.commands.progress import bar
    from arena.settings import endpoint_keys

    keys = endpoint_keys(one.spec.endpoint.key for one in work.progress if one.spec.endpoint)
    try:
        with bar("Contestants answer") as share:
            work.run(opened.settings, keys, say, share)
    except KeyboardInterrupt:
        say("Stopped; what was answered is kept, and the same command goes on from there.")
    for one in work.progress:
        _sum_up(one)
    if not all(one.is_whole for one in work.progress):
        raise typer.Exit(1)


def _sum_up(one: Progress) -> None:
    failed = one.failures.total()
    tokens = f" of {one.tokens:,} tokens" if one.tokens else ""
    left = f", {one.left} are left" if one.left else ""
    there = f"{one.finished} answers{tokens} are new, {one.known} were there before"
    say(f"{one.spec.name}: {there}, {failed} failed{left}.")
    for why, count in one.failures.most_common(3):
        say(f"    {count} failed: {why}")
    if failed:
        say("    The same command asks for them again.")
    if one.problem:
        say(f"    {one.problem}")
