"""Stored answers, for people to vote on blindly: which question a visitor is shown, and who meets over it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import combinations
from random import Random

from arena.identity import Names, sides_that_tell
from arena.labels import style_of
from arena.matchmaking import Matchmaker, Pair
from arena.pairing import Draw
from db import queries, shown
from db.outcome import Refusal, Refused
from db.session import Database, Session
from db.tables import Battle, Turn
from models.pool import Wait
from models.spec import ModelSpec


class NoQuestion(Exception):
    """No question has stored answers of two contestants that play and are unknown to the voter; nothing was stored."""


class StoredAnswers:
    """What these contestants have answered, whether their models are there or not."""

    def __init__(self, database: Database, playing: Sequence[ModelSpec], matchmaker: Matchmaker, rng: Random) -> None:
        """`playing` may grow meanwhile; see `Roster`."""
        self._database = database
        self._playing = playing
        self._matchmaker = matchmaker
        self._rng = rng

    @property
    def _contestants(self) -> list[str]:
        return [spec.fingerprint for spec in self._playing]

    def any(self) -> bool:
        """Whether there is a question to show. Raises `DatabaseProblem`."""
        with self._database.read() as session:
            return shown.anything_to_show(session, self._contestants)

    async def draw(self, voter: str, language: str, since: datetime) -> tuple[Draw, str]:
        """A pair by the rules of all battles, and one of the questions it can meet over, each as likely.

        Battles from before `since` can't be voted on any more.

        Raises `NoQuestion` or `DatabaseProblem`.
        """
        await self._matchmaker.prepare()
        meetings = await asyncio.to_thread(self.meetings, voter, language, since)
        pairs = self._matchmaker.drawable(dict.fromkeys(meetings, Wait.NOT))
        if not pairs:
            raise NoQuestion
        draw = self._matchmaker.draw(pairs)
        return draw, self._rng.choice(meetings[min(draw.a, draw.b), max(draw.a, draw.b)])

    def meetings(self, voter: str, language: str, since: datetime) -> dict[Pair, list[str]]:
        """Every two contestants that can meet, smaller fingerprint first, with the questions they can meet over.

        Those are in the voter's language, or of none known (without any such: in whatever language). None of them is
        one on which the voter has voted, who knows since then who gave which answer, or can vote still: one of two open
        battles would tell who answers in the other. Of the others none comes twice while there are others. Raises
        `DatabaseProblem`.
        """
        with self._database.read() as session:
            answered = shown.answered(session, self._contestants)
            times = shown.times_shown(session, voter)
            taken = shown.told(session, voter) | shown.undecided(session, voter, since)
        answered = [one for one in answered if one.language in (language, None)] or answered
        answered = [one for one in answered if one.question_id not in taken]
        least = min((times.get(one.question_id, 0) for one in answered), default=0)
        meetings: dict[Pair, list[str]] = {}
        for one in answered:
            if times.get(one.question_id, 0) == least:
                for pair in combinations(one.contestants, 2):
                    meetings.setdefault(pair, []).append(one.question_id)
        return meetings

    def texts(self, battle: Battle) -> shown.ShownTexts:
        """The question and the answers of a battle that is about to begin. Raises as `shown.texts_of_battle` does."""
        with self._database.read() as session:
            return shown.texts_of_battle(session, battle)


def open_on_question(
    session: Session, battle: Battle, turns: Sequence[Turn], texts: shown.ShownTexts, names: Names
) -> Turn:
    """Store a battle with a turn for each prompt; all but the last, which is to be streamed, are over. The last one."""
    turns[0].battle_id = battle.id
    queries.open_battle(session, battle, turns[0])
    for position, turn in enumerate(turns[1:]):
        a, b = stored_side(texts.a[position]), stored_side(texts.b[position])
        named = sides_that_tell(a.answer, b.answer, names)
        queries.finish_turn(session, (battle.id, position, 0), a, b, battle.created_at, named)
        queries.next_turn(session, battle.id, battle.voter, turn, len(turns))
    return turns[-1]


def check_seen_again(battle: Battle, since: datetime) -> None:
    """Raise `Refused` where a battle's stored answers were seen to the end, or before `since`: too late to vote."""
    if battle.question_id is None:
        return
    if battle.status == "open":
        raise Refused(Refusal.TOO_MANY_ATTEMPTS)
    if battle.finished_at is not None and battle.finished_at < since:
        raise Refused(Refusal.EXPIRED)


def stored_side(text: str) -> queries.Side:
    """A stored answer as a side of a turn: how it looks, and nothing of what it took or why it ended."""
    return queries.Side(text, None, None, **asdict(style_of(text)))
