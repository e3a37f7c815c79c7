"""Our engine on a GPU against what it competes with: two models resident, 1 to 32 answers at a time.

    python tests/bench/bench_gpu.py [--device cuda|cpu] [--shape 1b 3b 8b] [--quantization nf4 none] [--out FOLDER]

Needs no hub and no network: the weights are made at random in the shapes of Llama 3, for speed only.

our engine         two worker processes, the streams divided between them
one after another  plain `generate`; how many wait does not change its tokens per second, so that few are asked
threads            a thread of `generate` with a streamer for each answer, in two processes (FastChat's way)
vLLM               two of its servers, where it is installed, each with 0.42 of the memory
training           QLoRA of the same weights with `distill train`'s own trainer: tokens per second, and the share of the
                   card's peak in bf16 (models/prices.toml) that the model's own FLOPs are
limit              what the memory allows: each step of each model reads its weights once, at the rate of a copy
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measured import machine, ratio
from random_model import SHAPES
from servers import vllm_server
from streams import RESULTS, ask_about_itself, figures, line, load, processor, record

from models.chat import ChatModel
from models.local.cores import available_cores
from models.local.worker import WorkerModel
from models.origin import FolderCheckpoint
from models.spec import ModelSpec

PATIENCE = 1800.0
CONTEXT = 2048
MODELS = 2
VLLM_MEMORY = 0.42  # of the card, for each of them


@dataclass(frozen=True)
class Case:
    """One model, and how it is to be measured: `few` streams are what plain `generate` is asked."""

    shape: str
    quantization: str
    folder: Path
    device: str
    streams: Sequence[int]
    few: Sequence[int]
    tokens: int
    runs: int

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(
            id="random", name=f"Random {self.shape}", engine="transformers", quantization=self.quantization,
            license="none", makers=("us",), context=CONTEXT,
            checkpoint=FolderCheckpoint(kind="folder", path=str(self.folder), digest="0" * 64),
        )  # fmt: skip


@contextmanager
def workers(case: Case, count: int, engine: str) -> Iterator[list[WorkerModel]]:
    """So many processes with the same weights."""
    threads, slots = max(1, available_cores() // count), max(case.streams)
    with ExitStack() as stack:
        found: list[WorkerModel] = []
        for _ in range(count):
            model = WorkerModel(case.spec, case.folder, threads=threads, slots=slots, engine=f"plain_generate:{engine}")
            stack.callback(model.close)
            model.wait_ready(PATIENCE)
            found.append(model)
        yield found


def measure(case: Case, name: str, models: Sequence[ChatModel], counts: Sequence[int]) -> dict[str, Any]:
    """Figures by the number of streams; the first answers warm up and are not counted."""
    asyncio.run(load(models, len(models), 4))
    found: dict[str, Any] = {}
    for streams in counts:
        found[str(streams)] = figures([asyncio.run(load(models, streams, case.tokens)) for _ in range(case.runs)])
        print(line(name, streams, found[str(streams)]), flush=True)
    return found


def our_engine(case: Case) -> dict[str, Any]:
    """Our engine, the limit of the device's memory, and what the batch itself costs."""
    with workers(case, MODELS, "Telling") as models:
        found = measure(case, "our engine", models, case.streams)
        told = [asyncio.run(ask_about_itself(model)) for model in models]
    read, rate = told[0]["weights_read"], told[0]["bandwidth"]
    for streams in case.streams:
        # The models share the memory: while each of them takes a step, it moves the weights of all.
        limit = streams * rate / (read * min(streams, MODELS))
        share = found[str(streams)]["tokens_per_second"] / limit
        found[str(streams)]["of_the_limit"] = round(share, 3)
        print(ratio(f"our engine / the memory's limit, {streams} streams", share, 1))
    around = max(one["around_share"] for one in told)
    print(f"{'around the steps: batch, text, handing over':<52} {around * 100:7.1f} %")
    return {
        "by_streams": found,
        "around_share": round(around, 4),
        "copy_gb_per_second": round(rate / 1e9, 1),
        "weights_read_gb": round(read / 1e9, 3),
        **peaks(told),
    }


def plain(case: Case) -> dict[str, Any]:
    with workers(case, 1, "OneAfterAnother") as models:
        found = measure(case, "one after another", models, case.few)
        return {"by_streams": found, **peaks([asyncio.run(ask_about_itself(model)) for model in models])}


