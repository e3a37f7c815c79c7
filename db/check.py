"""Is everything in a database as it should be? Every finding is a sentence; nothing is changed."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from db.schema import is_current
from db.session import Database, DatabaseProblem
from db.tables import Answer, Base, Battle, Judgment, Vote
from db.url import is_sqlite, name_of, sqlite_path
from db.votes import newest_vote

_MOST_NAMED = 5


def check(url: str) -> list[str]:
    """What is wrong with a database, the gravest first; nothing where all is well.

    Whether it is there, can be reached and has its pages whole; its schema; references; votes and their battles;
    judgments and their answers; the count of votes.
    """
    if is_sqlite(url) and not sqlite_path(url).is_file():
        return [f"There is no database {name_of(url)}."]
    try:
        if not is_current(url):
            return [
                f"The database {name_of(url)} is empty or of an older schema; starting the arena brings it up to date."
            ]
        with closing(Database(url)) as database, database.read() as session:
            return damage(session) + gaps(session)
    except DatabaseProblem as problem:
        return [str(problem)]


def damage(session: Session) -> list[str]:
    """Rows that contradict each other, which this code never writes."""
    found = []
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            other = key.column.table.alias()
            lost = key.parent.is_not(None) & ~select(1).where(other.c[key.column.name] == key.parent).exists()
            if count := session.scalar(select(func.count()).select_from(table).where(lost)):
                found.append(f"{count} rows of {table.name} name a {key.column.table.name} that is not there.")
    voteless = and_(Battle.status == "voted", ~select(1).where(Vote.battle_id == Battle.id).exists())
    found += _named(session, voteless, "marked as voted without a vote")
    early = and_(Battle.status != "voted", select(1).where(Vote.battle_id == Battle.id).exists())
    found += _named(session, early, "with a vote that are not marked as voted")
    differ = or_(
        Vote.voter != Battle.voter,
        Vote.contestant_a != Battle.contestant_a,
        Vote.contestant_b != Battle.contestant_b,
    )
    strange = select(1).where(Vote.battle_id == Battle.id, differ).exists()
    found += _named(session, strange, "whose vote names another voter or other contestants")
    return found + _damaged_judgments(session)


def _damaged_judgments(session: Session) -> list[str]:
    """Judgments that say nothing, or of answers that are not their contestants' to their question."""
    mute = and_(Judgment.status == "done", Judgment.outcome.is_(None), Judgment.score_a.is_(None))
    found = _counted(session, mute, "are done and have no verdict")
    swapped = Judgment.contestant_a >= Judgment.contestant_b
    found += _counted(session, swapped, "name their contestants in the wrong order")
    sides = ((Judgment.answer_a, Judgment.contestant_a), (Judgment.answer_b, Judgment.contestant_b))
    strange = (
        exists().where(
            Answer.id == answer, or_(Answer.contestant != contestant, Answer.question_id != Judgment.question_id)
        )
        for answer, contestant in sides
    )
    return found + _counted(session, or_(*strange), "are of an answer by another contestant or to another question")


def _counted(session: Session, condition: ColumnElement[bool], what: str) -> list[str]:
    count = session.scalar(select(func.count()).select_from(Judgment).where(condition))
    return [f"{count} judgments {what}."] if count else []


def gaps(session: Session) -> list[str]:
    """Numbers of votes that are missing, and a count of votes that is behind them."""
    counted = newest_vote(session)
    newest = session.scalar(select(func.max(Vote.sequence))) or 0
    found = []
    if newest > counted:
        found.append(f"The newest vote has the number {newest}, but only {counted} are counted.")
    elif newest < counted:
        found.append(f"{counted} votes are counted, but the newest has the number {newest}.")
    before = func.lag(Vote.sequence, 1, 0).over(order_by=Vote.sequence)
    pairs = select(before.label("before"), Vote.sequence.label("after")).subquery()
    missing = session.execute(
        select(pairs.c.before + 1, pairs.c.after - 1).where(pairs.c.after - pairs.c.before > 1).order_by(pairs.c.after)
    ).all()
    if missing:
        listed = ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} gaps more" if len(missing) > _MOST_NAMED else ""
        found.append(f"There are no votes with the numbers {listed}{more}.")
    return found


def _named(session: Session, condition: ColumnElement[bool], what: str) -> list[str]:
    count = session.scalar(select(func.count()).select_from(Battle).where(condition))
    if not count:
        return []
    first = session.scalars(select(Battle.id).where(condition).order_by(Battle.id).limit(_MOST_NAMED)).all()
    return [f"{count} battles {what}: {', '.join(first)}{', …' if count > _MOST_NAMED else ''}."]
