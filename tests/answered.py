"""An arena between two contestants that have answered questions, and judges on a server that judges by rules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from arenas import NOW, database_with
from judge_stub import JudgeStub
from support import environment, write_catalog

from db.judging import JudgedRow, add_questions, judged, record_answer
from db.session import Database, Session
from db.tables import Answer, Question
from models.catalog import load_catalog

PLAYERS = {"short": 60, "long": 260}  # how many characters each answers
JUDGES = ("judge-length", "judge-first", "judge-tie", "judge-stutters", "judge-nonsense", "html")
PLAYER = {
    "engine": "scripted", "quantization": "none", "license": "none", "makers": ["us"], "script": {"replies": ["x"]},
}  # fmt: skip


def text_of(player: str, number: int) -> str:
    return f"{player} answers {number}: ".ljust(PLAYERS[player] + number, ".")


class Answered:
    """The arena in `folder`, its contestants "short" and "long", and the `stub`'s judges in its catalogue."""

    def __init__(self, folder: Path, stub: JudgeStub, questions: int = 4, url: str = "") -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder}/arena.db"
        self.stub = stub
        self.catalog = write_catalog(
            folder / "catalog.toml",
            *({"id": player, "name": player.title(), **PLAYER} for player in PLAYERS),
            *(stub.entry(judge, plays=False) for judge in JUDGES),
        )
        self.specs = {spec.id: spec for spec in load_catalog(self.catalog)}
        self.players = {player: self.specs[player].fingerprint for player in PLAYERS}
        database_with(self.url, *(self.specs[player] for player in PLAYERS)).close()
        self.add(questions)

    def variables(self) -> dict[str, str]:
        """The environment of a verb on this arena."""
        return environment(self.folder, self.catalog, DATABASE_URL=self.url)

    def add(self, questions: int, called: str = "") -> None:
        """Store so many questions, numbered from 0, and both contestants' answers; what is there stays.

        The answers' ids begin with what they are `called`.
        """

        def work(session: Session) -> None:
            add_questions(session, [_question(number) for number in range(questions)])
            for number in range(questions):
                for player, fingerprint in self.players.items():
                    record_answer(session, _answer(number, player, fingerprint, called))

        with closing(Database(self.url)) as database:
            database.write(work)

    def judgments(self) -> Sequence[JudgedRow]:
        with closing(Database(self.url)) as database, database.read() as session:
            return judged(session)

    def begin(self, *options: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """`judge run` with these options, in a process of its own."""
        command = [sys.executable, "-m", "arena", "judge", "run", *options]
        return subprocess.Popen(
            command, env=self.variables(), cwd=self.folder, stdin=stdin, stderr=subprocess.PIPE, text=True
        )


def _question(number: int) -> Question:
    return Question(
        id=f"q{number}", set="paddock", number=str(number), category="generic", language="en",
        turns=[f"Question {number}?"], reference=None, created_at=NOW,
    )  # fmt: skip


def _answer(number: int, player: str, fingerprint: str, called: str = "") -> Answer:
    return Answer(
        id=f"{called}{number}{player}", question_id=f"q{number}", contestant=fingerprint, status="finished",
        turns=[text_of(player, number)], created_at=NOW,
    )  # fmt: skip
