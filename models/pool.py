"""Which models are resident: each spec is fetched, loaded, and loaded again when its process dies."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from models.catalog import ModelSpec, Weights
from models.chat import ChatModel
from models.fetch import FetchError, Report, fetch
from models.local.cores import available_cores
from models.local.worker import LoadFailed, WorkerModel
from models.scripted import ScriptedModel

State = Literal["waiting", "fetching", "loading", "ready", "failed"]

log = logging.getLogger("paddock.pool")


class NotReady(Exception):
    """The model can't answer now; the message says what it is doing instead."""


class _Closing(Exception):
    """Raised inside the pool's threads to leave whatever they do."""


@dataclass(frozen=True)
class Residency:
    """How far one model has come: `progress` is the fetched fraction, 0 to 1; `reason` says why it failed."""

    spec: ModelSpec
    state: State = "waiting"
    progress: float = 0.0
    reason: str = ""


class Resident(ChatModel, Protocol):
    """A loaded model whose end can be waited for; `WorkerModel` is one."""

    @property
    def ending(self) -> str: ...
    def wait_ready(self, timeout: float) -> None: ...
    def wait_gone(self, timeout: float | None = None) -> bool: ...


@dataclass(frozen=True)
class Patience:
    """How long the pool tries, in seconds; `restarts` is how often in a row a process may die."""

    load: float = 600.0
    first_pause: float = 1.0
    fetch_pause: float = 30.0
    longest_pause: float = 600.0
    proven: float = 60.0
    restarts: int = 5

    def pause(self, first: float, times: int) -> float:
        return min(first * 2.0 ** (times - 1), self.longest_pause)


Load = Callable[[ModelSpec, Path | None, int], Resident]
Fetch = Callable[[Weights, Path, Report], Path]


def load_worker(spec: ModelSpec, weights: Path | None, threads: int, *, slots: int = 4) -> Resident:
    return WorkerModel(spec, weights, threads=threads, slots=slots)


