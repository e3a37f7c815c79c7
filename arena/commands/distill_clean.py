"""`python -m arena distill clean`: of what was collected, what is worth learning, and why the rest is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.opened import kindly, say, stop

if TYPE_CHECKING:
    from models.distill.base import Base


def _list_rules(wanted: bool) -> None:
    if wanted:
        from models.distill.clean.standard import RULES

        for name, meaning in RULES.items():
            typer.echo(f"{name:<10} {meaning}")
        raise typer.Exit


def clean(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What `distill collect` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder for train.jsonl, held_out.jsonl, dropped.jsonl, the report.")],
    base: Annotated[str, typer.Option(help="The model to be taught, by its id: its tokens are counted.")] = "",
    context: Annotated[int | None, typer.Option(min=8, help="Tokens a part may have; default: 2048.")] = None,
    languages: Annotated[str, typer.Option(help="Languages to keep, by commas: en,zh; default: all.")] = "",
    personal: Annotated[Literal["mask", "drop"], typer.Option(help="What to do about personal data.")] = "mask",
    votes: Annotated[
        list[Path] | None,
        typer.Option(help="An export of battles: keep what people preferred; preferences know no both-bad."),
    ] = None,
    ties: Annotated[bool, typer.Option(help="Keep what won as often as it lost, or only tied, too.")] = True,
    near: Annotated[float, typer.Option(min=0.5, max=1, help="Nearly the same from this similarity on.")] = 0.8,
    held_out: Annotated[float, typer.Option(help="The share to hold out.")] = 0.05,
    most_held_out: Annotated[int, typer.Option(min=1, help="Hold out no more than that many.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another one holds out others.")] = 0,
    off: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Rules to leave out, by commas or one by one; `--rules` lists them."),
    ] = None,
    rules: Annotated[  # noqa: ARG001 - its callback ends the verb
        bool, typer.Option("--rules", is_eager=True, callback=_list_rules, help="List every rule, and do nothing else.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
) -> None:
    """Choose what is worth learning, hold some of it out, and say what was dropped and why."""
    with kindly():
        from arena.commands.progress import bar
        from arena.labels.language import language_of
        from models.distill.clean.cleaning import Choice
        from models.distill.clean.folder import REPORT, clean_into
        from models.distill.clean.holdout import HoldOut
        from models.distill.clean.preferred import read_votes
        from models.distill.clean.report import summary
        from models.distill.clean.standard import HELD_OUT, Standard

        left_out = frozenset(name for some in off or () for name in _parted(some))
        aside = None if HELD_OUT in left_out else HoldOut(held_out, most_held_out, seed)
        choice = Choice(read_votes(votes, ties=ties) if votes else None, near=near, held_out=aside)
        brought = _base(base) if base else None
        standard = Standard(
            left_out, _codes(languages), language_of, personal,
            min(context or 2048, brought.spec.context if brought else context or 2048),
            base, brought.folder if brought else None, brought.template if brought else "",
        )  # fmt: skip
        with bar("Cleaning") as told:
            cleaned = clean_into(out, files, standard, choice, workers or os.cpu_count() or 1, told)
        say(f"{summary(cleaned)}\n{out / f'{REPORT}.md'} says what was dropped and why.")
        if not cleaned.held_out and HELD_OUT not in left_out:
            say("Nothing could be held out, since each conversation gives another one away; collect more varied ones.")


def register(app: typer.Typer) -> None:
    app.command()(clean)


def _codes(languages: str) -> tuple[str, ...]:
    """ISO 639-1 codes that the detector can tell."""
    from arena.labels.language import KNOWN_LANGUAGES

    codes = tuple(dict.fromkeys(code.lower() for code in _parted(languages)))
    for code in codes:
        if code not in KNOWN_LANGUAGES:
            known = ", ".join(sorted(KNOWN_LANGUAGES))
            stop(f"'{code}' is no code of a language that can be told; write some of {known}, by commas.")
    return codes


def _parted(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _base(name: str) -> Base:
    from arena.commands.progress import bar
    from arena.settings import load_settings
    from models.catalog import load_catalog
    from models.distill.base import bring_base

    settings = load_settings()
    specs = {spec.id: spec for spec in load_catalog(settings.catalog, students=settings.students)}
    if name not in specs:
        stop(f"The catalogue has no model '{name}'; it has {', '.join(specs)}.")
    with bar(f"Fetching {name}") as told:
        return bring_base(specs[name], settings.cache, told)
