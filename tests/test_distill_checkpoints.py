"""A checkpoint counts only when it is whole; the last two are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.distill.checkpoints import newest, seal
from models.distill.run import Spent


def checkpoint(root: Path, step: int, *, sealed: bool = True) -> Path:
    folder = root / f"checkpoint-{step}"
    (folder / "ref").mkdir(parents=True)
    (folder / "weights").write_bytes(bytes([step]) * 100)
    (folder / "ref" / "weights").write_bytes(b"more")
    if sealed:
        seal(folder, Spent(tokens=step))
    return folder


def test_the_newest_whole_one_is_found_with_what_it_took(tmp_path: Path) -> None:
    for step in (9, 10):  # by number, not by letters
        checkpoint(tmp_path, step)
    found = newest(tmp_path)
    assert found is not None
    assert (found.step, found.spent.tokens, found.folder.name) == (10, 10, "checkpoint-10")


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert newest(tmp_path / "none") is None


@pytest.mark.parametrize("damage", ["no marker", "cut", "changed", "missing", "marker cut"])
def test_one_that_is_not_whole_is_removed_and_the_one_before_counts(tmp_path: Path, damage: str) -> None:
    checkpoint(tmp_path, 1)
    bad = checkpoint(tmp_path, 2, sealed=damage != "no marker")
    weights = bad / "ref" / "weights"
    if damage == "cut":
        weights.write_bytes(b"mo")
    elif damage == "changed":
        weights.write_bytes(b"mOre")
    elif damage == "missing":
        weights.unlink()
    elif damage == "marker cut":
        marker = bad / "whole.json"
        marker.write_text(marker.read_text()[:-30])
    found = newest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert not bad.exists()


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        checkpoint(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-6", "checkpoint-8"]
