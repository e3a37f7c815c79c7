"""Reports of judges as pages need them: read once, and again only when there are more judgments."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from arena.boards.board import Board
from arena.boards.leaderboard import Leaderboard
from arena.judge.agreement import Agreement, agreement_of
from arena.judge.joined import BATTLES
from arena.judge.report import JudgeReport, PeopleRating, build_report
from arena.ui.evaluation.choice import Choice, meant, set_of
from arena.ui.evaluation.shown import without_personal
from arena.ui.tables import JudgeColumn
from db.judges import JudgedPart, judged_parts
from db.judging import JudgedRow, JudgedTexts, judged, texts_of, votes_and_judgments
from db.session import Database

MOST_KEPT = 12


@dataclass(frozen=True)
class Evaluated:
    """One part of all there are, its judgments, and what comes of them; `baselines`: names by fingerprint.

    `agreement`: of people and this judge in this form; None where no battle has a word of both.
    """

    parts: Sequence[JudgedPart]
    part: JudgedPart
    rows: Sequence[JudgedRow]
    report: JudgeReport
    baselines: Mapping[str, str]
    agreement: Agreement | None


class _Kept(NamedTuple):
    part: JudgedPart
    rows: Sequence[JudgedRow]
    report: JudgeReport


class _Shelf:
    """The reports that were asked for last, each made once for all who ask for it, and again where its part changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: tuple[str, ...], part: JudgedPart, make: Callable[[], _Kept]) -> _Kept:
        with self._lock:
            known = self._kept.get(name)
            if known is None or known.part != part:
                known = self._kept[name] = make()
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(name)
            return known


class _Agreed(NamedTuple):
    said: Sequence[JudgedPart]
    board: Board
    agreement: Agreement | None


class Evaluations:
    """Safe to share between threads; who asks while a report is made waits for it."""

    def __init__(self, database: Database, leaderboard: Leaderboard) -> None:
        self._database = database
        self._leaderboard = leaderboard
        # Apart: whoever clicks through baselines neither pushes whole reports out nor makes those wait who want one.
        self._wholes = _Shelf()
        self._baselines = _Shelf()
        self._agreed: dict[tuple[str, str], _Agreed] = {}
        self._agreeing = threading.Lock()

    def look(self, choice: Choice) -> Evaluated | None:
        """What fits the choice best; None where no judge has said anything.

        Raises `DatabaseProblem` where the database can't be read.
        """
        parts = self._parts()
        part = meant(choice, parts)
        if part is None:
            return None
        board = self._leaderboard.board()
        whole = self._whole(part)
        baselines = _compared(whole.report)
        report = self._against(choice.baseline, whole) if choice.baseline in baselines else whole.report
        with self._agreeing:
            agreement = self._agreement(part, parts, board)
        return Evaluated(parts, part, whole.rows, _with_people(report, board), baselines, agreement)

    def texts(self, row: JudgedRow) -> JudgedTexts:
        """What was read and written for a judgment; of a battle, which visitors wrote, personal data are masked.

        Raises `NoResultFound` where it is not there any more.
        """
        with self._database.read() as session:
            texts = texts_of(session, row.key)
        return texts if row.battle_id is None else without_personal(texts)

    def rates(self) -> bool:
        """Whether any judge has compared contestants."""
        return any(part.form != "single" and part.done for part in self._parts())

    def column(self) -> JudgeColumn | None:
        """The ratings by the judge who said most, of those that are not useless and rate any two of the board's rows.

        None where there is none. Of a single contestant a rating says nothing: there is nobody beside it.
        """
        standing = {row.fingerprint for row in self._leaderboard.board().rows}
        for part in self._parts():
            report = self._whole(part).report
            ratings = {one.contestant: one.rating for one in report.ratings}
            if len(standing & ratings.keys()) > 1 and not report.useless:
                return JudgeColumn(report.judge_name, ratings)
        return None

    def _parts(self) -> Sequence[JudgedPart]:
        with self._database.read() as session:
            return judged_parts(session)

    def _whole(self, part: JudgedPart) -> _Kept:
        """The part's judgments and their report, each pair with its own baseline."""

        def make() -> _Kept:
            rows = self._rows(part)
            return _Kept(part, rows, build_report(rows, baseline=None).parts[0])

        return self._wholes.get((part.judge, part.form, set_of(part)), part, make)

    def _against(self, baseline: str, whole: _Kept) -> JudgeReport:
        """The report of the same judgments with one baseline."""
        part = whole.part

        def make() -> _Kept:
            return _Kept(part, whole.rows, build_report(whole.rows, baseline=baseline).parts[0])

        return self._baselines.get((part.judge, part.form, set_of(part), baseline), part, make).report

    def _rows(self, part: JudgedPart) -> Sequence[JudgedRow]:
        with self._database.read() as session:
            rows = judged(session, judge=part.judge, form=part.form, set=part.set)
        return [row for row in rows if (row.set or BATTLES) == set_of(part)]

    def _agreement(self, part: JudgedPart, parts: Sequence[JudgedPart], board: Board) -> Agreement | None:
        """Made anew where there are other votes, or other judgments in this form."""
        name = (part.judge, part.form)
        said = [one for one in parts if (one.judge, one.form) == name]
        known = self._agreed.get(name)
        if known is None or known.said != said or known.board is not board:
            with self._database.read() as session:
                rows = [row for row in votes_and_judgments(session, part.judge) if row.form == part.form]
            known = self._agreed[name] = _Agreed(said, board, agreement_of(rows, part.judge_name))
        return known.agreement


def _with_people(report: JudgeReport, board: Board) -> JudgeReport:
    """People's ratings beside the judge's; they are put in here, so that no vote makes a report anew."""
    people = {
        row.fingerprint: PeopleRating(row.rating, row.lower, row.upper, row.votes)
        for row in board.rows
        if row.rank is not None and row.rating is not None and row.votes
    }
    return replace(report, ratings=tuple(replace(one, people=people.get(one.contestant)) for one in report.ratings))


def _compared(report: JudgeReport) -> dict[str, str]:
    """Whoever is in a pair, by fingerprint, in the order in which the report names them."""
    named: dict[str, str] = {}
    for pair in report.pairs:
        named |= {pair.baseline: pair.baseline_name, pair.model: pair.model_name}
    return named
