"""What cleaning 70,000 conversations takes: time, memory, and which rule takes how much of it.

    python tests/bench/bench_cleaning.py [--conversations N] [--workers N]

They are invented: some 3.4 rounds and 1,200 words each, lengths log-normal, words as frequent as Zipf has it; every
third comes as a chat's page in HTML, and some are Chinese, refused, doubled, nearly doubled, or hold a mail address.
The ratio is to reading and writing the same file alone; the shares of the rules are measured in one process on 2,000.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from measured import machine, ratio  # first: it says where all others are

from arena.labels.language import language_of
from models.chat import Message
from models.distill.clean.cleaning import Choice, Cleaned, signatures_of, sketches_of
from models.distill.clean.folder import clean_into
from models.distill.clean.judging import judge_all
from models.distill.clean.rule import Dropped
from models.distill.clean.standard import RULES, Standard
from models.distill.conversation import Conversation, Origin
from models.distill.files import read_conversations, write_conversations

VOCABULARY = 20_000
COMMON = ("the", "of", "and", "to", "in", "is", "that", "it", "as", "for", "was", "with", "be", "by", "on", "not", "he")
SAMPLE = 2000
GOAL = "70,000 in 600 s"
STANDARD = Standard(languages=("en", "zh"), detect=language_of)

Made = TypeVar("Made")


class Invented:
    """Conversations without end, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgkqjxz"
        shares = [1 / (place + 2) for place in range(len(letters))]
        self._words = list(COMMON) + [
            "".join(self._rng.choices(letters, shares, k=self._rng.randint(3, 10))) for _ in range(VOCABULARY)
        ]
        self._upto = list(_sums(1 / (place + 1) for place in range(len(self._words))))

    def __iter__(self) -> Iterator[Conversation]:
        last = self._conversation(0)
        for at in range(10**9):
            kind = self._rng.random()
            fresh = self._conversation(at)
            if kind < 0.03:
                fresh = replace(last, id=fresh.id)
            elif kind < 0.06:
                fresh = replace(last, id=fresh.id, messages=(*last.messages[:-1], self._ended(last.messages[-1])))
            last = fresh
            yield fresh

    def _conversation(self, at: int) -> Conversation:
        paged, chinese = self._rng.random() < 0.33, self._rng.random() < 0.05
        messages = []
        for _ in range(1 + min(15, int(self._rng.expovariate(1 / 2.9)))):
            messages.append(Message("user", self._text(35, chinese)))
            messages.append(Message("assistant", self._answer(paged, chinese)))
        return Conversation(f"c{at:06d}", tuple(messages), Origin("invented", "nobody", "CC0-1.0"))

    def _answer(self, paged: bool, chinese: bool) -> str:
        kind = self._rng.random()
        if kind < 0.01:
            return "I'm sorry, but as an AI language model I cannot help with that."
        parts = [self._text(60, chinese) for _ in range(1 + int(self._rng.expovariate(1 / 4)))]
        if kind < 0.03:
            parts.append(f"Write to {self._rng.choice(self._words)}@{self._rng.choice(self._words)}.org about it.")
        code = "\n".join(f"    {word} = {word}(1)" for word in self._drawn(20)) if kind > 0.85 else ""
        if not paged:
            return "\n\n".join([*parts, f"```python\n{code}\n```"] if code else parts)
        body = "".join(f"<p>{part} <code>x</code></p><ul><li>{part[:40]}</li></ul>" for part in parts)
        body += f'<pre><code class="hljs language-python">{code}</code></pre>' if code else ""
        return f'<div class="markdown prose w-full break-words dark:prose-invert light">{body}</div>'

    def _text(self, mean: int, chinese: bool) -> str:
        count = max(3, int(self._rng.lognormvariate(0, 0.8) * mean / 1.38))
        if chinese:
            return "".join(chr(0x4E00 + int(self._rng.paretovariate(0.7)) % 3000) for _ in range(count)) + "\u3002"
        return " ".join(self._drawn(count)).capitalize() + "."

    def _drawn(self, count: int) -> list[str]:
        return self._rng.choices(self._words, cum_weights=self._upto, k=count)

    def _ended(self, message: Message) -> Message:
        return replace(message, text=f"{message.text} {' '.join(self._drawn(4))}.")


def _sums(shares: Iterator[float]) -> Iterator[float]:
    total = 0.0
    for share in shares:
        total += share
        yield total


def timed(work: Callable[[], Made]) -> tuple[float, Made]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


def shares(conversations: tuple[Conversation, ...]) -> dict[str, float]:
    """The share of the time that each rule takes, and what is reckoned for all of them, in one process."""
    taken: defaultdict[str, float] = defaultdict(float)
    rules = STANDARD()
    for one in conversations:
        for name, rule in rules.texts:
            seconds, verdict = timed(lambda rule=rule, one=one: rule(one))  # type: ignore[misc]
            taken[name] += seconds
            if isinstance(verdict, Dropped):
                break
            one = verdict
    kept = judge_all(STANDARD, conversations).kept
    taken["near"], _ = timed(lambda: signatures_of(kept))
    taken["held-out"], _ = timed(lambda: sketches_of(kept))
    return {name: spent / sum(taken.values()) for name, spent in taken.items()}


class Measured(NamedTuple):
    """Seconds of reading and writing alone, of cleaning by the clock and of processors; bytes read."""

    copying: float
    seconds: float
    processors: float
    size: int
    found: Cleaned


def cleaned_in(folder: Path, count: int, workers: int) -> Measured:
    collected = folder / "collected.jsonl"
    write_conversations(collected, islice(Invented(1), count))
    copying, _ = timed(lambda: write_conversations(folder / "copy.jsonl", list(read_conversations(collected))))
    before = processor_seconds()
    seconds, found = timed(lambda: clean_into(folder / "data", [collected], STANDARD, Choice(), workers))
    return Measured(copying, seconds, processor_seconds() - before, collected.stat().st_size, found)


def processor_seconds() -> float:
    """Of this process and those that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_bytes(workers: int) -> int:
    """At most: this process at its largest, and each worker as large as the largest of them."""
    own, theirs = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + workers * theirs) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=70_000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    print(machine())
    taken = shares(tuple(islice(Invented(2), min(SAMPLE, asked.conversations))))
    with tempfile.TemporaryDirectory() as folder:
        run = cleaned_in(Path(folder), asked.conversations, asked.workers)
    found = run.found
    print(f"{found.read} conversations, {run.size / 1e6:.0f} MB, {asked.workers} processes")
    print(f"{run.seconds:.1f} s, {found.read / run.seconds:.0f} conversations a second (goal: {GOAL})")
    print(f"{run.processors:.1f} s of processors, the workers' beginning included")
    print(f"at most {peak_bytes(asked.workers) / 2**30:.2f} GiB of memory (goal: below 4)")
    print(ratio("cleaning / reading and writing alone", run.seconds, run.copying))
    print(f"{len(found.train)} to train on, {len(found.held_out)} held out; the largest group has {found.clusters[0]}")
    dropped = Counter(one.rule for one in found.dropped)
    for name in RULES:
        told = f"{dropped[name]:>7} dropped, {found.changed.get(name, 0):>7} changed"
        print(f"  {name:<10} {taken.get(name, 0.0):6.1%} of the time, {told}")


if __name__ == "__main__":
    main()
