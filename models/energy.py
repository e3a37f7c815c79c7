"""Energy of answers where the GPU's driver reports it, shared fairly among the answers that run at one time."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any

from models.chat import Done, Event, Text
from models.nvml import devices

Counter = Callable[[], float]

log = logging.getLogger("paddock.energy")


class CounterError(Exception):
    """The counter can't be read any more; the message is what the driver says."""


class Share:
    """One answer's part of the energy: `joules` are known from its end on, None before and where nothing counts."""

    def __init__(self) -> None:
        self.joules: float | None = None


class Meter:
    """Divides what a counter counts equally among the answers that run, over all models of this machine.

    What is used while nothing runs belongs to nobody; while something runs, all of it belongs to the answers,
    the device's idle draw and other programs' use included. An answer runs from its asking on, also while it
    waits for a place in its engine. The counter is read whenever one begins or ends, and never else: in between
    their number does not change, so reading it more often would give the same. Safe to share between threads.
    """

    def __init__(self, counter: Counter | None) -> None:
        """`counter` gives joules since any fixed moment and may raise `CounterError`; None: nothing is known."""
        self._counter = counter
        self._lock = threading.Lock()
        self._running = 0
        self._counted = 0.0
        # What an answer would have used that had run all along; an answer's share is how much this grows in its time.
        self._each = 0.0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Count the block as one running answer."""
        share = Share()
        began = self._step(1)
        try:
            yield share
        finally:
            ended = self._step(-1)
            if began is not None and ended is not None:
                share.joules = ended - began

    def _step(self, change: int) -> float | None:
        """Divide what was used since the last step among those who ran, then let one in or out."""
        with self._lock:
            counted = self._read()
            if counted is not None:
                if self._running:
                    self._each += (counted - self._counted) / self._running
                self._counted = counted
            self._running += change
            return None if counted is None else self._each

    def _read(self) -> float | None:
        try:
            return self._counter() if self._counter else None
        except CounterError as error:
            log.warning("Energy is not measured any more: %s.", error)
            self._counter = None
            return None


async def metered(stream: AsyncGenerator[Event, None], meter: Meter) -> AsyncGenerator[Event, None]:
    """The same events, `Done` with this answer's joules. Closing this one closes the stream."""
    end: Event | None = None
    async with aclosing(stream):
        with meter.share() as share:
            async for event in stream:
                if not isinstance(event, Text):
                    end = event
                    break
                yield event
    if isinstance(end, Done):
        end = replace(end, joules=share.joules)
    if end is not None:
        yield end


def nvml_counter(visible: str | None = None) -> Counter | None:
    """Joules that NVIDIA's devices have used since their driver was loaded, together; None where nothing says so.

    `visible` as in `models.nvml.devices`. Why there is no counter is logged. The driver counts from Volta on, in
    steps of some ten milliseconds, and not for parts of a GPU (MIG).
    """
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        log.info("Energy is not measured: the package nvidia-ml-py is not installed.")
        return None

    def joules() -> float:
        try:
            return float(sum(nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in seen)) / 1000
        except nvml.NVMLError as error:
            raise CounterError(str(error)) from error

    try:
        nvml.nvmlInit()
        seen = devices(nvml, visible)
        joules()
    except (nvml.NVMLError, CounterError) as error:
        log.info("Energy is not measured: %s.", error)
        return None
    if not seen:
        log.info("Energy is not measured: no device is visible.")
        return None
    return joules
