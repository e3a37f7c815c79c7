"""Which line-up of the catalogue plays on this hardware."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from models.spec import Lineup

# What "8 GB" and "24 GB" cards have at the least, in bytes: some keep a part of it to themselves (an A10G has 24.1e9).
SMALL_GPU: Final = 7 * 10**9
LARGE_GPU: Final = 22 * 10**9


def choose_lineup(setting: str, zero_gpu: bool, gpu_bytes: int) -> str:
    """The line-up's name: the `setting`, or for "auto" the one for this hardware.

    `zero_gpu` says that this is a Space on ZeroGPU, `gpu_bytes` is the memory of the largest GPU (0: none that
    engines could use).
    """
    if setting != "auto":
        return setting
    found: Lineup = "cpu"
    if zero_gpu:
        found = "zerogpu"
    elif gpu_bytes >= LARGE_GPU:
        found = "gpu-24gb"
    elif gpu_bytes >= SMALL_GPU:
        found = "gpu-8gb"
    return found


def has_torch() -> bool:
    """Whether the engine for GPUs is installed; nothing of it is imported."""
    return find_spec("torch") is not None and find_spec("transformers") is not None
