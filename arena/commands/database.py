"""`python -m arena db <what>`: copy, back up, restore, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arena.commands.opened import kindly, say

app = typer.Typer(help="Copy, back up, restore or check the database.", no_args_is_help=True)

_ADDRESS = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME (~/.pgpass may hold the password)"


@app.command()
def copy(
    source: Annotated[str, typer.Argument(help=f"{_ADDRESS}; stop its arena first.")],
    target: Annotated[str, typer.Argument(help="The same of an empty database; a file is made.")],
) -> None:
    """Copy everything from one database to another, from SQLite to PostgreSQL or back."""
    with kindly():
        from arena.commands.progress import bar
        from db.copy import copy_database
        from db.url import name_of

        with bar("Copying") as told:
            counts = copy_database(source, target, told)
        told_of = ", ".join(f"{count} {table}s" for table, count in counts.items())
        say(f"Copied {told_of} from {name_of(source)} to {name_of(target)}.")


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="The SQLite file to write; it must not be there.")]) -> None:
    """Write everything to one file, beside a running arena too."""
    with kindly():
        from arena.settings import load_settings
        from db.backup import backup as write_backup

        say(f"Wrote {write_backup(load_settings().database, file)} votes and all that belongs to them to {file}.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `db backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the votes there are; they are kept aside.")
    ] = False,
) -> None:
    """Let the database hold what a backup holds; the arena is stopped."""
    with kindly():
        from arena.settings import load_settings
        from db.backup import restore as put_back
        from db.url import name_of

        url = load_settings().database
        votes, kept = put_back(file, url, replace=replace)
        aside = f"; what it held before is kept in {kept}" if kept else ""
        say(f"Restored {votes} votes from {file} to {name_of(url)}{aside}.")


@app.command()
def check() -> None:
    """Look for damage, lost references, votes without battles and gaps; the exit code is 1 where there are any."""
    with kindly():
        from arena.settings import load_settings
        from db.check import check as look
        from db.url import name_of

        url = load_settings().database
        findings = look(url)
        for finding in findings:
            typer.echo(finding)
        if findings:
            raise typer.Exit(1)
        say(f"The database {name_of(url)} is whole.")
