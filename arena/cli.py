"""`python -m arena <verb>`. Whatever is heavy is imported inside the verb that needs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from arena.downloads import Downloads

app = typer.Typer(
    help="Paddock, a self-hosted blind arena for language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
export = typer.Typer(help="Write what people voted to a file.", no_args_is_help=True)
app.add_typer(export, name="export")


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def leaderboard(
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Print the leaderboard, best first; before the first vote too."""
    with _kindly(), _downloads() as downloads:
        from arena.listings import leaderboard_text

        _hand_out(leaderboard_text(downloads.leaderboard.refresh(), form.value), out)


@app.command()
def speed(
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Print what the contestants' answers took: tokens, seconds, joules; of battles that have their vote."""
    with _kindly(), _downloads() as downloads:
        from arena.listings import speed_text

        _hand_out(speed_text(downloads.speeds.refresh(), form.value), out)


@export.command()
def votes(
    out: Annotated[Path, typer.Option(help="The file to write: FILE.csv or FILE.jsonl.")],
    texts: Annotated[bool, typer.Option("--texts", help="Prompts and answers too.")] = False,
) -> None:
    """Write every vote, voters as pseudonyms; JSONL is exact, CSV is safe to open in a spreadsheet."""
    if out.suffix not in (".csv", ".jsonl"):
        _stop(f"--out {out}: the name must end in .csv or .jsonl.")
    with _kindly(), _downloads() as downloads:
        count = downloads.write_votes(out, texts=texts)
        typer.echo(f"Wrote {count} votes to {out}.", err=True)


@app.command()
def settings() -> None:
    """Print the settings in force, secrets masked, and what each of them means."""
    from arena.settings import PREFIX, load_settings

    with _kindly():
        loaded = load_settings()
        in_force = {"host": loaded.listen, "database_url": loaded.database}
        for name, field in type(loaded).model_fields.items():
            variable = str(field.validation_alias or PREFIX + name.upper())
            typer.echo(f"{variable}={in_force.get(name, getattr(loaded, name))}")
            typer.echo(f"    {field.description}")


def _hand_out(text: str, out: Path | None) -> None:
    from arena.exports import write_text

    if out is None:
        sys.stdout.write(text)
    else:
        write_text(out, text)
        typer.echo(f"Wrote {out}.", err=True)


@app.command()
def digest(folder: Annotated[Path, typer.Argument(help="A folder of safetensors on this machine.")]) -> None:
    """Print what a catalogue needs to name a folder of safetensors: the digest of what is in it."""
    with _kindly():
        from arena.settings import load_settings
        from models import checkpoint

        typer.echo(checkpoint.digest(folder, load_settings().cache))


@contextmanager
def _downloads() -> Iterator[Downloads]:
    """What can be exported, read from the database beside a running server too."""
    from arena.downloads import Downloads
    from arena.leaderboard import Leaderboard
    from arena.settings import load_settings
    from arena.speed import Speeds
    from arena.voters import Voters
    from db.schema import is_current, open_database
    from db.session import Database, writer_lock
    from models.catalog import load_catalog

    loaded = load_settings()
    specs = load_catalog(loaded.catalog)
    if not is_current(loaded.database):
        # Creating or migrating writes, so it takes the lock or says that the server is running.
        with writer_lock(loaded.database):
            open_database(loaded.database).close()
    with closing(Database(loaded.database)) as database:
        board = Leaderboard(database, specs, enough_votes=loaded.provisional_votes)
        speeds = Speeds(database, specs)
        yield Downloads(database, specs, board, speeds, Voters(loaded.voter_secret()).pseudonym_key)


@contextmanager
def _kindly() -> Iterator[None]:
    """One sentence and a non-zero exit code for everything a person can put right."""
    from arena.exports import ExportError
    from arena.settings import SettingsError
    from db.session import DatabaseProblem
    from models.catalog import CatalogError
    from models.fetch import FetchError

    try:
        yield
    except (SettingsError, CatalogError, DatabaseProblem, ExportError, FetchError) as error:
        _stop(str(error))


def _stop(sentence: str) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
