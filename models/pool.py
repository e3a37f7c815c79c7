"""Which models are resident: as many as fit into memory, the others loaded when a battle needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from math import inf
from pathlib import Path

from pydantic import SecretStr

from models.budget import Wait
from models.chat import ChatModel
from models.energy import Meter
from models.fetch import fetch
from models.keeper import GIGABYTE, Fetch, Keeper, Load, Means, Patience
from models.local.cores import available_cores
from models.local.worker import ENGINES, WorkerModel
from models.local.zerogpu import ZeroGpu
from models.origin import HubCheckpoint
from models.residency import NotReady, Register, Residency, Resident
from models.spec import ModelSpec

__all__ = [
    "Load",
    "NotReady",
    "Patience",
    "Pool",
    "Residency",
    "Resident",
    "Wait",
    "ZeroGpu",
    "load_worker",
    "load_zerogpu",
]


def load_worker(
    spec: ModelSpec, weights: Path | None, threads: int, *, slots: int = 4, meter: Meter | None = None
) -> Resident:
    return WorkerModel(spec, weights, threads=threads, slots=slots, meter=meter)


def load_zerogpu(gpu: ZeroGpu, otherwise: Load) -> Load:
    """Models of engine transformers are those that `gpu` has loaded at the start; `otherwise` loads the rest."""

    def load(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
        return gpu.resident(spec) if gpu.takes(spec) else otherwise(spec, weights, threads)

    return load


class Pool:
    """Keeps every spec at hand, smallest download first. All methods may be called from any thread."""

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        *,
        cache: Path,
        memory: float = 0.0,
        keys: Mapping[str, SecretStr] | None = None,
        cores: int | None = None,
        load: Load = load_worker,
        fetch: Fetch = fetch,
        patience: Patience | None = None,
    ) -> None:
        """`cache` is the weights' folder, `memory` the GB that models may take of a device (0: most of what it has).

        `keys` holds endpoints' keys by the names of their variables, `cores` is the CPU cores that all engines
        share (None: all we may use).
        """
        self._register = Register(specs, int(memory * GIGABYTE))
        self._patience = patience or Patience()
        self._cores = cores or available_cores()
        self._engines = [spec.id for spec in specs if spec.engine in ENGINES]
        self._means = Means(self._register, self._patience, cache, load, fetch, self._threads)
        self._keepers = _keepers(specs, self._means, keys or {})
        self._joining = threading.Lock()
        self._started = False

    def start(self) -> None:
        """Begin to fetch and load in the background; returns at once."""
        with self._joining:
            self._started = True
            for keeper in self._keepers:
                keeper.thread.start()

    def add(self, spec: ModelSpec, key: str = "") -> None:
        """Keep one more spec at hand, last in the order; `key` is its endpoint's, where it needs one.

        Raises `ValueError` where the pool has a spec of that id.
        """
        with self._joining:
            self._register.add(spec)
            if spec.engine in ENGINES:
                self._engines.append(spec.id)
            keeper = Keeper(spec, self._means, key, _set(), threading.Event())
            self._keepers.append(keeper)
            if self._started:
                keeper.thread.start()

    def close(self) -> None:
        """Stop downloads and end every process; safe to call twice."""
        self._register.close()
        with self._joining:
            keepers = list(self._keepers)
        for keeper in keepers:
            if keeper.thread.ident is not None:
                keeper.thread.join(10)

    def status(self) -> tuple[Residency, ...]:
        """Every model in catalogue order."""
        return self._register.status()

    def ready(self) -> tuple[ModelSpec, ...]:
        """The models that can be had for a battle, at once or after a load, in catalogue order."""
        return self._register.available()

    def pairs(self) -> list[tuple[ModelSpec, ModelSpec, Wait]]:
        """Every two models that can be had together, and what who reserves them now would wait for."""
        return self._register.pairs()

    def reserve(self, spec_ids: Sequence[str]) -> AbstractContextManager[Callable[[], bool]]:
        """Hold models in memory until the block ends; the first who asks is served first. Does not wait.

        What it yields tells whether all are there; that raises `NotReady` once they can't be had any more.
        """
        return self._register.reserve(spec_ids, self._patience.load)

    def model(self, spec_id: str) -> ChatModel:
        """The resident model. Raises `NotReady`."""
        return self._register.model(spec_id)

    def wait(self, happened: Callable[[], bool], timeout: float) -> bool:
        """Wait up to `timeout` seconds for something that shows in the status; return whether it has happened."""
        return self._register.wait(happened, timeout)

    def wait_ready(self, count: int, timeout: float) -> bool:
        """Wait up to `timeout` seconds until `count` models can be had; return whether they can."""
        return self.wait(lambda: len(self.ready()) >= count, timeout)

    def _threads(self) -> int:
        """Engines with more threads than cores wait for each other in spin locks: 1 token per second."""
        with self._register.changed:
            together = self._register.seating.budget.most_together(self._engines)
        return max(1, self._cores // max(1, together))


def _keepers(specs: Sequence[ModelSpec], means: Means, keys: Mapping[str, SecretStr]) -> list[Keeper]:
    """One for each spec, in the order of their downloads."""
    keepers: list[Keeper] = []
    turn = _set()
    for spec in sorted(specs, key=_download_size):
        after = threading.Event()
        key = keys.get(spec.endpoint.key) if spec.endpoint else None
        keepers.append(Keeper(spec, means, key.get_secret_value() if key else "", turn, after))
        turn = after
    return keepers


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def _download_size(spec: ModelSpec) -> float:
    """In bytes; that of a repository is not known before, and large as a rule."""
    if isinstance(spec.checkpoint, HubCheckpoint):
        return inf
    return spec.weights.bytes if spec.weights else 0
