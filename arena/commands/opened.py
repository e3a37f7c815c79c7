"""What a verb works with: the arena's files for reading, its database for writing, and how it ends in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from arena.exchange.downloads import Downloads
    from db.session import Database
    from models.spec import ModelSpec


@contextmanager
def reading(url: str) -> Iterator[Database]:
    """The database for reading, beside a running server too; made or migrated first where it is not current.

    Raises `DatabaseProblem`, also where that would have to be done while a running server holds it.
    """
    from db.schema import is_current, open_database
    from db.session import Database, writer_lock

    if not is_current(url):
        # Creating or migrating writes, so it takes the lock or says that the server is running.
        with writer_lock(url):
            open_database(url).close()
    with closing(Database(url)) as database:
        yield database


@contextmanager
def downloads() -> Iterator[Downloads]:
    """What can be exported, read from the database beside a running server too."""
    from arena.boards.leaderboard import Leaderboard
    from arena.boards.speed import Speeds
    from arena.exchange.downloads import Downloads
    from arena.lineup import load_contestants
    from arena.settings import load_settings
    from arena.voters import Voters, voter_secret

    loaded = load_settings()
    specs = load_contestants(loaded)
    with (
        reading(loaded.database) as database,
        closing(Leaderboard(database, specs, enough_votes=loaded.provisional_votes)) as board,
    ):
        speeds = Speeds(database, specs)
        yield Downloads(database, specs, board, speeds, Voters(voter_secret(loaded)).pseudonym_key)


@contextmanager
def publishing(*, keep_personal: bool) -> Iterator[Downloads]:
    """The same for files with texts: what looks personal is masked in them, and that is said; or it is kept."""
    from dataclasses import replace

    from arena.privacy.scan import Scan, sentence
    from models.distill.clean.personal import KINDS, masked

    scan = None if keep_personal else Scan(lambda text: masked(text, KINDS))
    with downloads() as ours:
        yield replace(ours, scan=scan)
    if scan and scan.found:
        say(f"Personal data are masked: {sentence(scan.found)}; --keep-personal leaves them as they are.")


@contextmanager
def writing() -> Iterator[tuple[Database, Sequence[ModelSpec]]]:
    """The database, held for writing, and the catalogue; refused beside a running server."""
    from arena.lineup import load_contestants
    from arena.settings import load_settings
    from db.schema import open_database
    from db.session import writer_lock

    loaded = load_settings()
    specs = load_contestants(loaded)
    with writer_lock(loaded.database), closing(open_database(loaded.database)) as database:
        yield database, specs


def pseudonym_key() -> bytes:
    """What voters' pseudonyms in exports of this arena are made with."""
    from arena.settings import load_settings
    from arena.voters import Voters, voter_secret

    return Voters(voter_secret(load_settings())).pseudonym_key


def hand_out(text: str, out: Path | None) -> None:
    """Print `text`, or write it to `out` and say so."""
    from arena.exchange.files import write_text

    if out is None:
        sys.stdout.write(text)
    else:
        write_text(out, text)
        say(f"Wrote {out}.")


def say(sentence: str) -> None:
    """Tell the person at the screen something; what a verb prints stays clean for programs.

    Without what a terminal would obey: a sentence may hold the words of a server or a file.
    """
    harmless = "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in sentence)
    typer.echo(harmless, err=True)


def stop(sentence: str) -> NoReturn:
    say(sentence)
    raise typer.Exit(1)


@contextmanager
def kindly() -> Iterator[None]:
    """One sentence and a non-zero exit code for everything a person can put right."""
    try:
        yield
    except Exception as error:
        if isinstance(error, _mendable()):
            stop(str(error))
        raise


def _mendable() -> tuple[type[Exception], ...]:
    """What a person can put right. Its modules take a second to import, so only after something was raised."""
    from arena.boards.selection import SelectionError
    from arena.exchange.files import ExportError
    from arena.exchange.rows import ImportProblem
    from arena.judge.problem import JudgeProblem
    from arena.settings import SettingsError
    from db.session import DatabaseProblem
    from models.catalog import CatalogError
    from models.distill.problem import DistillProblem
    from models.fetch import FetchError
    from models.prices import PricesError

    return (
        SettingsError, SelectionError, CatalogError, DatabaseProblem, FetchError, PricesError,
        ExportError, ImportProblem, JudgeProblem, DistillProblem,
    )  # fmt: skip
