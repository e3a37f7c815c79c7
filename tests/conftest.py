"""Shared fixtures: data of the project's shared folder, and a seeded random generator."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: $PADDOCK_SHARED, or shared/data beside the repository."""
    named = os.environ.get("PADDOCK_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        if named is not None:
            pytest.fail(f"PADDOCK_SHARED names {folder}, which is no folder.")
        pytest.skip(f"No shared data at {folder}; set PADDOCK_SHARED to have these tests run.")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20250101)
