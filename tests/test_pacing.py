from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.identity import Names
from arena.pacing import BEAT_TICKS, Answer, Frame, pace
from models.chat import Done, Event, Failed, Side, Text

pytestmark = pytest.mark.integrity

T = TypeVar("T")
TICK = 0.25
BEAT = TICK * BEAT_TICKS
# What happens when: seconds since the start, side, event.
Script = Iterable[tuple[float, Side, Event]]
DONE = Done("stop", 1)


class ClockOfItsOwn(asyncio.SelectorEventLoop):
    """A loop whose time leaps to the next timer, so that seconds pass at once and exactly."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=ClockOfItsOwn) as runner:
        return runner.run(work)


async def played(script: Script) -> AsyncIterator[tuple[Side, Event]]:
    clock = asyncio.get_running_loop().time
    for moment, side, event in script:
        await asyncio.sleep(max(0.0, moment - clock()))
        yield side, event


def frames(
    script: Script,
    chars_per_second: float = 40,
    most: int = 1000,
    earliest: float = 0,
    names: Names | None = None,
) -> list[tuple[float, Frame]]:
    """Every frame with its time."""

    async def collect() -> list[tuple[float, Frame]]:
        answers: dict[Side, Answer] = {"a": Answer(names), "b": Answer(names)}
        clock = asyncio.get_running_loop().time
        seen = []
        async for frame in pace(played(script), answers, chars_per_second, TICK, earliest):
            seen.append((clock(), frame))
            if len(seen) == most:
                break
        return seen

    return run(collect())


def shown(script: Script, chars_per_second: float = 40) -> list[tuple[str, str, bool]]:
    """Every frame but the empty ones before the first text."""
    seen = [frame for _, frame in frames(script, chars_per_second)]
    return [(frame.a, frame.b, frame.complete) for frame in seen if frame.a or frame.b]


def begins(script: Script, chars_per_second: float = 40, earliest: float = 0) -> float:
    """When the first text is shown."""
    seen = frames(script, chars_per_second, earliest=earliest)
    return next(moment for moment, frame in seen if frame.a or frame.b)


def evenly(side: Side, speed: float, chars: int, first: float = 0, text: str = "") -> list[tuple[float, Side, Event]]:
    """A model that writes a character at a time: `chars` of them, or a text."""
    text = text or "x" * chars
    written = [(first + n / speed, side, Text(char)) for n, char in enumerate(text)]
    return [*written, (first + len(text) / speed, side, DONE)]


def pair(a: Script, b: Script) -> Script:
    return sorted([*a, *b], key=lambda row: row[0])


def test_both_sides_grow_alike_and_the_end_is_shown_for_both_at_once() -> None:
    script: Script = [
        (0, "a", Text("abcdefghijklmnopqrstuvwxyz")), (0, "a", DONE),
        (0, "b", Text("ABCDEFGHIJKLMNO")), (0, "b", DONE),
    ]  # fmt: skip
    assert shown(script) == [
        ("abcdefghij", "ABCDEFGHIJ", False),
        ("abcdefghijklmnopqrst", "ABCDEFGHIJKLMNO", False),
        ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNO", True),
    ]


def test_neither_side_begins_before_the_other() -> None:
    script: Script = [(0, "a", Text("x" * 100)), (0, "a", DONE), (2, "b", Text("y" * 100)), (2, "b", DONE)]
    for moment, frame in frames(script):
        assert len(frame.a) == len(frame.b)
        assert moment >= 2 or frame.a == ""


def test_the_slower_side_holds_both() -> None:
    script: list[tuple[float, Side, Event]] = [(0, "a", Text("x" * 60)), (0, "a", DONE)]
    script += [(n / 2, "b", Text("yy")) for n in range(30)] + [(15, "b", DONE)]
    seen = frames(script)
    for _, frame in seen:
        assert len(frame.a) == len(frame.b)
    assert seen[-1][0] == 15
    assert [frame.complete for _, frame in seen].count(True) == 1


def test_a_short_answer_waits_to_be_called_complete() -> None:
    script: Script = [(0, "a", Text("Yes.")), (0, "a", DONE), (0, "b", Text("y" * 50)), (9, "b", DONE)]
    seen = frames(script)
    assert seen[-1][0] == 9
    assert all(not frame.complete for _, frame in seen[:-1])
    assert seen[-1][1] == Frame("Yes.", "y" * 50, True)


def test_frames_follow_the_clock_and_never_the_pieces() -> None:
    """However the engines cut their answers, and whenever they send: a frame each quarter of a second."""
    uneven: list[tuple[float, Side, Event]] = [(0.07 * n, "a", Text("x")) for n in range(100)]
    uneven += [(7, "a", DONE), (7.01, "b", Text("y" * 100)), (7.02, "b", DONE)]
    moments = [moment for moment, _ in frames(uneven)]
    assert moments == pytest.approx([TICK * n for n in range(1, len(moments) + 1)])
    fast: Script = [(0, "a", Text("x" * 100)), (0, "b", Text("y" * 100)), (0, "a", DONE), (0, "b", DONE)]
    assert [moment for moment, _ in frames(fast)] == pytest.approx([TICK * n for n in range(1, BEAT_TICKS + 10)])


def test_a_reader_that_comes_late_gets_no_burst_and_is_back_on_the_clock() -> None:
    async def collect() -> list[float]:
        answers: dict[Side, Answer] = {"a": Answer(), "b": Answer()}
        script: Script = [(0, side, Text("x" * 40)) for side in ("a", "b")]
        clock, moments = asyncio.get_running_loop().time, []
        async for _ in pace(played([*script, (9, "a", DONE), (9, "b", DONE)]), answers, 40, TICK):
            moments.append(clock())
            if len(moments) < 4:
                await asyncio.sleep(0.6)
        return moments

    moments = run(collect())
    assert all(later > earlier for earlier, later in pairwise(moments))
    for moment in moments[4:]:
        assert moment / TICK == pytest.approx(round(moment / TICK))


def test_pace_zero_shows_all_there_is_at_each_tick() -> None:
    script: Script = [
        (0, "a", Text("all at once")), (0.3, "b", Text("later")), (0.3, "a", DONE), (0.6, "b", Text(" on")),
        (0.6, "b", DONE),
    ]  # fmt: skip
    assert shown(script, 0) == [
        ("all at once", "", False),
        ("all at once", "later", False),
        ("all at once", "later on", True),
    ]


def test_a_crawl_still_shows_a_character_a_tick() -> None:
    script: Script = [(0, "a", Text("ab")), (0, "b", Text("cd")), (0, "a", DONE), (0, "b", DONE)]
    assert shown(script, 0.001) == [("a", "c", False), ("ab", "cd", True)]


@pytest.mark.parametrize("end", [Failed("out of memory"), DONE])
def test_a_side_without_an_answer_ends_the_pair_and_the_other_is_not_seen_to_go_on(end: Event) -> None:
    script: Script = [(0, "a", Text("x" * 500)), (1.1, "b", end), (60, "a", DONE)]
    seen = frames(script)
    assert seen[-1][0] == pytest.approx(1.0)
    assert seen[-1][1] == Frame("", "", False)


@pytest.mark.parametrize("slow", ["a", "b"])
def test_the_longer_answer_goes_on_no_faster_than_before_once_the_slower_model_has_ended(slow: Side) -> None:
    fast: Side = "b" if slow == "a" else "a"
    script = pair([(0, fast, Text("f" * 600)), (0, fast, DONE)], evenly(slow, 50, 200))
    seen = [(moment, max(len(frame.a), len(frame.b))) for moment, frame in frames(script, 160)]
    assert seen[-1][1] == 600
    began = next(moment for moment, size in seen if size) - TICK
    [(ended, then), *_] = [(moment, size) for moment, size in seen if size >= 200]
    assert (600 - then) / (seen[-1][0] - ended) <= then / (ended - began) + 1


# Four models that differ by four in speed and by eight in their first word.
KEEPING_UP = [(100.0, 0.1), (140.0, 0.8), (200.0, 0.3), (400.0, 0.2)]


@pytest.mark.parametrize("ends", [60, 300])
def test_models_that_keep_up_look_all_the_same(ends: int) -> None:
    alike = {
        tuple((round(moment / TICK), len(frame.a), len(frame.b), frame.complete) for moment, frame in seen)
        for a in KEEPING_UP
        for b in KEEPING_UP
        for seen in [frames(pair(evenly("a", a[0], 300, a[1]), evenly("b", b[0], ends, b[1])), 80)]
    }
    assert len(alike) == 1


@pytest.mark.parametrize("first", [0.01, 0.4, 0.7, 1.3, 1.9, 3.2])
def test_text_begins_on_a_beat_whenever_the_first_word_came(first: float) -> None:
    moment = begins(pair(evenly("a", 1000, 100, first), evenly("b", 1000, 100)))
    assert moment / BEAT == pytest.approx(round(moment / BEAT))
    assert first < moment <= first + BEAT + TICK


def test_no_text_begins_before_the_common_start() -> None:
    assert begins(pair(evenly("a", 1000, 100), evenly("b", 1000, 100)), earliest=2.3) == pytest.approx(3 * BEAT)


def test_who_falls_behind_is_waited_for_to_a_beat_and_both_go_on_at_half_the_speed() -> None:
    seen = frames(pair(evenly("a", 30, 300), evenly("b", 1000, 300)), 80)
    grown = [(after[0], len(after[1].a) - len(before[1].a)) for before, after in pairwise(seen)]
    waits = [moment for (_, nothing), (moment, some) in pairwise(grown) if some and not nothing]
    assert len(waits) > 2
    assert all(moment / BEAT == pytest.approx(round(moment / BEAT)) for moment in waits)
    assert {some for _, some in grown} == {0, 5, 10, 20}, "the speed, its half, its quarter; nothing of the model's own"


ABOUT_MODELS = [("GPT-4o", "OpenAI"), ("Claude 3.5", "Anthropic"), ("Llama 3", "Meta"), ("Qwen2.5", "Alibaba")]
COMPARED = "Here are some models that you can use at home or at work today.\n\n" + 2 * "".join(
    f"- **{model}**: made by {maker}, it is good at writing code, and it follows long instructions with some care\n"
    for model, maker in ABOUT_MODELS
)


def plainly(text: str) -> str:
    """As long, and about nobody."""
    for name in (name for names in ABOUT_MODELS for name in names):
        text = text.replace(name, "x" * len(name))
    return text


@pytest.mark.parametrize("speed", [40, 100])
def test_an_answer_that_is_about_models_takes_little_longer_and_no_model_is_slow_for_it(speed: int) -> None:
    took, texts = [], (COMPARED, plainly(COMPARED))
    for text in texts:
        script = pair(evenly("a", speed, 0, text=text), evenly("b", speed, 0, text=text))
        seen = frames(script, 0.8 * speed, names=Names())
        assert seen[-1][1] == Frame(text, text, True)
        grown = [(after[0], len(after[1].a) - len(before[1].a)) for before, after in pairwise(seen)]
        written = len(text) / speed
        assert {some for moment, some in grown if moment < written} == {0, round(0.2 * speed)}, "never half the speed"
        again = [moment for (_, nothing), (moment, some) in pairwise(grown) if some and not nothing]
        assert all(moment / BEAT == pytest.approx(round(moment / BEAT)) for moment in again)
        took.append(len(seen))
    assert took[0] <= 1.3 * took[1]


def test_who_falls_behind_is_slow_though_names_are_screened() -> None:
    text = plainly(COMPARED)
    seen = frames(pair(evenly("a", 30, 0, text=text), evenly("b", 1000, 0, text=text)), 80, names=Names())
    assert {len(after.a) - len(before.a) for (_, before), (_, after) in pairwise(seen[:-1])} == {0, 5, 10, 20}


def test_a_very_slow_model_shows_before_the_other_side_takes_minutes() -> None:
    script: Script = [
        (0, "b", Text("f" * 1000)), (0, "b", DONE),
        *((number, "a", Text("s")) for number in range(10)),
        (10, "a", DONE),
    ]  # fmt: skip
    seen = frames(script, 80)
    assert seen[-1][0] <= 10 + 1000 / (80 / 4) + BEAT + TICK


def test_reasoning_counts_for_nothing_and_holds_both_sides() -> None:
    script: Script = [
        (0, "a", Text("<thi")), (0, "a", Text("nk>a long plan")), (3, "a", Text("</think>\n\nHello")), (3, "a", DONE),
        (0, "b", Text("World")), (0, "b", DONE),
    ]  # fmt: skip
    seen = frames(sorted(script, key=lambda row: row[0]))
    assert all(frame == Frame("", "", False) for moment, frame in seen if moment < 3)
    assert seen[-1][1] == Frame("Hello", "World", True)


def test_closing_the_frames_early_ends_the_reading_of_both_sides() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[tuple[Side, Event], None]:
        try:
            while True:
                yield "a", Text("x")
                await asyncio.sleep(0.1)
        finally:
            closed.set()

    async def leave() -> None:
        answers: dict[Side, Answer] = {"a": Answer(), "b": Answer()}
        events = endless()
        paced = pace(events, answers, 40, TICK)
        await anext(paced)
        await paced.aclose()
        before = answers["a"].raw
        await asyncio.sleep(5)
        assert answers["a"].raw == before
        await events.aclose()

    run(leave())
    assert closed.is_set()


def test_an_error_of_the_streams_is_not_swallowed() -> None:
    async def broken() -> AsyncGenerator[tuple[Side, Event], None]:
        yield "a", Text("x")
        raise OSError("the line is dead")

    async def read() -> None:
        answers: dict[Side, Answer] = {"a": Answer(), "b": Answer()}
        async for _ in pace(broken(), answers, 40, TICK):
            pass

    with pytest.raises(OSError, match="the line is dead"):
        run(read())


words = st.lists(st.sampled_from(["<think>", "</think>", "<thi", "nk>", "<", "a ", "\n", "文", "word "]), max_size=12)
streams = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 0.6)), max_size=24)


@given(a=words, b=words, order=streams, pace_chars=st.sampled_from([0, 4, 40, 4000]))
def test_nothing_shown_is_taken_back_and_both_sides_keep_step(
    a: list[str], b: list[str], order: list[tuple[Side, float]], pace_chars: float
) -> None:
    script: list[tuple[float, Side, Event]] = []
    left, now = {"a": ["first", *a], "b": ["first", *b]}, 0.0
    for side, pause in [*order, *(("a", 0.1),) * 14, *(("b", 0.1),) * 14]:
        now += pause
        if left[side]:
            script.append((now, side, Text(left[side].pop(0))))
            if not left[side]:
                script.append((now, side, DONE))
    seen = [frame for _, frame in frames(script, pace_chars)]
    for before, after in pairwise(seen):
        assert after.a.startswith(before.a)
        assert after.b.startswith(before.b)
    assert seen[-1].complete
    shorter = min(len(seen[-1].a), len(seen[-1].b))
    for frame in seen if pace_chars else []:
        assert len(frame.a) == len(frame.b) or min(len(frame.a), len(frame.b)) == shorter


def test_an_item_of_a_list_waits_for_its_own_end_alone() -> None:
    answer = Answer(Names())
    answer.take(Text("- Claude is one of them\n"))
    assert answer.visible == "- "
    answer.take(Text("10. Llama is another"))
    assert answer.visible == "- Claude is one of them\n10. "
    assert answer.written == len(answer.raw)
