"""How many CPU cores this process may use: the machine's number is wrong in a container."""

from __future__ import annotations

import os
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores(quota: Path = CPU_QUOTA) -> int:
    """Whole cores by CPU affinity and by the container's quota ("quota period" in µs, or "max …"); at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        cores = min(cores, int(limit) // int(period))
    except (OSError, ValueError):
        pass  # no quota, or a system that has none
    return max(1, cores)
