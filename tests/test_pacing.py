from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.pacing import Answer, Frame, pace
from models.chat import Done, Event, Failed, Side, Text

T = TypeVar("T")
TICK = 0.25
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


def frames(script: Script, chars_per_second: float = 40, most: int = 1000) -> list[tuple[float, Frame]]:
    """Every frame with its time."""

    async def collect() -> list[tuple[float, Frame]]:
        answers: dict[Side, Answer] = {"a": Answer(), "b": Answer()}
        clock = asyncio.get_running_loop().time
        seen = []
        async for frame in pace(played(script), answers, chars_per_second, TICK):
            seen.append((clock(), frame))
            if len(seen) == most:
                break
        return seen

    return run(collect())


def shown(script: Script, chars_per_second: float = 40) -> list[tuple[str, str, bool]]:
    return [(frame.a, frame.b, frame.complete) for _, frame in frames(script, chars_per_second)]


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
    assert [moment for moment, _ in frames(fast)] == pytest.approx([TICK * n for n in range(1, 11)])


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
def test_the_longer_answer_goes_on_at_the_pace_of_the_slower_model_once_that_has_ended(slow: Side) -> None:
    fast: Side = "b" if slow == "a" else "a"
    script: Script = [
        (0, fast, Text("f" * 300)), (0, fast, DONE),
        *((number / 10, slow, Text("sssss")) for number in range(20)),  # 50 characters a second, 100 in all
        (2, slow, DONE),
    ]  # fmt: skip
    sizes = [max(len(frame.a), len(frame.b)) for _, frame in frames(script, 160)]
    steps = [after - before for before, after in pairwise(sizes)]
    assert sizes[-1] == 300
    assert max(steps) <= 15, "it never goes faster than the slower model went"


def test_a_very_slow_model_shows_before_the_other_side_takes_minutes() -> None:
    script: Script = [
        (0, "b", Text("f" * 1000)), (0, "b", DONE),
        *((number, "a", Text("s")) for number in range(10)),
        (10, "a", DONE),
    ]  # fmt: skip
    seen = frames(script, 80)
    assert seen[-1][0] <= 10 + 1000 / (80 / 4) + 1


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
