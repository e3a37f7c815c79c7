"""`python -m arena export <what>`: votes, battles, preference pairs, a whole data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from arena.commands.opened import kindly, publishing, say, stop

app = typer.Typer(help="Write what people voted to a file.", no_args_is_help=True)

KeepPersonal = Annotated[
    bool, typer.Option("--keep-personal", help="Leave e-mail addresses, keys and the like in prompts and answers.")
]
TEXT_ENDINGS = (".jsonl", ".parquet")


@app.command()
def votes(
    out: Annotated[Path, typer.Option(help="The file to write: FILE.csv, FILE.jsonl or FILE.parquet.")],
    texts: Annotated[bool, typer.Option("--texts", help="Prompts and answers too.")] = False,
    keep_personal: KeepPersonal = False,
) -> None:
    """Write every vote, voters as pseudonyms; JSONL and Parquet are exact, CSV is safe to open in a spreadsheet."""
    _check(out, (".csv", *TEXT_ENDINGS))
    with kindly(), publishing(keep_personal=keep_personal) as ours:
        say(f"Wrote {ours.write_votes(out, texts=texts)} votes to {out}.")


@app.command()
def battles(
    out: Annotated[Path, typer.Option(help="The file to write: FILE.jsonl or FILE.parquet.")],
    keep_personal: KeepPersonal = False,
) -> None:
    """Write every voted battle with both conversations, answers whole, voters as pseudonyms."""
    _check(out, TEXT_ENDINGS)
    with kindly(), publishing(keep_personal=keep_personal) as ours:
        left_out: Counter[str] = Counter()
        say(f"Wrote {ours.write_battles(out, left_out)} battles to {out}{_but(left_out)}.")


@app.command()
def preferences(
    out: Annotated[Path, typer.Option(help="The file to write: FILE.jsonl or FILE.parquet.")],
    ties: Annotated[bool, typer.Option("--ties", help="Keep ties, side A as the chosen one.")] = False,
    both_bad: Annotated[bool, typer.Option("--both-bad", help="Keep both-bad, side A as the chosen one.")] = False,
    turns: Annotated[Literal["single", "all"], typer.Option(help="Battles of one prompt, or all.")] = "single",
    category: Annotated[list[str] | None, typer.Option(help="Only this category; may be given again.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="Only this language; may be given again.")] = None,
    keep_personal: KeepPersonal = False,
) -> None:
    """Write pairs of a preferred and a rejected conversation, as TRL's DPOTrainer reads them."""
    _check(out, TEXT_ENDINGS)
    with kindly(), publishing(keep_personal=keep_personal) as ours:
        from arena.exchange.preferences import Wanted

        wanted = Wanted(ties, both_bad, turns, tuple(category or ()), tuple(language or ()))
        left_out: Counter[str] = Counter()
        say(f"Wrote {ours.write_preferences(out, wanted, left_out)} pairs to {out}{_but(left_out)}.")


@app.command()
def dataset(
    folder: Annotated[Path, typer.Argument(help="A folder that is empty or not there yet.")],
    texts: Annotated[bool, typer.Option("--texts", help="Battles and preference pairs too.")] = False,
    license_id: Annotated[str, typer.Option("--license", help="The license of the data set.")] = "CC-BY-4.0",
    keep_personal: KeepPersonal = False,
) -> None:
    """Write a folder ready for the Hugging Face Hub: Parquet files and their card."""
    with kindly(), publishing(keep_personal=keep_personal) as ours:
        contents = ours.write_dataset(folder, texts=texts, license_id=license_id)
        say(f"Wrote {', '.join(f'{count} rows of {name}' for name, count in contents.rows.items())} to {folder}.")


def _check(out: Path, endings: tuple[str, ...]) -> None:
    if out.suffix not in endings:
        stop(f"--out {out}: the name must end in {', '.join(endings[:-1])} or {endings[-1]}.")


def _but(left_out: Counter[str]) -> str:
    """What was left out and why, as the end of a sentence."""
    return (
        f"; left out: {', '.join(f'{count} {reason}' for reason, count in left_out.most_common())}" if left_out else ""
    )
