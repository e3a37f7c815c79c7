"""The life of one model in a thread of its own: fetched, loaded, served, ended for others, and tried again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.budget import Budget
from models.checkpoint import bring
from models.endpoint import EndpointModel, EndpointUnavailable
from models.fetch import FetchError, Report
from models.local.engine import Footprint
from models.local.worker import LoadFailed, LoadRefused
from models.origin import Weights
from models.residency import Closing, Register, Resident
from models.scripted import ScriptedModel
from models.spec import ModelSpec
from models.watched import Record, Watched

GIGABYTE = 10**9

log = logging.getLogger("paddock.pool")


@dataclass(frozen=True)
class Patience:
    """How long the pool tries, in seconds.

    `load` is the longest that a model may take to load, and that a battle may wait for its two. After `restarts`
    deaths of its process in a row, none after more than `proven` seconds of service, a model is tried again every
    `longest_pause` only. After `failures` failed answers in a row a model leaves the draw: its process ends, an
    endpoint pauses for `fetch_pause` seconds, twice as long each time until an answer succeeds, and is then checked
    every `check_pause` seconds until it is well.
    """

    load: float = 600.0
    first_pause: float = 1.0
    fetch_pause: float = 30.0
    longest_pause: float = 600.0
    proven: float = 60.0
    restarts: int = 5
    failures: int = 3
    check_pause: float = 30.0

    def pause(self, first: float, times: int) -> float:
        return min(first * 2.0 ** min(times - 1, 100), self.longest_pause)

    def after(self, deaths: int) -> float:
        """Seconds until a model is loaded again whose process has died so often in a row."""
        return self.longest_pause if deaths > self.restarts else self.pause(self.first_pause, deaths)


Load = Callable[[ModelSpec, Path | None, int], Resident]
Fetch = Callable[[Weights, Path, Report], Path]


class Refused(Exception):
    """The model can never be had as things are; the message says why and what to change."""


@dataclass(frozen=True)
class Means:
    """What every keeper works with: where weights lie, how they are brought and loaded, and who may load now."""

    register: Register
    patience: Patience
    cache: Path
    load: Load
    fetch: Fetch
    threads: Callable[[], int]


class Keeper:
    """Keeps one spec's model. `turn` is awaited before the first download, `after` set when the next one may begin."""

    def __init__(self, spec: ModelSpec, means: Means, key: str, turn: threading.Event, after: threading.Event) -> None:
        self._spec = spec
        self._means = means
        self._register = means.register
        self._patience = means.patience
        self._key = key
        self._turn = turn
        self._after = after
        self.thread = threading.Thread(target=self._keep, name=f"pool {spec.id}", daemon=True)

    def _keep(self) -> None:
        try:
            if self._spec.endpoint:
                self._after.set()
                self._keep_endpoint(self._spec.endpoint.key)
            elif self._spec.engine == "scripted":
                model = ScriptedModel(self._spec)
                self._register.seat(self._spec, model, model.close)
                self._serve()
            else:
                self._turn.wait()
                self._keep_loaded(self._bring())
        except Closing:
            log.debug("%s: closing", self._spec.name)
        except Refused as refused:
            self._fail(str(refused))
        except Exception as error:  # a defect here must be seen on the page, not as a model that waits for ever
            log.exception("%s: unexpected", self._spec.name)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            self._after.set()

    def _keep_endpoint(self, variable: str) -> None:
        """Ask for its health until it is well, and again after the pause that failed answers bring."""
        if variable and not self._key:
            raise Refused(f"{self._spec.name} needs a key; set the variable {variable}.")
        endpoint, record = EndpointModel(self._spec, self._key), Record(self._patience.failures)
        while True:
            try:
                endpoint.check()
            except EndpointUnavailable as error:
                self._fail(str(error))
                self._register.pause(self._patience.check_pause)
            else:
                self._serve_endpoint(endpoint, record)

    def _serve_endpoint(self, endpoint: EndpointModel, record: Record) -> None:
        over = threading.Event()
        model = Watched(endpoint, record, over.set)
        self._register.seat(self._spec, model, model.close)
        self._serve()
        over.wait()
        self._register.check_open()
        self._fail(model.failure)
        # A server that lists its models may still answer no question: its list alone must not bring it back.
        self._register.pause(self._patience.pause(self._patience.fetch_pause, record.outages))

    def _bring(self) -> Path | None:
        """Fetch until it succeeds; the next download may begin after a failure too."""
        times = 0
        while True:
            self._register.tell(self._spec, "fetching", 0.0)
            try:
                return self._fetch()
            except FetchError as error:
                times += 1
                self._fail(str(error))
            self._after.set()
            self._register.pause(self._patience.pause(self._patience.fetch_pause, times))

    def _fetch(self) -> Path | None:
        if self._spec.checkpoint:
            return bring(self._spec.checkpoint, self._means.cache, self._report)
        if self._spec.weights:
            return self._means.fetch(self._spec.weights, self._means.cache, self._report)
        return None

    def _report(self, part: float) -> None:
        self._register.check_open()
        self._register.tell(self._spec, "fetching", part)

    def _keep_loaded(self, weights: Path | None) -> None:
        """Load and serve, again after every death; what fails may be another program's doing and pass."""
        deaths, record = 0, Record(self._patience.failures)
        self._hope()
        while True:
            self._await_turn()
            lived, reason = self._live_once(weights, record)
            self._register.check_open()
            deaths = 0 if lived > self._patience.proven else deaths
            if not reason:
                continue
            deaths = max(deaths + 1, record.outages)
            self._fail(reason)
            self._register.pause(self._patience.after(deaths))
            self._hope()

    def _hope(self) -> None:
        """Ask for a place in memory without anybody's claim. The next download begins after that: order is kept."""
        with self._register.change() as seating:
            seating.enter(self._spec.id, "hoping")
        self._after.set()

    def _await_turn(self) -> None:
        """Return when this model is to load: because there is room, or because a battle needs it."""
        register, seating, name = self._register, self._register.seating, self._spec.id
        with register.changed:
            while seating.next_load() != name:
                register.check_open()
                if seating.phase(name) == "resting":
                    register.tell(self._spec, "resting", 1.0)
                register.changed.wait()
            register.tell(self._spec, "waking" if seating.phase(name) == "resting" else "loading", 1.0)
            with register.change():
                seating.enter(name, "loading")

    def _live_once(self, weights: Path | None, record: Record) -> tuple[float, str]:
        """Load, serve until the process ends; return the seconds it served, and why it failed ("": it rests)."""
        try:
            model = self._means.load(self._spec, weights, self._means.threads())
        except OSError as error:  # no memory for one more process, as a rule
            return 0.0, f"{self._spec.name}'s process can't be started ({error.strerror})."
        except LoadRefused as error:
            raise Refused(str(error)) from error
        watched = Watched(model, record, model.end)
        try:
            self._register.seat(self._spec, watched, model.end)
            if not self._finds_room(model.wait_needs(self._patience.load)):
                return 0.0, ""
            model.go()
            self._serve(model.wait_ready(self._patience.load))
            began = time.monotonic()
            model.wait_gone()
            lived = time.monotonic() - began
        except LoadRefused as error:
            raise Refused(str(error)) from error
        except LoadFailed as error:
            return 0.0, str(error)
        finally:
            model.close()
        with self._register.change() as seating:
            if seating.phase(self._spec.id) == "leaving":
                seating.enter(self._spec.id, "resting")
                return lived, ""
        if watched.failure:
            return lived, f"{self._spec.name} failed answer after answer ({watched.failure})."
        return lived, f"{self._spec.name}'s process ended ({model.ending})."

    def _finds_room(self, need: Footprint) -> bool:
        with self._register.change() as seating:
            self._learn(seating.budget, need)
            if seating.overfull:  # whoever is there stays: nobody has asked for this one, or not for so much of it
                seating.enter(self._spec.id, "resting")
            return seating.phase(self._spec.id) == "loading"

    def _serve(self, taken: Footprint | None = None) -> None:
        with self._register.change() as seating:
            if taken:
                self._learn(seating.budget, taken)
            seating.enter(self._spec.id, "up")
            self._register.tell(self._spec, "ready", 1.0)

    def _learn(self, budget: Budget, need: Footprint) -> None:
        """Raises `Refused` where the model fits not even alone."""
        budget.learn(self._spec.id, need)
        if not budget.fits([self._spec.id]):
            raise Refused(
                f"{self._spec.name} needs {need.bytes / GIGABYTE:.1f} GB on {need.device}, models may take "
                f"{budget.room(need.device) / GIGABYTE:.1f} GB; "
                "raise ARENA_MEMORY or choose a smaller quantization or context."
            )

    def _fail(self, reason: str) -> None:
        with self._register.change() as seating:
            seating.drop(self._spec.id)
            self._register.tell(self._spec, "failed", reason=reason)
