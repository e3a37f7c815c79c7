"""What every model is doing, and who may use which of them; shared by the keepers' threads and the pages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from models.budget import Budget, Seating, Wait
from models.chat import ChatModel
from models.local.engine import Footprint
from models.spec import ModelSpec

# `resting` is fetched and not loaded, `waking` is loaded because a battle needs it.
State = Literal["waiting", "fetching", "loading", "ready", "resting", "waking", "failed"]

log = logging.getLogger("paddock.pool")


class NotReady(Exception):
    """The model can't answer now; the message says what it is doing instead."""


class Closing(Exception):
    """Raised inside the pool's threads to leave whatever they do."""


@dataclass(frozen=True)
class Residency:
    """How far one model has come: `progress` is the fetched fraction, 0 to 1; `reason` says why it failed."""

    spec: ModelSpec
    state: State = "waiting"
    progress: float = 0.0
    reason: str = ""

    @property
    def available(self) -> bool:
        """Whether it can be had for a battle, at once or after a load."""
        return self.state in ("ready", "resting", "waking")

    @property
    def line(self) -> str:
        if self.state == "fetching":
            size = f" of {self.spec.weights.bytes / 1e6:.0f} MB" if self.spec.weights else ""
            return f"{self.spec.name}: fetching {self.progress:.0%}{size}"
        return f"{self.spec.name}: {self.state}" + (f" ({self.reason})" if self.reason else "")


class Resident(ChatModel, Protocol):
    """A model whose process is asked, loaded, and waited for; `WorkerModel` is one."""

    @property
    def ending(self) -> str: ...
    def wait_needs(self, timeout: float) -> Footprint: ...
    def go(self) -> None: ...
    def wait_ready(self, timeout: float) -> Footprint: ...
    def wait_gone(self, timeout: float | None = None) -> bool: ...
    def end(self) -> None: ...


class Register:
    """Every model's residency behind one lock; nothing in here waits for a model."""

    def __init__(self, specs: Sequence[ModelSpec], limit: int) -> None:
        """`limit` is the bytes that models may take of each device; 0: most of what it has."""
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.seating = Seating(Budget(limit))
        self._places = {spec.id: Residency(spec) for spec in specs}
        self._models: dict[str, ChatModel] = {}
        self._ends: dict[str, Callable[[], None]] = {}

    def add(self, spec: ModelSpec) -> None:
        """One more model, after the others. Raises `ValueError` where there is one of its id."""
        with self.changed:
            if spec.id in self._places:
                raise ValueError(f"there is a model '{spec.id}' already")
            self._places[spec.id] = Residency(spec)
            self.changed.notify_all()

    def status(self) -> tuple[Residency, ...]:
        """Every model in catalogue order."""
        with self.changed:
            return tuple(self._places.values())

    def available(self) -> tuple[ModelSpec, ...]:
        return tuple(place.spec for place in self.status() if place.available)

    def model(self, spec_id: str) -> ChatModel:
        """The resident model. Raises `NotReady`."""
        with self.changed:
            place = self._place(spec_id)
            if place.state != "ready":
                raise NotReady(f"{place.spec.name} is not ready ({place.state}). {place.reason}".rstrip())
            return self._models[spec_id]

    def wait(self, happened: Callable[[], bool], timeout: float) -> bool:
        """Wait up to `timeout` seconds for what a change of the register may bring; return whether it has."""
        with self.changed:
            return self.changed.wait_for(happened, timeout)

    def pairs(self) -> list[tuple[ModelSpec, ModelSpec, Wait]]:
        """`Seating.pairs` of the models that can be had."""
        with self.changed:
            specs = {spec.id: spec for spec in self.available()}
            pairs = self.seating.pairs(list(specs))
        if len(specs) > 1 and not pairs:
            log.warning("No two models fit into memory together; raise ARENA_MEMORY or choose smaller ones.")
        return [(specs[a], specs[b], wait) for (a, b), wait in pairs.items()]

    @contextmanager
    def reserve(self, spec_ids: Sequence[str], patience: float) -> Iterator[Callable[[], bool]]:
        """Hold these models together until the block ends; what it yields tells whether all are there.

        That raises `NotReady` where they can't be had, or not within `patience` seconds.
        """
        names = " and ".join(self._place(spec_id).spec.name for spec_id in spec_ids)
        began = time.monotonic()
        with self.change() as seating:
            claim = seating.claim(spec_ids)

        def there() -> bool:
            if claim.lost:
                raise NotReady(f"{names} can't be had together now.")
            if not claim.granted and time.monotonic() - began > patience:
                raise NotReady(f"{names} were not there within {patience:.0f} s.")
            return claim.granted

        try:
            yield there
        finally:
            with self.change() as seating:
                seating.leave(claim)

    @contextmanager
    def change(self) -> Iterator[Seating]:
        """Change who sits where; what follows from it happens before anybody else looks."""
        with self.changed:
            yield self.seating
            for name in self.seating.settle():
                log.info("%s makes room", self._places[name].spec.name)
                self._ends[name]()
            self.changed.notify_all()

    def seat(self, spec: ModelSpec, model: ChatModel, end: Callable[[], None]) -> None:
        """From now on this is the spec's model; `end` asks it to go without waiting. Raises `Closing`."""
        with self.changed:
            self._models[spec.id], self._ends[spec.id] = model, end
            self.changed.notify_all()
        if self.closing.is_set():  # who closes may have looked before this one was there
            model.close()
            raise Closing

    def close(self) -> None:
        """End every wait and every model; safe to call twice."""
        self.closing.set()
        with self.changed:
            models = list(self._models.values())
            self.changed.notify_all()
        for model in models:
            model.close()

    def tell(self, spec: ModelSpec, state: State, progress: float | None = None, reason: str = "") -> None:
        """Write down what a model is doing, and log what a person waits for."""
        with self.changed:
            before = self._places[spec.id]
            part = before.progress if progress is None else progress
            now = self._places[spec.id] = replace(before, state=state, progress=part, reason=reason)
            moved = state == "fetching" and int(now.progress * 10) > int(before.progress * 10)
            if moved or now.state != before.state:
                log.log(logging.WARNING if state == "failed" else logging.INFO, "%s", now.line)
            if now != before:  # who waits and tells the same again must not wake others that do
                self.changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Raises `Closing`, before the time is over too."""
        if self.closing.wait(seconds):
            raise Closing

    def check_open(self) -> None:
        """Raises `Closing`."""
        self.pause(0)

    def _place(self, spec_id: str) -> Residency:
        with self.changed:
            place = self._places.get(spec_id)
        if place is None:
            raise NotReady(f"There is no model '{spec_id}' in this pool.")
        return place
