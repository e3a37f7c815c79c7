"""`python -m arena judge demo`: the whole of it on small models, without a key, in a database of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.judge_work import Opened, Spending, opened_whole, work
from arena.commands.opened import hand_out, kindly, say, stop

if TYPE_CHECKING:
    from arena.judge.plan import Task
    from arena.judge.questions import Question
    from arena.settings import Settings
    from models.spec import ModelSpec

# Half of what the models may say in the arena, and one more try: that ends within minutes on two cores.
ANSWER_TOKENS = 192
RETRIES = 1


def demo(
    folder: Annotated[Path, typer.Option(help="Where the report and the database go.")] = Path("judge-demo"),
    database: Annotated[str, typer.Option(help="Another database's address; default: arena.db in the folder.")] = "",
    count: Annotated[int, typer.Option("--questions", min=1, max=80, help="So many, spread over the categories.")] = 9,
    language: Annotated[Literal["en", "zh"], typer.Option(help="The questions' language.")] = "en",
) -> None:
    """Two local models answer, a third one judges in both orders, the report is written; what is there stays."""
    began = time.monotonic()
    with kindly(), opened_whole(_settings(folder, database)) as opened:
        one, other, judge = _cast(opened)
        asked = _asked(count, language)
        say(f"{one.name} and {other.name} answer {len(asked)} of our 80 questions, {judge.name} judges both orders.")
        _answer(opened, (one, other), asked)
        tasks = _judge(opened, judge, (one, other), asked)
        _report(opened, tasks, folder)
    variable = f"ARENA_DATABASE_URL={database}" if database else f"ARENA_DATA={folder}"
    say(f"It took {time.monotonic() - began:.0f} s. `{variable} make serve` shows it on the page Evaluation.")


def register(app: typer.Typer) -> None:
    app.command()(demo)


def _settings(folder: Path, database: str) -> Settings:
    """Those in force, but for the database."""
    from arena.settings import load_settings

    return load_settings().model_copy(update={"data": folder, "database_url": database})


def _cast(opened: Opened) -> tuple[ModelSpec, ModelSpec, ModelSpec]:
    """Two who answer and one who judges: the first three of the line-up for CPUs that cost nobody anything."""
    from models.catalog import load_catalog
    from models.prices import is_ours

    free = [spec for spec in load_catalog(opened.settings.catalog, "cpu") if is_ours(spec)]
    if len(free) < 3:
        stop(f"The demo takes three models that run on this machine; {opened.settings.catalog} has {len(free)}.")
    return free[0], free[1], free[2]


def _asked(count: int, language: str) -> tuple[Question, ...]:
    from arena.judge.answering import spread
    from arena.judge.questions import chosen, own_questions

    return spread(chosen(own_questions(), language), count)


def _answer(opened: Opened, contestants: Sequence[ModelSpec], asked: Sequence[Question]) -> None:
    """Ask for the answers that are missing; who fails a question is judged on the others."""
    from datetime import UTC, datetime

    from arena.commands.progress import bar
    from arena.enrolment import enrol_all
    from arena.judge.answering import Answering, Limits

    enrol_all(opened.database, contestants, datetime.now(UTC))
    answering = Answering(opened.database, contestants, asked, Limits(max_tokens=ANSWER_TOKENS))
    with bar("The contestants answer") as told:
        answering.run(opened.settings, {}, say, told)
    for one in answering.progress:
        failed = one.failures.total()
        say(f"{one.spec.name}: {one.finished} answers are new, {one.known} were there before, {failed} failed.")
        if one.problem:
            stop(one.problem)


def _judge(
    opened: Opened, judge: ModelSpec, contestants: Sequence[ModelSpec], asked: Sequence[Question]
) -> Sequence[Task]:
    """Ask for the judgments that are missing; all of them, old and new."""
    from arena.judge.named import ordered
    from arena.judge.plan import plan
    from db.judging import answers_of, questions_of

    ids = {question.id for question in asked}
    one, other = (spec.fingerprint for spec in contestants)
    with opened.database.read() as session:
        questions = [row for row in questions_of(session) if row.id in ids]
        answers = answers_of(session, [one, other], ids)
    tasks = plan(judge.fingerprint, "score", [ordered(one, other)], questions, answers).tasks
    if not tasks:
        stop("There is no question that both have answered, so there is nothing to judge.")
    spending = Spending(limit=0.0, yes=False, dry_run=False, prices=None, retries=RETRIES, parallel=None)
    work(opened, judge, tasks, {one, other}, spending)
    return tasks


def _report(opened: Opened, tasks: Sequence[Task], folder: Path) -> None:
    """Print what these judgments come to, and write it to the folder for people and for programs."""
    from arena.commands.judge_report import printed
    from arena.judge.report import build_report
    from arena.judge.report_text import report_json, report_markdown
    from db.judging import judged

    keys = {task.key for task in tasks}
    with opened.database.read() as session:
        report = build_report([row for row in judged(session) if row.key in keys], baseline=None)
    hand_out(printed(report), None)
    hand_out(report_markdown(report), folder / "report.md")
    hand_out(report_json(report), folder / "report.json")
