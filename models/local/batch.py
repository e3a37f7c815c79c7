"""All running requests of one model advance together, one token a step; newcomers' prompts are read in between.

transformers has a batcher of its own. Ours is here because that one (5.23) shares one sampling among all requests,
drops the repetition penalty, knows no seeds, and never tells a handler that its request was cancelled; each of
these would change a contestant or hang a visitor. On a CPU both are equally fast.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import torch

from models.chat import Done, Failed
from models.local.answering import Answering
from models.local.sampler import Sampler
from models.local.timeline import Timeline


class Forward(Protocol):
    """The logits [rows, vocabulary] behind the last column of `tokens` [rows, columns]; writes them into `timeline`."""

    def __call__(self, tokens: torch.Tensor, timeline: Timeline) -> torch.Tensor: ...


@dataclass
class Spent:
    """Seconds so far: in the model (sampling included), and in everything around it."""

    model: float = 0.0
    around: float = 0.0


class Batch:
    """Runs requests in a thread of its own once it is started; until then whoever calls `advance` runs them.

    `prompt_tokens` bounds what of prompts is read between two steps.
    """

    def __init__(
        self, forward: Forward, *, layers: int, vocabulary: int, device: torch.device, prompt_tokens: int
    ) -> None:
        self.spent = Spent()
        self._forward = forward
        self._layers = layers
        self._vocabulary = vocabulary
        self._device = device
        self._prompt_tokens = prompt_tokens
        self._waiting: deque[Answering] = deque()
        self._arrived = threading.Condition()
        self._timeline = Timeline(layers)
        self._taken: list[Answering] = []
        self._readings: deque[_Reading] = deque()
        self._running: list[Answering] = []
        self._last: torch.Tensor
        self._clear()

    def start(self) -> None:
        threading.Thread(target=self._run, name="batch", daemon=True).start()

    def join(self, request: Answering) -> None:
        with self._arrived:
            self._waiting.append(request)
            self._arrived.notify()

    def answer(self, request: Answering) -> Done | Failed:
        """Join the batch and wait for the end."""
        self.join(request)
        request.over.wait()
        return request.end or Failed("the batch ended")

    @torch.inference_mode()
    def advance(self) -> None:
        """One round: a piece of a prompt, and a token for every running request. Waits while there is none at all."""
        if trouble := self._one_round():
            self._give_up(trouble)

    def _run(self) -> None:
        try:
            while True:
                self.advance()
        except BaseException:  # nobody knows what state this left: a new process begins anew
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    def _one_round(self) -> str:
        """A piece of a prompt and a step; what went wrong, where it is a lack of memory."""
        try:
            self._gather()
            if self._readings:
                self._read(self._readings.popleft())
            if self._running:
                self._step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return f"out of memory: {str(error).splitlines()[0][:200]}"
        return ""

    def _gather(self) -> None:
        """Take in who waits, in groups whose prompts are read together; sleeps while there is nothing to do at all."""
        self._taken = [request for request in self._taken if request.end is None]
        with self._arrived:
            while not (self._waiting or self._readings or self._running):
                self._arrived.wait()
            newcomers = [request for request in self._waiting if not request.left()]
            self._waiting.clear()
            self._taken += newcomers
        while newcomers:
            group, newcomers = self._group(newcomers)
            self._readings.append(_Reading(group, self._layers, self._device))

    def _group(self, requests: list[Answering]) -> tuple[list[Answering], list[Answering]]:
        """The first of these whose prompts, padded to one length, are read at once, and the others."""
        count, longest = 1, len(requests[0].prompt)
        for request in requests[1:]:
            longest = max(longest, len(request.prompt))
            if longest * (count + 1) > self._prompt_tokens:
                break
            count += 1
        return requests[:count], requests[count:]

    def _read(self, reading: _Reading) -> None:
        """The next columns of a group's prompts; with the last ones the group begins to answer."""
        if all(request.left() for request in reading.requests):
            return
        began = time.perf_counter()
        logits = self._forward(reading.next(self._prompt_tokens), reading.timeline)
        if not reading.complete:
            self._readings.append(reading)  # whoever else is read has a turn first
            return
        self._timeline.adopt(reading.timeline)
        newcomers = Sampler([request.chance for request in reading.requests], self._vocabulary, self._device)
        tokens = newcomers.draw(logits)
        before = len(self._running)
        self._running += reading.requests
        self._sampler.join(newcomers)
        self._hand_out(tokens, began, first=before)

    def _step(self) -> None:
        began = time.perf_counter()
        self._timeline.prepare(1)
        logits = self._forward(self._last[:, None], self._timeline)
        self._hand_out(self._sampler.draw(logits), began, first=0)

    def _hand_out(self, tokens: torch.Tensor, began: float, first: int) -> None:
        """Give each request from row `first` on its token, and take out whoever has ended or left."""
        self._last = torch.cat([self._last[:first], tokens])
        numbers = tokens.tolist()  # waits for the device
        computed = time.perf_counter()
        for request, number in zip(self._running[first:], numbers, strict=True):
            if not request.left():
                request.take_safely(number)
        for row in reversed(range(len(self._running))):  # a removed row's place goes to one that was looked at
            if self._running[row].end is not None:
                self._remove(row)
        self.spent.model += computed - began
        self.spent.around += time.perf_counter() - computed

    def _remove(self, row: int) -> None:
        self._timeline.remove(row)
        self._sampler.remove(row)
        self._last[row] = self._last[-1]
        self._last = self._last[:-1]
        self._running[row] = self._running[-1]
        self._running.pop()

    def _give_up(self, why: str) -> None:
        """Fail whoever is in the batch; those that wait have their turn with the memory that is free now."""
        for request in self._taken:
            if request.end is None:
                request.close(Failed(why))
        self._clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _clear(self) -> None:
        for timeline in (self._timeline, *(reading.timeline for reading in self._readings)):
            timeline.clear()
        self._taken, self._running = [], []
        self._readings.clear()
        self._sampler = Sampler([], self._vocabulary, self._device)
        self._last = torch.zeros(0, dtype=torch.long, device=self._device)


class _Reading:
    """A group of prompts on their way in: padded on the left to one length, read some columns at a time."""

    def __init__(self, requests: list[Answering], layers: int, device: torch.device) -> None:
        self.requests = requests
        length = max(len(request.prompt) for request in requests)
        rows = [[0] * (length - len(request.prompt)) + list(request.prompt) for request in requests]
        self._tokens = torch.tensor(rows, device=device)
        self.timeline = Timeline(layers, [length - len(request.prompt) for request in requests])
        self.timeline.prepare(length)

    @property
    def complete(self) -> bool:
        width: int = self._tokens.shape[1]
        return self.timeline.end == width

    def next(self, most: int) -> torch.Tensor:
        """The next columns, `most` tokens over all rows at most (but one column at least)."""
        end = self.timeline.end
        return self._tokens[:, end : end + max(1, most // len(self.requests))]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Accelerators have an error of their own for it, a CPU has words alone."""
    named: bool = isinstance(error, torch.OutOfMemoryError)
    return named or "can't allocate memory" in str(error)
