from __future__ import annotations

import pytest

from arena.pacing import Answer
from arena.tempo import LONGEST_START, Tempo
from models.chat import Done, Failed, Text

pytestmark = pytest.mark.integrity


def answer(chars: int, first: float, seconds: float, thought: int = 0) -> Answer:
    """A complete answer: so many characters that are seen, after so many of reasoning."""
    one = Answer()
    if thought:
        one.take(Text("<think>" + "t" * (thought - len("<think></think>")) + "</think>"))
    one.take(Text("x" * chars))
    one.take(Done("stop", chars, first_token_seconds=first, seconds=seconds))
    return one


def taught(tempo: Tempo, contestant: str, speed: float, first: float = 0.1, answers: int = 3) -> None:
    for _ in range(answers):
        tempo.learn(contestant, answer(400, first, first + 400 / speed))


def test_before_anybody_answered_the_pace_is_the_setting_s() -> None:
    assert Tempo(80).common(["ant", "bee"]) == (80, 0)


def test_all_are_shown_at_what_the_slowest_who_plays_can_keep_up_with() -> None:
    tempo = Tempo(80)
    taught(tempo, "ant", 400)
    assert tempo.common(["ant"])[0] == 80
    taught(tempo, "bee", 50)
    assert 32 < tempo.common(["ant", "bee"])[0] <= 40
    assert tempo.common(["ant"])[0] == 80, "bee plays no more"
    assert tempo.common(["ant", "cat"])[0] == 80, "nothing is known of cat yet"


def test_all_begin_when_the_latest_of_them_has_begun() -> None:
    tempo = Tempo(80)
    taught(tempo, "ant", 400, first=0.1)
    taught(tempo, "bee", 400, first=1.6)
    assert 1.6 < tempo.common(["ant", "bee"])[1] < 2.5
    assert tempo.common(["ant"])[1] < 0.5


def test_reasoning_is_part_of_the_wait_for_the_first_text() -> None:
    tempo = Tempo(80)
    tempo.learn("ant", answer(200, 0.5, 0.5 + 600 / 200, thought=400))
    assert tempo.common(["ant"])[1] > 0.5 + 400 / 200


def test_a_model_that_crawls_does_not_slow_the_others_for_ever() -> None:
    tempo = Tempo(80)
    taught(tempo, "ant", 1, first=90)
    assert tempo.common(["ant", "bee"]) == (20, LONGEST_START)


def test_one_bad_moment_changes_nothing_and_a_lasting_one_is_forgotten() -> None:
    tempo = Tempo(80)
    taught(tempo, "ant", 300, answers=5)
    before = tempo.common(["ant"])
    taught(tempo, "ant", 10, answers=1)
    assert tempo.common(["ant"]) == before
    taught(tempo, "ant", 10, answers=16)
    assert tempo.common(["ant"])[0] < 80
    taught(tempo, "ant", 300, answers=16)
    assert tempo.common(["ant"]) == before


def test_small_changes_do_not_show() -> None:
    """Or the next battle's speed would tell who has just answered in another's."""
    speeds = set()
    for speed in range(50, 54):
        tempo = Tempo(80)
        taught(tempo, "ant", speed)
        speeds.add(tempo.common(["ant"])[0])
    assert len(speeds) == 1


def test_what_tells_nothing_of_a_speed_is_not_learnt() -> None:
    tempo = Tempo(80)
    tempo.learn("ant", answer(4, 0.1, 9))
    failed, unmeasured = Answer(), Answer()
    failed.take(Failed("out of memory"))
    unmeasured.take(Text("x" * 400))
    unmeasured.take(Done("stop", 1))
    for one in (failed, unmeasured):
        tempo.learn("ant", one)
    assert tempo.common(["ant"]) == (80, 0)


def test_without_a_pace_nothing_is_held_back() -> None:
    tempo = Tempo(0)
    taught(tempo, "ant", 10, first=3)
    assert tempo.common(["ant"]) == (0, 0)
