"""NVIDIA's devices as their driver names them (NVML), without torch and without touching their memory."""

from __future__ import annotations

import importlib
import logging
from itertools import takewhile
from typing import Any

log = logging.getLogger("paddock.nvml")


def devices(nvml: Any, visible: str | None) -> list[Any]:
    """Handles of the devices that may be used; `nvml` is the initialised module `pynvml`.

    `visible` is written as CUDA_VISIBLE_DEVICES is: numbers or UUIDs, by commas, up to a -1 (None: every device). NVML
    numbers devices in the order of their PCI bus, as CUDA does with CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    if visible is None:
        return [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
    named = takewhile(lambda name: name != "-1", (name.strip() for name in visible.split(",")))
    return [
        nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdecimal() else nvml.nvmlDeviceGetHandleByUUID(name)
        for name in named
        if name
    ]


def gpu_bytes(visible: str | None = None) -> int:
    """Memory of the largest device that may be used, in bytes; 0 where there is none, or no driver that says so.

    `visible` as in `devices`.
    """
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return 0
    try:
        nvml.nvmlInit()
        return max((int(nvml.nvmlDeviceGetMemoryInfo(device).total) for device in devices(nvml, visible)), default=0)
    except nvml.NVMLError as error:
        log.debug("No GPU is seen: %s.", error)
        return 0
