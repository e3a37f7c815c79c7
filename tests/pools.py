"""Pools of fake engines, for tests of what is resident."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.chat import Event, Message, Sampling
from models.local.worker import WorkerModel
from models.origin import FolderSource, Weights
from models.pool import Patience, Pool
from models.spec import ModelSpec
from models.watched import Watched

PATIENCE = 60.0
QUICK = Patience(first_pause=0.01, fetch_pause=0.01, longest_pause=0.05, restarts=2)

Make = Callable[..., Pool]


def load_fake(spec: ModelSpec, weights: Path | None, threads: int, **limits: Any) -> WorkerModel:
    return WorkerModel(spec, weights, threads=threads, engine="fake_engine:FakeEngine", **limits)


def spec_of(name: str, folder: Path, size: int = 10, quantization: str = "none", **script: object) -> ModelSpec:
    """A file of `size` times its name; the fake engine takes from `script` what it needs."""
    content = name.encode() * size
    (folder / f"{name}.gguf").write_bytes(content)
    weights = Weights(
        file=f"{name}.gguf", sha256=hashlib.sha256(content).hexdigest(), bytes=len(content),
        sources=(FolderSource(kind="folder", path=str(folder)),),
    )  # fmt: skip
    return ModelSpec(
        id=name, name=name.title(), engine="llamacpp", quantization=quantization, license="none", makers=("us",),
        weights=weights, script=script,
    )  # fmt: skip


def scripted(name: str) -> ModelSpec:
    return ModelSpec(id=name, name=name, engine="scripted", quantization="none", license="none", makers=("us",))


@contextmanager
def making(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes pools, which are closed afterwards."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pools: list[Pool] = []

    def make(*specs: ModelSpec, **options: Any) -> Pool:
        pool = Pool(specs, cache=folder / "cache", **{"load": load_fake, "patience": QUICK, **options})
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()


def until(pool: Pool, happened: Callable[[], bool]) -> None:
    """Wait for a change of the pool's status."""
    assert pool.wait(happened, PATIENCE), pool.status()


def worker_of(pool: Pool, name: str) -> WorkerModel:
    """The worker behind a model that is ready."""
    model = pool.model(name)
    assert isinstance(model, Watched)
    assert isinstance(model.model, WorkerModel)
    return model.model


def say(pool: Pool, name: str, text: str) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in pool.model(name).stream((Message("user", text),), Sampling(), 0)]

    return asyncio.run(asyncio.wait_for(collect(), PATIENCE))
