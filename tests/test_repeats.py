from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from arena.repeats import MINUTE, Repeats

pytestmark = pytest.mark.integrity


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


@pytest.fixture
def moment() -> list[float]:
    return [0.0]


@pytest.fixture
def lines(moment: list[float]) -> Iterator[Lines]:
    handler = Lines()
    handler.addFilter(Repeats(3, lambda: moment[0]))
    names = ("paddock.web", "paddock.admin", "uvicorn.error", "asyncio")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    yield handler
    for name in names:
        logging.getLogger(name).removeHandler(handler)


def test_a_flood_is_a_few_lines_and_a_count(lines: Lines, moment: list[float]) -> None:
    def refuse(number: int) -> None:
        logging.getLogger("paddock.web").warning("POST %r: %d %%", "/made-up%s", number)

    for number in range(5000):
        refuse(number)
    assert lines.seen == [
        "POST '/made-up%s': 0 %",
        "POST '/made-up%s': 1 %",
        "POST '/made-up%s': 2 % (more like it are left out for a minute)",
    ]
    moment[0] = MINUTE
    refuse(1)
    refuse(2)
    assert lines.seen[3:] == ["POST '/made-up%s': 1 % (4997 more like it before)", "POST '/made-up%s': 2 %"]
    moment[0] = 2 * MINUTE
    refuse(3)
    assert lines.seen[5:] == ["POST '/made-up%s': 3 %"]


def test_other_lines_are_not_lost_in_it(lines: Lines) -> None:
    web = logging.getLogger("paddock.web")
    for _ in range(50):
        web.warning("one")
    web.warning("two")
    logging.getLogger("uvicorn.error").error("three")
    assert [seen.split(" (")[0] for seen in lines.seen] == ["one", "one", "one", "two", "three"]


def test_what_administrators_did_is_always_written(lines: Lines) -> None:
    for _ in range(50):
        logging.getLogger("paddock.admin").warning("excluded")
    assert len(lines.seen) == 50
