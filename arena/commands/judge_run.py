"""`python -m arena judge run | battles | failures`: a judge is asked, after whoever pays was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.judge_work import Opened, Spending, end, opened_whole, work
from arena.commands.opened import kindly, reading, say, stop
from arena.judge.verdict import Form

if TYPE_CHECKING:
    from datetime import datetime

    from arena.judge.named import Contestants
    from arena.judge.plan import Plan, Whom
    from db.session import Database
    from db.tables import Answer, Question

Language = Literal["en", "zh", "all"]

Judge = Annotated[str, typer.Option(help="The judge: a model of the catalogue, by its id or name.")]
Parallel = Annotated[int | None, typer.Option(min=1, help="Requests at a time; default: 16, of a local model 4.")]
Retries = Annotated[int, typer.Option(min=0, max=20, help="Times a reply that can't be read is asked for again.")]
Limit = Annotated[
    float, typer.Option("--limit-dollars", min=0, help="Ask before spending more; what was not asked about ends there.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Spend without asking, as in a script.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would take and ask for nothing.")]
OneOrder = Annotated[bool, typer.Option("--one-order", help="Show each pair once: half the price, biased by place.")]
PricesFile = Annotated[Path | None, typer.Option("--prices", help="Prices of tokens; default: models/prices.toml.")]


def run(
    judge: Judge,
    pairs: Annotated[str, typer.Option(help="Pairs A:B, by commas; a contestant by id or name.")] = "",
    baseline: Annotated[str, typer.Option(help="This contestant against every other one that has answers.")] = "",
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Everybody who has answers, each with each.")] = False,
    form: Annotated[Form, typer.Option(help="score: two scores; pairwise: A, B, tie; single: one answer.")] = "score",
    questions: Annotated[str, typer.Option("--set", help="The set of questions.")] = "paddock",
    language: Annotated[Language, typer.Option(help="The questions' language.")] = "en",
    one_order: OneOrder = False,
    parallel: Parallel = None,
    retries: Retries = 2,
    limit_dollars: Limit = 1.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    prices: PricesFile = None,
) -> None:
    """Let a model judge stored answers, each pair in both orders; what is judged already is not asked again."""
    with kindly(), opened_whole() as opened:
        from arena.judge.named import judge_named
        from arena.judge.plan import plan
        from arena.judge.questions import is_file
        from db.judging import answers_of

        spec = judge_named(judge, opened.specs)
        asked = _questions(opened.database, questions, language)
        with opened.database.read() as session:
            answers = answers_of(session, questions=[question.id for question in asked])
        whom = _whom(opened.contestants, answers, form, pairs, baseline, all_pairs)
        planned = plan(spec.fingerprint, form, whom, asked, answers, both_orders=not one_order)
        of = "" if questions == "paddock" else f" with --set {questions if is_file(questions) else 'FILE'}"
        _name_missing(planned, opened.contestants, len(asked), of)
        members = {one for pair in whom for one in pair}
        spending = Spending(limit_dollars, yes, dry_run, prices, retries, parallel)
        end(work(opened, spec, planned.tasks, members, spending))


def battles(
    judge: Judge,
    form: Annotated[Literal["pairwise", "score"], typer.Option(help="pairwise: A, B, tie; score: two.")] = "pairwise",
    limit: Annotated[int | None, typer.Option(min=1, help="The oldest battles, this many; default: all.")] = None,
    unvoted: Annotated[bool, typer.Option("--unvoted", help="Battles too that went without a vote.")] = False,
    one_order: OneOrder = False,
    parallel: Parallel = None,
    retries: Retries = 2,
    limit_dollars: Limit = 1.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    prices: PricesFile = None,
) -> None:
    """Let a model judge battles that people voted on, so that the two can be compared; votes stay what they are."""
    with kindly(), opened_whole() as opened:
        from arena.judge.battles import tasks_left
        from arena.judge.named import judge_named

        spec = judge_named(judge, opened.specs)
        over = _over_since(opened) if unvoted else None
        with opened.database.read() as session:
            tasks = tasks_left(session, spec.fingerprint, form, limit, both_orders=not one_order, over_since=over)
        if not tasks:
            stop(
                "There are no voted battles left to judge; people vote on the page Battle, `import` takes votes in, "
                "and stored answers are judged by `judge run`."
            )
        members = {one for task in tasks for one in (task.comparison.a, task.comparison.b)}
        end(work(opened, spec, tasks, members, Spending(limit_dollars, yes, dry_run, prices, retries, parallel)))


def failures(
    judge: Annotated[str, typer.Option(help="Only this judge's.")] = "",
    most: Annotated[int, typer.Option("--limit", min=1, help="Print at most this many.")] = 20,
) -> None:
    """Print judgments that failed: why, and what the judge had replied."""
    with kindly():
        from arena.judge.named import Contestants
        from arena.settings import load_settings
        from db import queries
        from db.judging import judged
        from models.catalog import load_catalog

        loaded = load_settings()
        specs = load_catalog(loaded.catalog, students=loaded.students)
        with reading(loaded.database) as database, database.read() as session:
            # As it was before its entry in the catalogue changed too.
            judges = Contestants(queries.contestants(session), specs).versions(judge) if judge else ()
            failed = [row for row in judged(session) if row.status == "failed" and (not judge or row.judge in judges)]
        for row in failed[:most]:
            of = f"battle {row.battle_id}" if row.battle_id else f"question {row.number} of {row.set}"
            names = [row.name_a, row.name_b] if row.first == "a" else [row.name_b, row.name_a]
            shown = " before ".join(name for name in names if name)
            typer.echo(_harmless(f"{row.judge_name} on {of}, {shown}: {row.failure}\n{row.reply}\n"))
        say(f"{len(failed)} judgments failed{f', {most} are shown' if len(failed) > most else ''}.")


def register(app: typer.Typer) -> None:
    for verb in (run, battles, failures):
        app.command()(verb)


def _questions(database: Database, name: str, language: Language) -> Sequence[Question]:
    """The stored questions of a set, of those that were changed the last; one without a language is in all of them.

    Of a set named by its file those that the file holds.
    """
    from arena.judge.questions import is_file, load_questions, set_of
    from db.judging import questions_of

    with database.read() as session:
        known = questions_of(session)
    wanted = set_of(Path(name)) if is_file(name) else name
    held = {question.id for question in load_questions(Path(name))} if is_file(name) else None
    latest = {
        (row.number, row.language): row for row in known if row.set == wanted and (held is None or row.id in held)
    }
    found = [row for row in latest.values() if language in ("all", row.language or language)]
    if not found:
        sets = sorted({f"{row.set} ({row.language})" if row.language else row.set for row in known})
        there = f"there are: {', '.join(sets)}" if sets else "none were asked yet"
        stop(f"No stored questions are of set '{wanted}' in language {language}; {there}. `judge answer` asks them.")
    return found


def _over_since(opened: Opened) -> datetime:
    """A battle that was over by now can't be voted on any more."""
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) - timedelta(minutes=opened.settings.vote_minutes)


