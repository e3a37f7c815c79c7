from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from arenas import ANT, BEE, CAT, NOW, Residents, count, database_with, until_text, vote_of
from stored import answer_of, question, store

from arena.battle import Battles
from arena.gate import AlreadyInside, Waiting
from arena.stored import NoQuestion, StoredAnswers, stored_side
from arena.turn import Limits
from arena.view import View
from db.contestants import set_state
from db.outcome import Outcome, Refusal, Refused
from db.session import Database
from db.tables import Answer, Battle, Question, Turn
from db.usage import took, took_after
from models.spec import ModelSpec

ALL = (ANT, BEE, CAT)
QUESTIONS = [question(number) for number in ("one", "two", "three", "four")]
TALK = question("talk", "First?", "Second?", "Third?")
LONG = "Word after word it goes on and on. "


@dataclass
class Clock:
    """Says what time it is, from a moment of the past on as it is told."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def later(self, hours: int) -> None:
        self.now += timedelta(hours=hours)


@dataclass
class House:
    """Battles of contestants of which no model is there."""

    database: Database
    battles: Battles
    clock: Clock

    async def show(self, voter: str = "ann", language: str = "en") -> list[View]:
        views = self.battles.show_question(voter, language)
        return [view async for view in views if isinstance(view, View)]

    async def vote(self, view: View, voter: str = "ann", outcome: Outcome = Outcome.A) -> View:
        return await self.battles.vote(view.battle_id, voter, outcome)

    def battle(self, battle_id: str) -> Battle:
        with self.database.read() as session:
            return session.get_one(Battle, battle_id)

    def turns(self, battle_id: str) -> list[Turn]:
        with self.database.read() as session:
            return list(session.query(Turn).filter_by(battle_id=battle_id).order_by(Turn.position, Turn.attempt))


Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    made: list[House] = []

    def build(
        questions: Sequence[Question] = QUESTIONS,
        specs: Sequence[ModelSpec] = ALL,
        answers: Sequence[Answer] | None = None,
        **limits: Any,
    ) -> House:
        rules = Limits(**{"pace_chars": 0, "tick_seconds": 0.005, "answer_seconds": 20, **limits})
        database = database_with(tmp_path, *specs)
        if answers is None:
            answers = [answer_of(spec, one) for spec in specs for one in questions]
        store(database, questions, answers)
        clock = Clock()
        battles = Battles(database, Residents([]), rules, Random(1), clock, playing=specs)
        made.append(House(database, battles, clock))
        return made[-1]

    yield build
    for house in made:
        house.database.close()


def run(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 60))


# -- a battle like all others ----------------------------------------------------------------------


def test_a_question_brings_two_stored_answers_and_a_vote_brings_the_names(build: Build) -> None:
    house = build()

    async def play() -> None:
        views = await house.show()
        assert [views[0].status, views[-1].status] == ["generating", "open"]
        battle = house.battle(views[-1].battle_id)
        asked = next(one for one in QUESTIONS if one.id == battle.question_id)
        names = {spec.fingerprint: spec for spec in ALL}
        a, b = names[battle.contestant_a], names[battle.contestant_b]
        (exchange,) = views[-1].exchanges
        assert (exchange.prompt, exchange.a, exchange.b) == (
            asked.turns[0], f"{a.id} of {asked.number}, 0", f"{b.id} of {asked.number}, 0",
        )  # fmt: skip
        for view in views:
            assert (view.revealed, view.outcome, view.stored) == (None, None, True)
            assert [spec.name for spec in ALL if spec.name in repr(view) or spec.fingerprint in repr(view)] == []
            assert asked.id not in repr(view)
        voted = await house.vote(views[-1])
        assert voted.revealed is not None
        assert [one.name for one in voted.revealed] == [a.name, b.name]
        assert [one.usage for one in voted.revealed] == [None, None]

    run(play)


def test_the_vote_is_one_like_all_others_with_its_labels(build: Build) -> None:
    sum_up = question("sum", "Write a Python function that adds two numbers.")
    code = "Here:\n\n```python\ndef add(a, b): return a + b\n```\n\n- **short**"
    house = build([sum_up], answers=[answer_of(spec, sum_up, code) for spec in ALL])

    async def play() -> None:
        (*_, last) = await house.show()
        await house.vote(last, outcome=Outcome.TIE)
        vote = vote_of(house.database, last.battle_id)
        assert vote is not None
        assert (vote.outcome, vote.turns, vote.category, vote.language) == ("tie", 1, "coding", "en")
        assert (vote.length_a, vote.lists_b, vote.bold_a) == (len(code), 1, 1)

    run(play)


def test_nothing_that_showing_took_is_taken_for_what_answering_took(build: Build) -> None:
    house = build()

    async def play() -> None:
        (*_, last) = await house.show()
        await house.vote(last)
        (turn,) = house.turns(last.battle_id)
        assert set(took(turn, "a")) == set(took(turn, "b")) == {None}
        with house.database.read() as session:
            assert list(took_after(session, 0)) == []

    run(play)


def test_all_turns_of_a_question_are_there_and_the_last_one_streams(build: Build) -> None:
    house = build([TALK], pace_chars=400, tick_seconds=0.01)

    async def play() -> None:
        views = await house.show()
        for view in views:
            assert [one.prompt for one in view.exchanges] == list(TALK.turns)
            assert all(one.a.endswith(f", {place}") for place, one in enumerate(view.exchanges[:-1]))
        assert views[0].exchanges[-1].a == ""
        assert {len(view.exchanges[-1].a) for view in views} > {0, 4, 8}
        assert views[-1].exchanges[-1].a.endswith("of talk, 2")
        turns = house.turns(views[-1].battle_id)
        assert [(turn.position, turn.status, turn.finished_at is not None) for turn in turns] == [
            (0, "finished", True), (1, "finished", True), (2, "finished", True),
        ]  # fmt: skip
        await house.vote(views[-1])
        vote = vote_of(house.database, views[-1].battle_id)
        assert vote is not None
        assert (vote.turns, vote.length_a) == (3, sum(turn.length_a or 0 for turn in turns))

    run(play)


@pytest.mark.slow
def test_both_answers_grow_alike_whoever_wrote_them(build: Build) -> None:
    (one,) = questions = [question("one")]
    answers = [answer_of(ANT, one, LONG * 3), answer_of(BEE, one, LONG * 5)]
    answers[0].seconds, answers[0].tokens = 0.01, 1
    house = build(questions, (ANT, BEE), answers, pace_chars=400, tick_seconds=0.01)

    async def play() -> None:
        for voter in ("ann", "bob", "eve", "joe"):
            lengths = [(len(view.exchanges[-1].a), len(view.exchanges[-1].b)) for view in await house.show(voter)]
            ends = lengths[-1]
            assert sorted(ends) == [len(LONG * 3), len(LONG * 5)]
            assert all(a == b for a, b in lengths if a < min(ends)), "both alike until one is over"
            longer = [max(pair) for pair in lengths]
            steps = {after - before for before, after in pairwise(longer) if after < max(ends)}
            assert steps <= {0, 4}, "one pace from the first to the last, also after one is over"

    run(play)


def test_an_answer_is_shown_in_full_however_long(build: Build) -> None:
    (one,) = questions = [question("one")]
    house = build(questions, answers=[answer_of(spec, one, LONG * 9) for spec in ALL], max_answer_chars=50)

    async def play() -> None:
        (*_, last) = await house.show()
        assert last.exchanges[0].a == last.exchanges[0].b == LONG * 9

    run(play)


def test_reasoning_is_not_shown_and_an_answer_of_nothing_else_makes_no_battle(build: Build) -> None:
    (one,) = questions = [question("one")]
    open_, hidden = "<think>marmalade</think>Bread.", "<think>marmalade</think>"
    house = build(questions, (ANT, BEE), [answer_of(ANT, one, open_), answer_of(BEE, one, hidden)])

    async def play() -> None:
        views = await house.show()
        assert "marmalade" not in repr(views)
        assert views[-1].status == "void"
        assert not any(view.exchanges[-1].a or view.exchanges[-1].b for view in views[:-1])

    run(play)


# -- stop, regenerate, ask on ----------------------------------------------------------------------


def test_after_a_stop_the_same_answers_can_be_seen_again_and_voted_on(build: Build) -> None:
    (one,) = questions = [question("one")]
    answers = [answer_of(spec, one, f"{spec.id} " + LONG * 5) for spec in (ANT, BEE)]
    house = build(questions, (ANT, BEE), answers, pace_chars=200, tick_seconds=0.01)

    async def play() -> None:
        async with aclosing(house.battles.show_question("ann", "en")) as views:
            battle_id = (await until_text(views)).battle_id
        await asyncio.sleep(0.1)
        stopped = house.battles.view(battle_id, "ann")
        assert (stopped.status, stopped.can_regenerate) == ("stopped", True)
        with pytest.raises(Refused):
            await house.vote(stopped)
        again = [view async for view in house.battles.regenerate(battle_id, "ann") if isinstance(view, View)]
        assert (again[-1].status, again[-1].can_regenerate) == ("open", False)
        battle = house.battle(battle_id)
        texts = {answer.contestant: answer.turns[0] for answer in answers}
        assert (again[-1].exchanges[-1].a, again[-1].exchanges[-1].b) == (
            texts[battle.contestant_a], texts[battle.contestant_b],
        )  # fmt: skip
        assert (await house.vote(again[-1])).status == "voted"

    run(play)


def test_what_was_seen_to_the_end_is_not_shown_again(build: Build) -> None:
    house = build()

    async def play() -> None:
        (*_, last) = await house.show()
        with pytest.raises(Refused) as raised:
            async for _ in house.battles.regenerate(last.battle_id, "ann"):
                pass
        assert raised.value.reason is Refusal.TOO_MANY_ATTEMPTS
        assert house.battles.unfinished("ann") == last

    run(play)
    assert count(house.database, Turn) == 1


def test_what_was_stopped_is_not_shown_again_when_it_is_too_late_to_vote(build: Build) -> None:
    house = build(pace_chars=40)

    async def play() -> None:
        async with aclosing(house.battles.show_question("ann", "en")) as views:
            view = await anext(views)
        assert isinstance(view, View)
        await asyncio.sleep(0.1)
        house.clock.later(hours=3)
        with pytest.raises(Refused) as raised:
            async for _ in house.battles.regenerate(view.battle_id, "ann"):
                pass
        assert raised.value.reason is Refusal.EXPIRED

    run(play)


def test_stored_answers_take_no_further_prompt(build: Build) -> None:
    house = build()

    async def play() -> None:
        (*_, last) = await house.show()
        with pytest.raises(Refused) as raised:
            async for _ in house.battles.ask(last.battle_id, "ann", "And then?"):
                pass
        assert raised.value.reason is Refusal.TOO_MANY_TURNS
        assert house.battles.unfinished("ann") == last
        assert (await house.vote(last)).status == "voted"

    run(play)
    assert count(house.database, Turn) == 1


def test_a_visitor_has_one_place_for_questions_too(build: Build) -> None:
    house = build(pace_chars=40)

    async def play() -> None:
        async with aclosing(house.battles.show_question("ann", "en")) as views:
            first = await anext(views)
            assert not isinstance(first, Waiting)
            with pytest.raises(AlreadyInside):
                await house.show("ann")
        assert (await house.show("bob"))[-1].status == "open"

    run(play)


# -- what is drawn ---------------------------------------------------------------------------------


def test_no_question_comes_twice_while_there_are_others(build: Build) -> None:
    house = build()

    async def play() -> None:
        for most in (1, 2):
            for _ in QUESTIONS:
                await house.show()
            with house.database.read() as session:
                shown = Counter(session.query(Battle.question_id).filter_by(voter="ann").all())
            assert Counter(shown.values()) == {most: len(QUESTIONS)}
            house.clock.later(48)  # the battles so far can't be voted on any more

    run(play)


def test_no_two_battles_that_one_may_vote_on_are_on_one_question(build: Build) -> None:
    """The vote on the first would tell who answers in the second."""
    house = build()

    async def play() -> None:
        for _ in QUESTIONS:
            await house.show()
        with pytest.raises(NoQuestion):
            await house.show()
        assert (await house.show("bob"))[-1].status == "open"

    run(play)


def test_whoever_knows_who_answered_a_question_gets_it_never_again(build: Build) -> None:
    house = build()

    async def play() -> None:
        voted = set()
        for _ in QUESTIONS:
            last = (await house.show())[-1]
            voted.add(house.battle(last.battle_id).question_id)
            await house.vote(last)
        assert len(voted) == len(QUESTIONS)
        with pytest.raises(NoQuestion):
            await house.show()
        assert (await house.show("bob"))[-1].status == "open"

    run(play)


def test_what_waits_for_a_vote_is_known_until_the_vote_or_until_it_is_too_late(build: Build) -> None:
    house = build()

    async def play() -> None:
        last = (await house.show())[-1]
        question_id = house.battle(last.battle_id).question_id
        assert house.battles.undecided("ann") == {last.battle_id, question_id}
        assert house.battles.undecided("bob") == frozenset()
        await house.vote(last)
        assert house.battles.undecided("ann") == frozenset()
        other = (await house.show())[-1]
        house.clock.later(hours=3)
        assert house.battles.undecided("ann") == frozenset()
        with pytest.raises(Refused):
            await house.vote(other)

    run(play)


def test_a_visitor_gets_questions_in_the_language_of_the_page_where_there_are_any(build: Build) -> None:
    own, other, free = question("own", language="zh"), question("other"), question("free", language=None)
    house = build([own, other, free])

    async def play() -> None:
        for voter, language, allowed in (("ann", "zh", {own.id, free.id}), ("bob", "en", {other.id, free.id})):
            for _ in range(6):
                last = (await house.show(voter, language))[-1]
                assert house.battle(last.battle_id).question_id in allowed
                house.clock.later(48)

    run(play)


def test_without_questions_in_the_language_others_are_better_than_none(build: Build) -> None:
    house = build([question("other", language="en")])

    async def play() -> None:
        assert (await house.show("ann", "zh"))[-1].status == "open"

    run(play)


@pytest.mark.slow
def test_pairs_meet_by_the_rules_of_all_battles_on_sides_that_are_tossed_for(build: Build) -> None:
    house = build()

    async def play() -> None:
        for number in range(60):
            await house.show(f"voter {number}")
        with house.database.read() as session:
            battles = session.query(Battle).all()
        met = Counter(frozenset((battle.contestant_a, battle.contestant_b)) for battle in battles)
        assert len(met) == 3
        assert min(met.values()) > 12, "pairs seldom compared come first"
        assert all(10 < sum(battle.contestant_a == spec.fingerprint for battle in battles) < 30 for spec in ALL)
        assert all(0 < (battle.probability or 0) < 1 for battle in battles)

    run(play)


def test_only_who_has_answered_meets_over_a_question(build: Build) -> None:
    one, two = questions = [question("one"), question("two")]
    answers = [answer_of(ANT, one), answer_of(BEE, one), answer_of(BEE, two), answer_of(CAT, two)]
    house = build(questions, answers=answers)
    stored: StoredAnswers = house.battles.stored_answers
    pairs = {tuple(sorted((a.fingerprint, b.fingerprint))): [on.id] for a, b, on in ((ANT, BEE, one), (BEE, CAT, two))}
    assert stored.meetings("ann", "en", NOW) == pairs


def test_who_is_put_off_is_shown_no_more_and_without_two_there_is_no_question(build: Build) -> None:
    house = build(specs=(ANT, BEE))

    async def play() -> None:
        assert house.battles.stored_answers.any()
        house.database.write(lambda session: set_state(session, BEE.fingerprint, "off"))
        assert not house.battles.stored_answers.any()
        with pytest.raises(NoQuestion):
            await house.show()

    run(play)
    assert count(house.database, Battle) == 0


def test_a_stored_side_says_how_it_looks_and_nothing_else() -> None:
    side = stored_side("# Yes\n\n**Because.**")
    assert (side.length, side.headings, side.bold) == (19, 1, 1)
    assert (side.reason, side.tokens, side.seconds) == (None, None, None)
