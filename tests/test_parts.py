"""Lists that are too long for one statement."""

from __future__ import annotations

import pytest

from db.parts import AT_ONCE, parts


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (AT_ONCE, [AT_ONCE]), (2 * AT_ONCE + 1, [AT_ONCE, AT_ONCE, 1])]
)
def test_parts_are_full_but_for_the_last(count: int, sizes: list[int]) -> None:
    found = list(parts(range(count)))
    assert [len(part) for part in found] == sizes
    assert [item for part in found for item in part] == list(range(count))


def test_parts_read_no_further_than_they_are_asked_for() -> None:
    left = iter(range(5))
    assert next(parts(left, 2)) == [0, 1]
    assert next(left) == 2