def _whom(
    contestants: Contestants, answers: Sequence[Answer], form: Form, pairs: str, baseline: str, all_pairs: bool
) -> list[Whom]:
    """Whose answers are judged, as the options say."""
    from arena.judge.plan import pairs_among

    if sum((bool(pairs), bool(baseline), all_pairs)) != 1 and (form != "single" or pairs or baseline):
        stop("Say who is compared: one of --pairs A:B,…, --baseline CONTESTANT and --all-pairs.")
    answered = {row.contestant for row in answers if row.status == "finished"}
    whom: list[Whom] = []
    if pairs:
        whom = list(dict.fromkeys(contestants.pair(pair.strip()) for pair in pairs.split(",") if pair.strip()))
    else:
        answered = _of_today(contestants, answered)
    if baseline or all_pairs:
        whom = pairs_among(answered, contestants.find(baseline) if baseline else None)
    if form == "single":
        whom = [(one, None) for one in sorted({one for pair in whom for one in pair if one} or answered)]
    if not whom:
        stop(f"{len(answered)} contestants have answers to these questions, and a pair takes two; `judge answer` asks.")
    return whom


def _of_today(contestants: Contestants, answered: set[str]) -> set[str]:
    """Without what contestants were before their entries in the catalogue changed: nobody means to pay for that."""
    for one in sorted(filter(contestants.is_earlier, answered)):
        name = contestants.id_of(one)
        say(f"Left out: answers of {name} as it was before its entry changed; --pairs takes them as {one[:12]}.")
    return {one for one in answered if not contestants.is_earlier(one)}


def _name_missing(planned: Plan, contestants: Contestants, count: int, of: str) -> None:
    for one, numbers in planned.missing.items():
        named = ", ".join(numbers[:10]) + (", …" if len(numbers) > 10 else "")
        name = contestants.id_of(one)
        remedy = f"; `judge answer {name}`{of} asks them" if contestants.is_of_today(one) else ""
        say(f"{name} has no answer to {len(numbers)} of {count} questions ({named}){remedy}.")
    if not planned.tasks:
        stop("There is no question that these contestants have answered.")


def _harmless(text: str) -> str:
    """The text without what a terminal would obey: a model's words may hold anything."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
