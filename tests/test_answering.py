"""Questions put to contestants: what is stored, what is not asked again, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from arenas import contestant, database_with
from endpoint_stub import MODEL, Reply, Stub, refuses, says, status
from pools import load_fake, spec_of

from arena.judge.answering import Answering, Limits, Progress, spread
from arena.judge.questions import Question, own_questions
from arena.settings import Settings
from db.judging import answers_of, questions_of
from db.session import Database
from db.tables import Answer
from models.spec import ModelSpec

ANT, BEE = contestant("ant", replies=["ant one", "ant two"]), contestant("bee")
MUTE = contestant("mute", replies=["  \n"])
THINKER = contestant("thinker", replies=["<think>a plan</think>\n\nHello.", "<think>and no end"])


def question(number: int, *turns: str, category: str = "generic", language: str | None = "en") -> Question:
    return Question("own", str(number), category, language, turns or (f"Question {number}?",), None)


THREE = tuple(question(number) for number in range(3))
TALK = question(9, "First?", "Second?")


@dataclass
class Place:
    """A database and a folder for weights."""

    folder: Path
    database: Database
    told: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def ask(self, specs: Sequence[ModelSpec], questions: Sequence[Question], **limits: int) -> list[Progress]:
        work = Answering(self.database, specs, questions, Limits(**limits))
        settings = Settings(cache=self.folder / "cache", data=self.folder)
        work.run(settings, {}, self.told.append, self.shares.append, load=load_fake)
        return work.progress

    def answers(self, spec: ModelSpec) -> Mapping[str, Answer]:
        """By the question's number."""
        with self.database.read() as session:
            numbers = {row.id: row.number for row in questions_of(session)}
            return {numbers[row.question_id]: row for row in answers_of(session, [spec.fingerprint])}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with closing(database_with(tmp_path, ANT, BEE, MUTE, THINKER)) as database:
        yield Place(tmp_path, database)


def endpoint(url: str) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": "far",
            "name": "Far Away",
            "engine": "endpoint",
            "quantization": "none",
            "license": "none",
            "makers": ["them"],
            "endpoint": {"url": url, "model": MODEL},
        }
    )


def test_every_contestant_answers_every_question_and_nobody_is_asked_twice(place: Place) -> None:
    first = place.ask([ANT, BEE], THREE)
    assert [(one.known, one.finished, one.left, one.is_whole) for one in first] == [(0, 3, 0, True)] * 2
    assert place.shares[-1] == 1
    assert place.shares == sorted(place.shares)
    before = {number: row.created_at for number, row in place.answers(ANT).items()}
    again = place.ask([ANT, BEE], [*THREE, question(3)])
    assert [(one.known, one.finished) for one in again] == [(3, 1)] * 2
    after = place.answers(ANT)
    assert [after[number].created_at for number in before] == list(before.values())
    assert [row.turns for row in after.values()] == [["ant one"]] * 4


def test_all_turns_of_a_question_are_one_conversation(place: Place) -> None:
    place.ask([ANT], [TALK])
    row = place.answers(ANT)["9"]
    assert row.turns == ["ant one", "ant two"]
    assert row.status == "finished"
    assert row.tokens == 4  # a piece of four characters each
    with Stub([says("yes", took=(5, 1)), says("no", took=(9, 2))]) as stub:
        far = endpoint(stub.url)
        with closing(database_with(place.folder, far)):
            place.ask([far], [TALK])
        first, second = (asked.body["messages"] for asked in stub.questions)
    assert [message["content"] for message in second] == ["First?", "yes", "Second?"]
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert first == second[:1]
    row = place.answers(far)["9"]
    assert (row.prompt_tokens, row.tokens) == (14, 3)


def test_reasoning_is_no_part_of_an_answer_and_alone_it_is_none(place: Place) -> None:
    (progress,) = place.ask([THINKER], [question(1), TALK])
    answers = place.answers(THINKER)
    assert answers["1"].turns == ["Hello."]
    assert (answers["9"].turns, answers["9"].status) == (["Hello."], "failed")
    assert dict(progress.failures) == {"answered nothing but its reasoning": 1}


def test_an_empty_answer_has_failed_and_is_asked_for_again(place: Place) -> None:
    for _ in range(2):
        (progress,) = place.ask([MUTE], THREE)
        assert dict(progress.failures) == {"answered nothing": 3}
        assert not progress.is_whole
    assert {row.status for row in place.answers(MUTE).values()} == {"failed"}


def test_what_failed_once_may_succeed_the_next_time_with_another_seed(place: Place) -> None:
    with Stub([refuses(400, "no"), says("yes"), says("never asked")]) as stub:
        far = endpoint(stub.url)
        with closing(database_with(place.folder, far)):
            (progress,) = place.ask([far], THREE[:1])
            assert progress.failures.total() == 1
            (progress,) = place.ask([far], THREE[:1])
            assert (progress.finished, progress.is_whole) == (1, True)
            (progress,) = place.ask([far], THREE[:1])
            assert progress.known == 1
        seeds = [asked.body["seed"] for asked in stub.questions]
    assert len(seeds) == len(set(seeds)) == 2
    assert place.answers(far)["0"].turns == ["yes"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [(status(200, "<!doctype html>", "text/html"), "text/html"), (refuses(401, "who are you"), "refuses the key")],
)
def test_an_endpoint_that_can_t_be_used_is_named_and_stops_nobody_else(place: Place, reply: Reply, said: str) -> None:
    many = [question(number) for number in range(20)]
    with Stub([reply]) as stub:
        far = endpoint(stub.url)
        with closing(database_with(place.folder, far)):
            ant, broken = place.ask([ANT, far], many, parallel=1)
        assert len(stub.questions) == 5
    assert ant.is_whole
    assert "No answer came 5 times in a row: Far Away at" in broken.problem
    assert said in broken.problem
    assert broken.left == 15


def test_a_contestant_that_can_t_be_loaded_is_named_and_stops_nobody_else(place: Place) -> None:
    bent, good = spec_of("bent", place.folder, quantization="broken"), spec_of("good", place.folder)
    with closing(database_with(place.folder, bent, good)):
        broken, whole = place.ask([bent, good], [question(1, "say fine")])
    assert "Bent can't be had: " in broken.problem
    assert "no such tensor" in broken.problem
    assert (broken.left, place.answers(bent)) == (1, {})
    assert whole.is_whole
    assert place.answers(good)["1"].turns == ["fine"]


def test_answers_can_be_cut_shorter_than_the_catalogue_says_but_not_made_longer(place: Place) -> None:
    endless = contestant("endless", endless=True)
    with closing(database_with(place.folder, endless)):
        place.ask([endless], [question(1)], max_tokens=5)
        place.ask([endless], [question(2)], max_tokens=5000)
    answers = place.answers(endless)
    assert (answers["1"].tokens, answers["2"].tokens) == (5, endless.sampling.max_tokens)


def test_some_of_many_questions_are_spread_over_the_categories() -> None:
    english = [one for one in own_questions() if one.language == "en"]
    nine = spread(english, 9)
    assert len({one.category for one in nine}) == 9
    assert [english.index(one) for one in nine] == sorted(english.index(one) for one in nine)
    assert spread(english, 500) == tuple(english)
    assert len(spread(english, 12)) == 12
