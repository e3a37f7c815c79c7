"""Many keys or rows, cut into parts that one SQL statement takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
AT_ONCE = 500


def parts(items: Iterable[Item], at_once: int = AT_ONCE) -> Iterator[list[Item]]:
    """The items in their order, `at_once` (at least 1) in each part; no part is empty.

    A statement that names rows by their keys binds a parameter for each, of which SQLite takes 32,766 and PostgreSQL
    65,535: of as many votes as an arena may hold, one statement can't name all.
    """
    left = iter(items)
    while part := list(islice(left, at_once)):
        yield part
