"""What the benches of engines share: many answers at once of any `ChatModel`, what they took, where it is written."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measured import machine, percentile

from models.chat import ChatModel, Done, Failed, Message, Request, Sampling, Text, answer
from models.local.worker import WorkerModel

RESULTS = Path(__file__).with_name("results")
LIBRARIES = ("xllamacpp", "torch", "transformers", "bitsandbytes", "accelerate", "vllm")
SUBJECTS = ("a horse", "a river", "an old clock", "two sisters", "a lighthouse", "a market", "a storm", "a small bird")
TELL = "tell about yourself"  # a conversation of this name is no question
PLACES = ("in a paddock", "by the sea", "in the mountains", "in a big city")


def prompts(count: int) -> list[str]:
    """So many prompts; the first 32 differ."""
    every = [f"Tell me a long story about {subject} {place}." for place in PLACES for subject in SUBJECTS]
    return [every[number % len(every)] for number in range(count)]


@dataclass(frozen=True)
class Load:
    """Answers that were asked for at the same moment: all their tokens, the seconds until the last one ended,
    and when each of them began."""

    tokens: int
    seconds: float
    firsts: tuple[float, ...]

    @property
    def speed(self) -> float:
        return self.tokens / self.seconds


async def load(models: Sequence[ChatModel], streams: int, tokens: int) -> Load:
    """Ask `streams` questions at once, one model after the other in turn, for `tokens` tokens each, greedily.

    Raises `RuntimeError` when one of them fails.
    """
    sampling = Sampling(temperature=0, max_tokens=tokens)
    requests = [
        Request(models[number % len(models)], [Message("user", prompt)], sampling, number)
        for number, prompt in enumerate(prompts(streams))
    ]
    clock = asyncio.get_running_loop().time
    began = clock()
    ends = await asyncio.gather(*(_end(request) for request in requests))
    seconds = clock() - began
    tokens_of = [end.tokens for end in ends if end.tokens is not None]
    assert len(tokens_of) == len(ends), "an engine did not tell how many tokens it generated"
    return Load(sum(tokens_of), seconds, tuple(end.first_token_seconds or 0 for end in ends))


async def _end(request: Request) -> Done:
    async for event in answer(request):
        match event:
            case Done():
                return event
            case Failed():
                raise RuntimeError(event.detail)
    raise RuntimeError("an answer has no end")


def alternate(rivals: Mapping[str, Sequence[ChatModel]], streams: int, tokens: int, runs: int) -> dict[str, list[Load]]:
    """Every rival's loads, one rival after the other in each run, so that a busy machine slows them all."""
    found: dict[str, list[Load]] = {name: [] for name in rivals}
    for _ in range(runs):
        for name, models in rivals.items():
            found[name].append(asyncio.run(load(models, streams, tokens)))
    return found


def speed(loads: Sequence[Load]) -> float:
    """The median run's tokens per second in all."""
    return statistics.median(one.speed for one in loads)


def gain(ours: Sequence[Load], theirs: Sequence[Load]) -> float:
    """How many times as fast we are: the median of the runs' ratios."""
    return statistics.median(one.speed / other.speed for one, other in zip(ours, theirs, strict=True))


def figures(loads: Sequence[Load]) -> dict[str, float]:
    firsts = [first for one in loads for first in one.firsts]
    return {
        "tokens_per_second": round(speed(loads), 2),
        "first_token_p50": round(percentile(firsts, 0.5), 3),
        "first_token_p95": round(percentile(firsts, 0.95), 3),
    }


def line(name: str, streams: int, figures: Mapping[str, float]) -> str:
    first = f"first token p50 {figures['first_token_p50']:7.2f} s  p95 {figures['first_token_p95']:7.2f} s"
    return f"{name:<44} {streams:3} streams {figures['tokens_per_second']:9.1f} tokens/s   {first}"


async def ask_about_itself(model: WorkerModel) -> dict[str, Any]:
    """What an engine of `plain_generate` tells of itself, and its process's `peak` of RAM in bytes."""
    peak = peak_memory(model.pid)
    words = [event.text async for event in model.stream([], Sampling(), 0, TELL) if isinstance(event, Text)]
    return {"peak": peak, **json.loads("".join(words))}


def peak_memory(pid: int) -> int:
    """The most bytes of RAM the process has taken since `forget_peak`, or since it began (Linux); 0 elsewhere."""
    with suppress(FileNotFoundError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
    return 0


def forget_peak(pid: int) -> None:
    """Begin to measure the peak anew: proc(5), clear_refs."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def record(folder: Path, device: str, program: str, figures: Mapping[str, Any]) -> Path:
    """Write what a program found into <folder>/<device>.json, beside what other programs found."""
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', device.lower()).strip('-')}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[program] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "device": device,
        "versions": versions(),
        **figures,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    return path


def versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def processor() -> str:
    """The processor's name, where the system tells it (Linux)."""
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1]
    return "unknown processor"
