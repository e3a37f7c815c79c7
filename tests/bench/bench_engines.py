"""Our engines on the CPU against what they compete with, on real weights, each in a process of its own.

    python tests/bench/bench_engines.py [--quick] [--only SECTION …] [--runs N] [--out FOLDER]

llamacpp      llama.cpp in a worker against llama.cpp's own server over HTTP: same file, threads, slots, context
battle        both sides of a battle in llama.cpp against the same pair through `generate` in fp32, a thread a side
transformers  the transformers engine against `generate` one after another, and in threads (FastChat's way)
memory        what a worker takes after 1,000 short requests, against what it took after the first 100

Runs of rivals alternate, so that a busy machine slows them all; ratios are the median of the runs' ratios, and
1 is as fast. --quick makes everything small: it shows that this program works, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measured import machine, ratio  # first: it says where all others are

# isort: split
from checkpoints import gemma_checkpoint, smollm2_checkpoint
from servers import llama_server
from streams import (
    RESULTS,
    Load,
    alternate,
    ask_about_itself,
    figures,
    forget_peak,
    gain,
    line,
    load,
    peak_memory,
    processor,
    record,
)

from models.catalog import load_catalog
from models.chat import ChatModel
from models.fetch import fetch
from models.local.cores import available_cores
from models.local.worker import WorkerModel
from models.origin import FolderCheckpoint
from models.spec import ModelSpec

CACHE = Path("~/.cache/paddock/weights").expanduser()
SMOLLM2, GEMMA = "smollm2-135m-instruct-q4", "gemma-3-270m-base-q4"
PATIENCE = 600.0


@dataclass(frozen=True)
class Size:
    """How much is measured. Streams of `generate` are fewer: it is as slow as it is, and slower with each."""

    runs: int = 3
    tokens: int = 96
    battle_tokens: int = 128
    served: Sequence[int] = (1, 2, 4, 8)
    batched: Sequence[int] = (1, 4, 8, 16, 32)
    plain: Sequence[int] = (1, 8)
    quantizations: Sequence[str] = ("none", "nf4")
    requests: int = 1000
    warm: int = 100


QUICK = Size(1, 4, 4, (2,), (2, 3), (2,), ("none",), 24, 8)


def spec_of(name: str) -> ModelSpec:
    return next(spec for spec in load_catalog() if spec.id == name)


def as_checkpoint(spec: ModelSpec, folder: Path, quantization: str) -> ModelSpec:
    """The same contestant for the transformers engine."""
    checkpoint = FolderCheckpoint(kind="folder", path=str(folder), digest="0" * 64)
    changes = {"engine": "transformers", "quantization": quantization, "weights": None, "checkpoint": checkpoint}
    return spec.model_copy(update=changes)


@contextmanager
def worker(spec: ModelSpec, weights: Path, threads: int, slots: int, engine: str = "") -> Iterator[WorkerModel]:
    with closing(WorkerModel(spec, weights, threads=threads, slots=slots, engine=engine)) as model:
        model.wait_ready(PATIENCE)
        asyncio.run(load([model], 1, 2))  # the first answer also reads the weights from the disk
        forget_peak(model.pid)
        yield model


def weights_of(spec: ModelSpec) -> Path:
    if spec.weights is None:
        raise AssertionError(spec)
    return fetch(spec.weights, CACHE, lambda part: None)


def against_llama_server(size: Size) -> dict[str, Any]:
    """Tokens per second of our worker and of llama.cpp's own server, by threads and streams."""
    spec, found = spec_of(SMOLLM2), {}
    slots = max(size.served)
    for threads in sorted({1, available_cores()}):
        with (
            worker(spec, weights_of(spec), threads, slots) as ours,
            llama_server(weights_of(spec), threads=threads, slots=slots, context=spec.context) as theirs,
        ):
            rivals: dict[str, list[ChatModel]] = {"worker": [ours], "llama.cpp's server": [theirs]}
            alternate(rivals, 1, 2, 1)
            for streams in size.served:
                loads = alternate(rivals, streams, size.tokens, size.runs)
                found[f"{threads} threads, {streams} streams"] = told(loads, streams, "worker")
    return found


