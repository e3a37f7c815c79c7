"""`python -m arena judge report | import-reviews`: what judges said, and what others published of theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.judge_work import opened_whole
from arena.commands.opened import hand_out, kindly, reading, say, stop

if TYPE_CHECKING:
    from arena.judge.named import Contestants
    from arena.judge.report import PeopleRating, Report
    from arena.settings import Settings
    from db.judging import JudgedRow
    from db.session import Database
    from models.spec import ModelSpec

FileForm = Literal["table", "markdown", "json"]


def report(
    judge: Annotated[str, typer.Option(help="Only this judge's, by id, name, or the beginning of a fingerprint.")] = "",
    form: Annotated[Literal["", "score", "pairwise", "single"], typer.Option(help="Only this form.")] = "",
    questions: Annotated[
        str, typer.Option("--set", help="Only this set of questions; battles: judged battles of people.")
    ] = "",
    baseline: Annotated[str, typer.Option(help="Only pairs with this contestant, as their baseline.")] = "",
    format: Annotated[FileForm, typer.Option(help="For people, for a document, or for programs.")] = "table",  # noqa: A002
    out: Annotated[Path | None, typer.Option(help="A file to write to instead of the screen.")] = None,
) -> None:
    """Say who does better in whose eyes, and how far each judge can be trusted; works beside a running server too."""
    with kindly(), _reading() as (database, contestants, settings, specs):
        from arena.judge.report import build_report
        from arena.judge.report_text import report_json, report_markdown
        from db.judges import judged_parts
        from db.judging import judged, votes_and_judgments

        with database.read() as session:
            judges = {part.judge for part in judged_parts(session) if form in ("", part.form)}
            by = _version(contestants, judge, judges)
            rows = _of_set(judged(session, judge=by, form=form or None), questions)
            votes = votes_and_judgments(session, by)
        compared = {one for row in rows for one in (row.a, row.b) if one}
        against = _version(contestants, baseline, compared)
        if against is not None and against not in compared:
            stop(f"'{baseline}' is in none of these judgments; {', '.join(_names(rows))} are.")
        found = build_report(rows, baseline=against, people=_people(database, settings, specs), votes=votes)
        if format == "json" and found.pairs and any(part.singles for part in found.parts):
            say("The list is of pairs; --form single lists the scores of single answers.")
        texts = {"json": report_json, "markdown": report_markdown, "table": printed}
        hand_out(texts[format](found), out)


def import_reviews(
    folder: Annotated[Path, typer.Argument(help="A folder with question.jsonl, answer/ and review/, as Vicuna's.")],
    reparse: Annotated[
        bool, typer.Option("--reparse", help="Read the scores in the texts instead of those stored beside them.")
    ] = False,
    questions: Annotated[str, typer.Option("--set", help="What to call the set of questions.")] = "vicuna",
) -> None:
    """Take in published questions, answers and reviews; of what is there already nothing is added."""
    with kindly(), opened_whole() as opened:
        from datetime import UTC, datetime

        from arena.judge.reviews import import_reviews as take_in

        done = take_in(opened.database, folder, datetime.now(UTC), set_name=questions, reparse=reparse)
    changed = f", {done.changed} got other scores than they had" if done.changed else ""
    failed = f", {done.failed} give no scores and count as failed" if done.failed else ""
    new = f"{done.questions} questions, {done.answers} answers and {done.reviews} reviews are new"
    say(f"{new}; {done.known} reviews were there before{changed}{failed}.")
    taken = "the texts' are taken" if reparse else "those stored are taken; --reparse takes the texts'"
    for one in done.contradictions:
        text = "none" if one.text is None else f"{one.text[0]:g} and {one.text[1]:g}"
        stored = f"stored are {one.stored[0]:g} and {one.stored[1]:g}"
        say(f"{one.source}, question {one.number}: {stored}, the text gives {text}; {taken}.")


def printed(report: Report) -> str:
    """The report for a terminal; ends with a newline."""
    from arena.exchange.files import printable
    from arena.exchange.listings import add_line, table_of
    from arena.exchange.listings import printed as as_text
    from arena.judge.sections import sections

    texts = []
    for section in sections(report):
        title = printable(section.title)
        lines = ["", title, "=-·"[section.level - 1] * len(title), *map(printable, section.sentences)]
        texts.append("\n".join(lines) + "\n")
        if section.lines:
            table = table_of(section.headers, section.numbers)
            for line in section.lines:
                add_line(table, line)
            texts.append(as_text(table))
    return "".join(texts).lstrip("\n")


def register(app: typer.Typer) -> None:
    app.command()(report)
    app.command("import-reviews")(import_reviews)


@contextmanager
def _reading() -> Iterator[tuple[Database, Contestants, Settings, Sequence[ModelSpec]]]:
    """The database for reading, and who is meant by a name."""
    from arena.judge.named import Contestants
    from arena.settings import load_settings
    from db import queries
    from models.catalog import load_catalog

    loaded = load_settings()
    specs = load_catalog(loaded.catalog, students=loaded.students)
    with reading(loaded.database) as database:
        with database.read() as session:
            contestants = Contestants(queries.contestants(session), specs)
        yield database, contestants, loaded, specs


def _version(contestants: Contestants, name: str, there: Collection[str]) -> str | None:
    """Who is meant by a name, if any: where there is nothing of it as it is now, its newest version of which there is.

    Whoever changes an entry of the catalogue does not lose what was said before.
    """
    if not name:
        return None
    versions = contestants.versions(name)
    found = next((one for one in versions if one in there), versions[0])
    if found != versions[0]:
        say(f"There are no judgments with {name} as it is now; these are with an earlier version of it, {found[:8]}.")
    return found


def _of_set(rows: Sequence[JudgedRow], name: str) -> Sequence[JudgedRow]:
    """Those of a set, which may be named by its file too."""
    from arena.judge.joined import BATTLES
    from arena.judge.questions import is_file, set_of

    wanted = set_of(Path(name)) if is_file(name) else name
    found = [row for row in rows if not name or (row.set or BATTLES) == wanted]
    if not found:
        sets = sorted({row.set or BATTLES for row in rows})
        there = (
            f"of these sets there are: {', '.join(sets)}"
            if sets
            else "`judge run` and `judge import-reviews` bring them"
        )
        stop(f"There are no judgments of that kind; {there}.")
    return found


def _names(rows: Sequence[JudgedRow]) -> list[str]:
    return sorted({row.name_a for row in rows} | {row.name_b for row in rows if row.name_b})


def _people(database: Database, settings: Settings, specs: Sequence[ModelSpec]) -> dict[str, PeopleRating]:
    """What people's votes say of whom they rank, by fingerprint."""
    from arena.boards.leaderboard import Leaderboard
    from arena.judge.report import PeopleRating

    with closing(Leaderboard(database, specs, enough_votes=settings.provisional_votes)) as board:
        return {
            row.fingerprint: PeopleRating(row.rating, row.lower, row.upper, row.votes)
            for row in board.board().rows
            if row.rank is not None and row.rating is not None and row.votes
        }
