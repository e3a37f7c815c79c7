"""How much memory this process may use: the machine's number is wrong in a container."""

from __future__ import annotations

import os
from pathlib import Path

MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


def available_memory(limit: Path = MEMORY_LIMIT) -> int:
    """Bytes of RAM in all: the machine's, or the container's limit where that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(limit.read_text()))
    except (OSError, ValueError):
        return total  # "max", or a system without cgroups
