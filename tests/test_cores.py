"""How many cores the engines may share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.local.cores import available_cores


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("99999999 100000", None)])
def test_a_container_s_quota_counts(tmp_path: Path, quota: str, cores: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota + "\n")
    assert available_cores(file) == (cores or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("quota", ["max 100000", "nonsense", ""])
def test_without_a_quota_the_affinity_counts(tmp_path: Path, quota: str) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert available_cores(file) == len(os.sched_getaffinity(0)) == available_cores(tmp_path / "none")