def battle(size: Size) -> dict[str, Any]:
    """A battle of the first two contestants, and the same pair through `generate` in fp32."""
    specs, folders = (spec_of(SMOLLM2), spec_of(GEMMA)), (smollm2_checkpoint(), gemma_checkpoint())
    with ExitStack() as stack:
        ours: list[ChatModel] = [stack.enter_context(worker(spec, weights_of(spec), 1, 2)) for spec in specs]
        plain: list[ChatModel] = [
            stack.enter_context(
                worker(as_checkpoint(spec, folder, "none"), folder, 1, 2, "plain_generate:OneAfterAnother")
            )
            for spec, folder in zip(specs, folders, strict=True)
        ]
        rivals = {"llama.cpp": ours, "generate, fp32": plain}
        return told(alternate(rivals, 2, size.battle_tokens, size.runs), 2, "llama.cpp")


def against_generate(size: Size) -> dict[str, Any]:
    """The transformers engine by quantization and streams, and `generate` in both ways of serving many."""
    folder, threads, found = smollm2_checkpoint(), available_cores(), {}
    for quantization in size.quantizations:
        spec = as_checkpoint(spec_of(SMOLLM2), folder, quantization)
        engines = {
            "batch": "plain_generate:Telling",
            "one after another": "plain_generate:OneAfterAnother",
            "threads": "plain_generate:AllAtOnce",
        }
        with ExitStack() as stack:
            models = {
                name: stack.enter_context(worker(spec, folder, threads, max(size.batched), engine))
                for name, engine in engines.items()
            }
            for streams in sorted({*size.batched, *size.plain}):
                rivals: dict[str, list[ChatModel]] = {"batch": [models["batch"]]}
                if streams in size.plain:
                    rivals |= {name: [model] for name, model in models.items()}
                for model in models.values():
                    forget_peak(model.pid)
                # One run is enough of what takes minutes.
                result = told(
                    alternate(rivals, streams, size.tokens, 1 if streams > 1 else size.runs), streams, "batch"
                )
                for name in rivals:
                    result[name]["peak_mb"] = peak_memory(models[name].pid) >> 20
                found[f"{quantization}, {streams} streams"] = result
            around = asyncio.run(ask_about_itself(models["batch"]))["around_share"]
            print(f"{'around the steps: batch, text, handing over':<52} {around * 100:7.1f} %", flush=True)
            found[f"{quantization}, around the steps"] = round(around, 4)
    return found


def told(loads: dict[str, list[Load]], streams: int, ours: str) -> dict[str, Any]:
    """Print what was found of each rival, and our ratio to each of the others."""
    found: dict[str, Any] = {name: figures(runs) for name, runs in loads.items()}
    for name in loads:
        print(line(name, streams, found[name]), flush=True)
    for name, runs in loads.items():
        if name != ours:
            found[f"to {name}"] = round(gain(loads[ours], runs), 2)
            print(ratio(f"{ours} / {name}, {streams} streams", gain(loads[ours], runs), 1), flush=True)
    return found


def growth(size: Size) -> dict[str, Any]:
    """What each engine's process has taken at most after all requests, to the most after the first of them."""
    spec, folder, threads = spec_of(SMOLLM2), smollm2_checkpoint(), available_cores()
    found = {}
    for name, one, weights in (
        ("llama.cpp", spec, weights_of(spec)),
        ("transformers", as_checkpoint(spec, folder, "none"), folder),
    ):
        with worker(one, weights, threads, 8) as model:
            many_short(model, size.warm)
            before = peak_memory(model.pid)
            many_short(model, size.requests)
            after = peak_memory(model.pid)
        found[name] = {"before_mb": before >> 20, "after_mb": after >> 20, "requests": size.requests}
        print(ratio(f"{name}: memory after {size.requests} / {size.warm} requests", after, before), flush=True)
    return found


def many_short(model: ChatModel, requests: int) -> None:
    async def rounds() -> None:
        for _ in range(0, requests, 8):
            await load([model], 8, 3)

    asyncio.run(rounds())


SECTIONS = {"llamacpp": against_llama_server, "battle": battle, "transformers": against_generate, "memory": growth}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="everything small, nothing written but to --out")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--runs", type=int, default=Size.runs)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    # A worker's process finds the engines of `plain_generate` by it.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    size = QUICK if arguments.quick else Size(runs=arguments.runs)
    print(f"{machine()}, {processor()}")
    for name in arguments.only:
        print(f"-- {name}", flush=True)
        if name != "llamacpp" and importlib.util.find_spec("torch") is None:
            print("torch isn't installed here; skipped (make bench TORCH=yes)")
            continue
        found = SECTIONS[name](size)
        out = arguments.out or (None if arguments.quick else RESULTS)
        if out:
            record(out, "cpu", f"bench_engines {name}", {"processor": processor(), "figures": found})


if __name__ == "__main__":
    main()
