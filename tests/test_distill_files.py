"""The lines of a verb that works on, where the disk has no room for them."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from models.distill.files import Lines, read_rows
from models.distill.problem import DistillProblem


def test_a_full_disk_ends_in_a_sentence_and_what_found_room_stays(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"

    def work() -> None:
        with Lines(path) as lines:
            lines.add({"text": "a" * 50})
            lines.add({"text": "b" * 100})

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(DistillProblem, match=r"lines\.jsonl can't be written"):
            work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with Lines(path) as lines:
        lines.add({"text": "c"})
    assert [row["text"] for _, row in read_rows(path)] == ["a" * 50, "c"]
