"""A run of a judge from the command line: whoever pays agrees, the judge is asked, what it took is said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from arena.commands.opened import say, stop

if TYPE_CHECKING:
    from arena.judge.estimate import Estimate
    from arena.judge.judging import Rules, Summary
    from arena.judge.named import Contestants
    from arena.judge.plan import Task
    from arena.settings import Settings
    from db.session import Database
    from models.prices import Price
    from models.spec import ModelSpec


@dataclass(frozen=True)
class Spending:
    """What the options say of money, and how the judge is asked."""

    limit: float
    yes: bool
    dry_run: bool
    prices: Path | None
    retries: int
    parallel: int | None


@dataclass(frozen=True)
class Opened:
    """What a verb works with; `specs` is the whole catalogue, line-ups and who does not play included."""

    settings: Settings
    specs: Sequence[ModelSpec]
    database: Database
    contestants: Contestants


@contextmanager
def opened_whole(settings: Settings | None = None) -> Iterator[Opened]:
    """The database held for writing, as only one process may do with SQLite; by these settings, else those in force."""
    from arena.judge.named import Contestants
    from arena.settings import load_settings
    from db import queries
    from db.schema import open_database
    from db.session import writer_lock
    from models.catalog import load_catalog

    loaded = settings or load_settings()
    specs = load_catalog(loaded.catalog, students=loaded.students)
    with writer_lock(loaded.database), closing(open_database(loaded.database)) as database:
        with database.read() as session:
            contestants = Contestants(queries.contestants(session), specs)
        yield Opened(loaded, specs, database, contestants)


def work(
    opened: Opened, judge: ModelSpec, tasks: Sequence[Task], whom: Collection[str | None], spending: Spending
) -> Summary | None:
    """Ask for what is not judged yet, once whoever pays agrees, and say what it took; None where nothing was asked.

    Raises `DatabaseProblem` where another process asks this judge at the same time: both would pay.
    """
    from arena.judge.named import suspect
    from db.session import only_one

    for sentence in suspect(judge, [spec for spec in opened.specs if spec.fingerprint in whom]):
        say(f"Beware: {sentence}")
    with only_one(opened.database.url, f"judge {judge.fingerprint}", f"asking {judge.id} for judgments"):
        left = _left(opened, tasks)
        rules = _agreed(judge, left, spending) if left else None
        summary = _ask(opened, judge, left, rules) if rules else None
    if summary is not None:
        _sum_up(summary, judge)
    return summary


def end(summary: Summary | None) -> None:
    """End the verb as its judgments did: a script is to know where not everything is judged."""
    if summary is None:
        return
    if summary.left:
        stop(
            f"{summary.left} judgments are left: the others have cost all that --limit-dollars allows, "
            "more than was estimated; a higher limit or --yes lets another run go on."
        )
    if not summary.done and summary.failed:
        stop("Not one judgment could be made.")
    if summary.failed:
        raise typer.Exit(1)


def _left(opened: Opened, tasks: Sequence[Task]) -> Sequence[Task]:
    """Those that are not judged yet."""
    from db.judging import states_of

    with opened.database.read() as session:
        states = states_of(session, [task.key for task in tasks])
    left = [task for task in tasks if states.get(task.key) != "done"]
    if not left:
        say(f"All {len(tasks)} judgments are there already; nothing was asked.")
    elif known := len(tasks) - len(left):
        say(f"{known} of {len(tasks)} judgments are there already and are not paid again.")
    return left


def _agreed(judge: ModelSpec, tasks: Sequence[Task], spending: Spending) -> Rules | None:
    """The rules of a run that may begin; None where only its price was wanted. Ends the verb where nobody agrees."""
    from arena.judge.estimate import estimate
    from arena.judge.judging import Rules

    agreed = consent(judge, lambda price: estimate(tasks, price, judge.sampling.max_tokens), spending)
    return Rules(agreed.price, spending.retries, spending.parallel, agreed.ceiling) if agreed else None


@dataclass(frozen=True)
class Agreed:
    """`ceiling`: the dollars at which no more is asked; None: nobody set one."""

    price: Price | None
    ceiling: float | None


def consent(spec: ModelSpec, reckon: Callable[[Price | None], Estimate], spending: Spending) -> Agreed | None:
    """What whoever pays agrees to once the estimate is said; None where only that was wanted, and where nobody agrees
    the verb ends.
    """
    from models.prices import DEFAULT_PRICES, PricesError, is_ours, load_prices

    try:
        price = load_prices(spending.prices or DEFAULT_PRICES).of(spec)
    except PricesError as error:
        stop(str(error))
    reckoned = reckon(price)
    say(f"{spec.name}: {reckoned.sentence(price)}")
    if spending.dry_run:
        return None
    dear = reckoned.dollars > spending.limit if reckoned.dollars is not None else not is_ours(spec)
    if dear and not spending.yes:
        if not sys.stdin.isatty():
            stop("That is above --limit-dollars or not known, and nobody is here to be asked; --yes agrees to it.")
        if not typer.confirm("Go on?", err=True):
            stop("Nothing was asked.")
    return Agreed(price, None if dear or spending.yes else spending.limit)


def _ask(opened: Opened, judge: ModelSpec, tasks: Sequence[Task], rules: Rules) -> Summary:
    import asyncio
    from datetime import UTC, datetime

    from arena.commands.progress import bar
    from arena.enrolment import enrol_all
    from arena.judge.asked import ModelUnavailable, models_of
    from arena.judge.judging import Judging
    from arena.settings import endpoint_keys

    enrol_all(opened.database, [judge], datetime.now(UTC))
    keys = endpoint_keys([judge.endpoint.key] if judge.endpoint else [])
    with models_of([judge], opened.settings, keys, say) as asked, bar(f"{judge.name} judges") as told:
        judging = Judging(opened.database, judge, asked, rules)
        try:
            return asyncio.run(judging.run(tasks, told))
        except (ModelUnavailable, KeyboardInterrupt) as ended:
            say(f"{str(ended) or 'Stopped.'} What was judged is kept, and another run goes on from there.")
            _sum_up(judging.summary, judge)
            raise typer.Exit(1) from None


def _sum_up(summary: Summary, judge: ModelSpec) -> None:
    took = summary.took
    tokens = "an unknown number of tokens"
    if took.prompt_tokens is not None and took.tokens is not None:
        tokens = f"{took.prompt_tokens:,} tokens read and {took.tokens:,} generated"
    dollars = "dollars not known" if took.cost is None else f"{took.cost:.4f} dollars"
    say(
        f"{summary.done} judgments are new, {summary.failed} failed; asked {took.attempts} times, {tokens}, {dollars}, "
        f"{summary.seconds:.1f} s."
    )
    if summary.failed:
        say(f"The last failure: {summary.failure}.")
        say(f"`judge failures --judge {judge.id}` prints them all; another run asks again.")
