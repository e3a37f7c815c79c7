"""What the benches share: percentiles, and where the code and the tests' own servers are found."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for place in (ROOT, ROOT / "tests"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the others do not exceed."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1)]


def milliseconds(name: str, seconds: Sequence[float]) -> str:
    p50, p95 = (percentile(seconds, share) * 1000 for share in (0.5, 0.95))
    return f"{name:<52} p50 {p50:8.2f} ms   p95 {p95:8.2f} ms   of {len(seconds)}"


def ratio(name: str, ours: float, theirs: float) -> str:
    return f"{name:<52} {ours / theirs:8.2f}"


def machine() -> str:
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"
