"""`python -m arena distill compare`: a judge reads student and base, the held-out loss is read, both make a verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.judge_work import Opened, Spending, end, opened_whole, work
from arena.commands.opened import hand_out, kindly, say, stop

if TYPE_CHECKING:
    from arena.judge.answering import Limits
    from arena.judge.plan import Task
    from arena.judge.questions import Question
    from models.distill.held_out import Change
    from models.spec import ModelSpec

Form = Literal["score", "pairwise"]


@dataclass(frozen=True)
class Pair:
    """Who is compared, and by whom."""

    student: ModelSpec
    base: ModelSpec
    judge: ModelSpec


def compare(
    student: Annotated[str, typer.Argument(help="A contestant that was taught, by its id or name.")],
    judge: Annotated[str, typer.Option(help="The judge: a model of the catalogue, by its id or name.")],
    base: Annotated[str, typer.Option(help="What it is compared with; default: the base it was taught from.")] = "",
    run: Annotated[Path | None, typer.Option(help="The training with its held-out losses; default: its own.")] = None,
    count: Annotated[
        int | None, typer.Option("--questions", min=1, help="So many of our 80, spread over the categories; or all.")
    ] = None,
    language: Annotated[Literal["en", "zh"], typer.Option(help="The questions' language.")] = "en",
    form: Annotated[Form, typer.Option(help="score: two scores; pairwise: A, B, tie.")] = "score",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Cut answers shorter, of both alike.")] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where compare.md and compare.json go.")] = Path(
        "distill-compare"
    ),
    parallel: Annotated[int | None, typer.Option(min=1, help="Requests at a time.")] = None,
    retries: Annotated[int, typer.Option(min=0, max=20, help="Times a reply is asked for again.")] = 2,
    limit_dollars: Annotated[float, typer.Option("--limit-dollars", min=0, help="Ask before spending more.")] = 1.0,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without asking, as in a script.")] = False,
    prices: Annotated[Path | None, typer.Option("--prices", help="Prices; default: models/prices.toml.")] = None,
) -> None:
    """Say whether teaching helped: a judge reads student and base in both orders, and the held-out loss is read."""
    with kindly(), opened_whole() as opened:
        from arena.judge.answering import Limits, spread
        from arena.judge.questions import chosen, own_questions

        pair = _pair(opened, student, base, judge, max_tokens)
        losses = _losses(opened, pair.student, run)
        asked = chosen(own_questions(), language)
        asked = asked if count is None else spread(asked, count)
        say(f"{pair.student.name} and {pair.base.name} answer {len(asked)} questions, {pair.judge.name} judges them.")
        _answer(opened, pair, asked, Limits(parallel))
        tasks = _tasks(opened, pair, asked, form)
        spending = Spending(limit_dollars, yes, dry_run=False, prices=prices, retries=retries, parallel=parallel)
        whom = {one.fingerprint for one in opened.specs if one.id in (pair.student.id, pair.base.id)}
        summary = work(opened, pair.judge, tasks, whom, spending)
        if summary is not None and summary.left:
            end(summary)
        _conclude(opened, pair, tasks, losses, folder)


def register(app: typer.Typer) -> None:
    app.command()(compare)


def _pair(opened: Opened, student: str, base: str, judge: str, max_tokens: int | None) -> Pair:
    """Who is meant, both held to `max_tokens`.

    A base that is served in another way than its student is told of: it would be compared too.
    """
    from arena.judge.named import judge_named
    from models.students import base_of

    taught = judge_named(student, opened.specs)
    beside = judge_named(base, opened.specs) if base else base_of(taught, opened.specs)
    if beside is None:
        stop(f"{taught.id} names no base that is in the catalogue; say what it is compared with by --base.")
    if beside.fingerprint == taught.fingerprint:
        stop(f"{taught.id} can't be compared with itself; say another --base.")
    served = ("engine", "quantization", "prompt_template", "context", "sampling")
    differing = [name for name in served if getattr(taught, name) != getattr(beside, name)]
    if differing:
        say(f"Beware: {taught.id} and {beside.id} differ in {' and '.join(differing)}, which is compared too then.")
    return Pair(_held_to(taught, max_tokens), _held_to(beside, max_tokens), judge_named(judge, opened.specs))


def _held_to(spec: ModelSpec, max_tokens: int | None) -> ModelSpec:
    """The same with shorter answers. That is another contestant, so that no stored answer of another length is taken
    for one of its own.
    """
    least = min(max_tokens or spec.sampling.max_tokens, spec.sampling.max_tokens)
    return spec.model_copy(update={"sampling": spec.sampling.model_copy(update={"max_tokens": least})})


def _losses(opened: Opened, student: ModelSpec, run: Path | None) -> Path | None:
    """The folder with the losses on held-out conversations, looked at before anybody is asked; None: they say nothing.

    Raises `DistillProblem` where those of `run` can't be read, or no interval can be told of them.
    """
    from models.distill.held_out import change
    from models.distill.problem import DistillProblem
    from models.distill.run import HELD_OUT_FILE, read_held_out

    folder = run or opened.settings.students.parent / "students" / student.id
    if run is None and not (folder / HELD_OUT_FILE).exists():
        say(f"There are no held-out losses in {folder}; --run names the folder of the training.")
        return None
    try:
        change(*read_held_out(folder))
    except DistillProblem as error:
        if run is not None:
            raise
        say(f"{error} The judge alone says whether teaching helped.")
        return None
    return folder


def _answer(opened: Opened, pair: Pair, asked: Sequence[Question], limits: Limits) -> None:
    """Ask for the answers that are missing; who fails a question is judged on the others."""
    from datetime import UTC, datetime

    from arena.commands.progress import bar
    from arena.enrolment import enrol_all
    from arena.judge.answering import Answering
    from arena.settings import endpoint_keys
    from db.session import only_one

    both = (pair.student, pair.base)
    enrol_all(opened.database, both, datetime.now(UTC))
    keys = endpoint_keys(spec.endpoint.key for spec in both if spec.endpoint)
    answering = Answering(opened.database, both, asked, limits)
    with only_one(opened.database.url, "judge answer", "asking for answers"), bar("Student and base answer") as told:
        answering.run(opened.settings, keys, say, told)
    for one in answering.progress:
        failed = one.failures.total()
        say(f"{one.spec.name}: {one.finished} answers are new, {one.known} were there before, {failed} failed.")
        if one.problem:
            stop(one.problem)


def _tasks(opened: Opened, pair: Pair, asked: Sequence[Question], form: Form) -> Sequence[Task]:
    """What there is to judge, in both orders."""
    from arena.judge.named import ordered
    from arena.judge.plan import plan
    from db.judging import answers_of, questions_of

    ids = {question.id for question in asked}
    one, other = pair.student.fingerprint, pair.base.fingerprint
    with opened.database.read() as session:
        questions = [row for row in questions_of(session) if row.id in ids]
        answers = answers_of(session, [one, other], ids)
    tasks = plan(pair.judge.fingerprint, form, [ordered(one, other)], questions, answers).tasks
    if not tasks:
        stop("There is no question that both have answered, so there is nothing to judge.")
    return tasks


def _conclude(opened: Opened, pair: Pair, tasks: Sequence[Task], losses: Path | None, folder: Path) -> None:
    """Print the verdict, and write it with all it rests on, for people and for programs."""
    from arena.judge.report import build_report
    from arena.judge.report_text import report_json, report_markdown
    from arena.judge.section import Section
    from db.judging import judged
    from models.distill.files import write_text
    from models.distill.verdict import RULES, Judged, verdict

    keys = {task.key for task in tasks}
    with opened.database.read() as session:
        report = build_report([row for row in judged(session) if row.key in keys], baseline=pair.base.fingerprint)
    (part,), (found,) = report.parts, report.pairs
    total, share = found.total, found.win_rate
    counts = (total.judged, total.failed, total.model_wins, total.baseline_wins, total.ties)
    said = Judged(pair.judge.name, *counts, share.value, share.low, share.high, part.useless) if share else None
    told = verdict(pair.student.name, pair.base.name, said, *(_learnt(losses) if losses else (None,)))
    who = {"student": pair.student.id, "base": pair.base.id, "judge": pair.judge.id}
    record = {**who, **asdict(told), "rules": RULES, "report": json.loads(report_json(report))}
    head = Section(1, f"{pair.student.name} against {pair.base.name}", (told.sentence, *told.reasons))
    text = "\n".join((head.markdown(), Section(2, "The rules", RULES).markdown(), report_markdown(report)))
    write_text(folder / "compare.md", text)
    write_text(folder / "compare.json", json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    say(f"Wrote {folder / 'compare.md'} and {folder / 'compare.json'}.")
    hand_out("\n".join((told.sentence, *told.reasons)) + "\n", None)


def _learnt(folder: Path) -> tuple[Change, str]:
    """How the held-out loss changed, and the run that the training went on from; empty: it began with the base."""
    from models.distill.held_out import change
    from models.distill.run import RUN_FILE, read_held_out, read_run

    start = read_run(folder).start if (folder / RUN_FILE).exists() else None
    return change(*read_held_out(folder)), start.run if start else ""