def threads(case: Case) -> dict[str, Any]:
    with workers(case, MODELS, "AllAtOnce") as models:
        found = measure(case, "threads", models, case.streams)
        return {"by_streams": found, **peaks([asyncio.run(ask_about_itself(model)) for model in models])}


def vllm(case: Case) -> dict[str, Any]:
    if case.device == "cpu" or importlib.util.find_spec("vllm") is None:
        print("vLLM: not installed here, or no GPU; skipped")
        return {}
    with ExitStack() as stack:
        for_each = (case.folder, case.quantization, VLLM_MEMORY, CONTEXT, max(case.streams))
        models = [stack.enter_context(vllm_server(*for_each)) for _ in range(MODELS)]
        return {"by_streams": measure(case, "vLLM", models, case.streams)}


def peaks(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The most memory each process has taken, of the machine and of the device."""
    return {
        "peak_mb": [one["peak"] >> 20 for one in told],
        "device_peak_mb": [one["device_peak"] >> 20 for one in told],
    }


def compare(case: Case) -> dict[str, Any]:
    """Everything about one case, with our ratios to the others."""
    print(f"-- {case.shape}, {case.quantization}, random weights, for speed only", flush=True)
    found = {"our engine": our_engine(case), "one after another": plain(case), "threads": threads(case)}
    if by_vllm := vllm(case):
        found["vLLM"] = by_vllm
    mine = found["our engine"]["by_streams"]
    quickest = max(one["tokens_per_second"] for one in found["one after another"]["by_streams"].values())
    for streams, figure in mine.items():
        rivals = {"one after another": quickest}
        for name in ("threads", "vLLM"):
            if theirs := found.get(name, {}).get("by_streams", {}).get(streams):
                rivals[name] = theirs["tokens_per_second"]
        for name, theirs in rivals.items():
            figure[f"to {name}"] = round(figure["tokens_per_second"] / theirs, 2)
            print(ratio(f"our engine / {name}, {streams} streams", figure[f"to {name}"], 1), flush=True)
    return found


def training(shape: str, folder: Path, device: str, tokens: int) -> dict[str, Any]:
    """QLoRA with our training, in a process of its own: tokens a second, and the share of the card's peak it uses."""
    length, batch, steps = (2048, 4, 10) if device == "cuda" else (tokens, 1, 2)
    program = [sys.executable, str(Path(__file__).with_name("train_speed.py")), str(folder), device, "qlora"]
    done = subprocess.run(
        [*program, str(length), str(batch), str(steps)], stdout=subprocess.PIPE, text=True, check=True
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{f'training, qlora, {shape}':<52} {found['tokens_per_second']:8.1f} tokens per second", flush=True)
    if found.get("mfu") is not None:
        print(ratio(f"training, qlora, {shape} / the card's peak in bf16", found["mfu"], 1), flush=True)
    return found


def device_name(device: str) -> str:
    """What the results are filed under."""
    if device == "cpu":
        return "cpu"
    asked = [sys.executable, "-c", "import torch; print(torch.cuda.get_device_name())"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["1b", "3b", "8b"])
    parser.add_argument("--quantization", nargs="+", choices=["nf4", "int8", "none"], default=["nf4", "none"])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 4, 8, 16, 32])
    parser.add_argument("--few", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    # A worker's process finds the engines of `plain_generate` by it.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    if asked.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    device = device_name(asked.device)
    print(f"{machine()}, {processor()}, {device}")
    found: dict[str, Any] = {}
    for shape in asked.shape:
        with tempfile.TemporaryDirectory(prefix="paddock-bench-") as name:
            maker = [sys.executable, str(Path(__file__).with_name("random_model.py")), shape, name, asked.device]
            subprocess.run(maker, check=True)
            for kind in asked.quantization:
                case = Case(shape, kind, Path(name), asked.device, asked.streams, asked.few, asked.tokens, asked.runs)
                found[f"{shape}, {kind}"] = compare(case)
                record(asked.out, device, "bench_gpu", {"processor": processor(), "figures": found})
            found[f"{shape}, training"] = training(shape, Path(name), asked.device, asked.tokens)
            record(asked.out, device, "bench_gpu", {"processor": processor(), "figures": found})


if __name__ == "__main__":
    main()