class Pool:
    """Keeps every spec resident, smallest download first. All methods may be called from any thread."""

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        *,
        cache: Path,
        cores: int | None = None,
        load: Load = load_worker,
        fetch: Fetch = fetch,
        patience: Patience | None = None,
    ) -> None:
        """`cache` is the weights' folder, `cores` the CPU cores all engines share (None: all we may use)."""
        self._cache = cache
        self._load_model = load
        self._fetch_file = fetch
        self._patience = patience or Patience()
        # Engines with more threads than cores wait for each other in spin locks: 1 token per second.
        engines = sum(spec.engine != "scripted" for spec in specs)
        self._threads = max(1, (cores or available_cores()) // max(1, engines))
        self._places = {spec.id: Residency(spec) for spec in specs}
        self._models: dict[str, ChatModel] = {}
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._loading = threading.Lock()
        self._keepers: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to fetch and load in the background; returns at once."""
        turn = threading.Event()
        turn.set()
        for spec in sorted((place.spec for place in self.status()), key=_download_size):
            after = threading.Event()
            keeper = threading.Thread(target=self._keep, args=(spec, turn, after), name=f"pool {spec.id}", daemon=True)
            self._keepers.append(keeper)
            turn = after
        for keeper in self._keepers:
            keeper.start()

    def close(self) -> None:
        """Stop downloads and end every process; safe to call twice."""
        self._closing.set()
        with self._changed:
            models = list(self._models.values())
        for model in models:
            model.close()
        for keeper in self._keepers:
            keeper.join(10)

    def status(self) -> tuple[Residency, ...]:
        """Every model in catalogue order."""
        with self._changed:
            return tuple(self._places.values())

    def ready(self) -> tuple[ModelSpec, ...]:
        """The models that can answer now, in catalogue order."""
        return tuple(place.spec for place in self.status() if place.state == "ready")

    def model(self, spec_id: str) -> ChatModel:
        """The resident model. Raises `NotReady`."""
        with self._changed:
            place = self._places.get(spec_id)
            if place is None:
                raise NotReady(f"There is no model '{spec_id}' in this pool.")
            if place.state != "ready":
                raise NotReady(f"{place.spec.name} is not ready ({place.state}). {place.reason}".rstrip())
            return self._models[spec_id]

    def wait_ready(self, count: int, timeout: float) -> bool:
        """Wait up to `timeout` seconds until `count` models can answer; return whether they can."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.ready()) >= count, timeout)

    def _keep(self, spec: ModelSpec, turn: threading.Event, after: threading.Event) -> None:
        """One model's life, in a thread of its own."""
        try:
            if spec.engine == "scripted":
                self._seat(spec, ScriptedModel(spec))
                self._set(spec, "ready", 1.0)
                return
            turn.wait()
            weights = self._bring(spec, after)
            self._keep_loaded(spec, weights)
        except _Closing:
            log.debug("%s: closing", spec.name)
        except Exception as error:  # a defect here must be seen on the page, not as a model that waits for ever
            log.exception("%s: unexpected", spec.name)
            self._set(spec, "failed", reason=f"{type(error).__name__}: {error}")
        finally:
            after.set()

    def _bring(self, spec: ModelSpec, after: threading.Event) -> Path | None:
        """Fetch until it succeeds; the next model's turn comes after the first try, whatever its end."""
        if spec.weights is None:
            return None
        times = 0
        while True:
            self._set(spec, "fetching", 0.0)
            try:
                return self._fetch_file(spec.weights, self._cache, lambda part: self._tell(spec, part))
            except FetchError as error:
                times += 1
                self._set(spec, "failed", reason=str(error))
            finally:
                after.set()
            self._rest(self._patience.pause(self._patience.fetch_pause, times))

    def _tell(self, spec: ModelSpec, part: float) -> None:
        if self._closing.is_set():
            raise _Closing
        self._set(spec, "fetching", part)

    def _keep_loaded(self, spec: ModelSpec, weights: Path | None) -> None:
        deaths = 0
        while True:
            lived, reason = self._live_once(spec, weights)
            if self._closing.is_set():
                raise _Closing
            deaths = 1 if lived > self._patience.proven else deaths + 1
            self._set(spec, "failed", reason=reason)
            if deaths > self._patience.restarts:
                self._set(spec, "failed", reason=f"{reason} Given up after {deaths} times in a row.")
                log.error("%s: given up after %d failures in a row", spec.name, deaths)
                return
            self._rest(self._patience.pause(self._patience.first_pause, deaths))

    def _live_once(self, spec: ModelSpec, weights: Path | None) -> tuple[float, str]:
        """Load, serve until the process ends; return the seconds it served and why it ended."""
        with self._loading:  # one at a time: loading takes every core's bandwidth and a peak of memory
            self._set(spec, "loading", 1.0)
            model = self._load_model(spec, weights, self._threads)
            self._seat(spec, model)
            try:
                model.wait_ready(self._patience.load)
            except LoadFailed as error:
                model.close()
                return 0.0, str(error)
        self._set(spec, "ready", 1.0)
        began = time.monotonic()
        model.wait_gone()
        model.close()
        return time.monotonic() - began, f"{spec.name}'s process ended ({model.ending})."

    def _seat(self, spec: ModelSpec, model: ChatModel) -> None:
        with self._changed:
            self._models[spec.id] = model
            self._changed.notify_all()
        if self._closing.is_set():  # close() may have looked before this one was there
            model.close()
            raise _Closing

    def _rest(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise _Closing

    def _set(self, spec: ModelSpec, state: State, progress: float | None = None, reason: str = "") -> None:
        with self._changed:
            before = self._places[spec.id]
            part = before.progress if progress is None else progress
            now = self._places[spec.id] = replace(before, state=state, progress=part, reason=reason)
            moved = state == "fetching" and int(now.progress * 10) > int(before.progress * 10)
            if moved or now.state != before.state:
                log.log(logging.WARNING if state == "failed" else logging.INFO, "%s", _line(now))
            self._changed.notify_all()


def _download_size(spec: ModelSpec) -> int:
    return spec.weights.bytes if spec.weights else 0


def _line(place: Residency) -> str:
    if place.state == "fetching":
        return f"{place.spec.name}: fetching {place.progress:.0%} of {_download_size(place.spec) / 1e6:.0f} MB"
    return f"{place.spec.name}: {place.state}" + (f" ({place.reason})" if place.reason else "")
