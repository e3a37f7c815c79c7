"""What the process of an engine may know of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
# How often OpenMP's threads look before they sleep while they wait for each other (libgomp's 300,000 take 1 ms).
# Alone on its cores an engine is as fast; where other programs want them too, it does not spin its share away:
# 13 tokens a second instead of 3, two threads and two busy neighbors on two cores.
SPINS = "10000"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child may know: no secrets; where `models` is, wherever the parent was started; how its threads wait."""
    kept = {"GOMP_SPINCOUNT": SPINS}
    kept |= {name: value for name, value in environment.items() if not _is_secret(name.upper())}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH", "")]))
    return kept


def _is_secret(name: str) -> bool:
    endings = ("KEY", "TOKEN", "SECRET", "PASSWORD", "_URL", "_DSN")
    return name.startswith("ARENA_") or name.endswith(endings)
