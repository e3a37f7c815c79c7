"""Engines for comparison: transformers' own `generate`, in the same process, weights and types as ours.

Imported in a worker's process alone, as `plain_generate:OneAfterAnother` and so on.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from streams import TELL
from transformers import TextIteratorStreamer

from models.chat import Done, Failed
from models.local.engine import Question
from models.local.transformers import TransformersEngine

COPIES, COPIED = 20, {"cuda": 1 << 30, "cpu": 1 << 27, "mps": 1 << 28}  # bytes


class Telling(TransformersEngine):
    """Our engine, which can also be asked about itself."""

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        if question.conversation != TELL:
            return super().answer(question, emit, stopped)
        device = self.loaded.model.device
        around, model = self.batch.spent.around, self.batch.spent.model
        told = {
            "around_share": around / (around + model) if model else 0.0,
            "weights_read": _read_a_step(self.loaded.model),
            "bandwidth": _bandwidth(device),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "device_peak": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
        }
        emit(json.dumps(told))
        return Done("stop", 0)


class AllAtOnce(Telling):
    """A thread with `generate` and a streamer for each answer, as FastChat's worker does it."""

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        if question.conversation == TELL:
            return super().answer(question, emit, stopped)
        prompt = torch.tensor([self.loaded.words.prompt(question.messages)], device=self.loaded.model.device)
        streamer = TextIteratorStreamer(self.loaded.words._tokenizer, skip_prompt=True, timeout=600)
        made: list[torch.Tensor] = []
        thread = threading.Thread(target=self._generate, args=(prompt, question, streamer, made))
        thread.start()
        for text in _texts(streamer):
            emit(text)
        thread.join()
        if not made:
            return Failed("generate failed")
        return Done("length", made[0].shape[1] - prompt.shape[1], prompt.shape[1])

    def _generate(self, prompt: Any, question: Question, streamer: Any, made: list[torch.Tensor]) -> None:
        try:
            with torch.inference_mode():
                made.append(
                    self.loaded.model.generate(
                        prompt,
                        attention_mask=torch.ones_like(prompt),
                        do_sample=False,
                        max_new_tokens=question.sampling.max_tokens,
                        streamer=streamer,
                    )
                )
        finally:
            streamer.end()


class OneAfterAnother(AllAtOnce):
    """Plain `generate`: whoever comes second waits until the first one's answer has ended."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._alone = threading.Lock()

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        with self._alone:
            return super().answer(question, emit, stopped)


def _texts(streamer: TextIteratorStreamer) -> Iterator[str]:
    return (text for text in streamer if text)


def _read_a_step(model: Any) -> int:
    """Bytes of weights that one step must read: all but an embedding of which it looks up a row."""
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    looked_up = 0 if head is embedding else embedding.numel() * embedding.element_size()
    return int(model.get_memory_footprint()) - looked_up


def _bandwidth(device: torch.device) -> float:
    """Bytes per second that the device's memory moves, read and written, when it copies."""
    source = torch.zeros(COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(COPIES):
        _wait(device)
        began = time.perf_counter()
        target.copy_(source)
        _wait(device)
        seconds.append(time.perf_counter() - began)
    return float(2 * source.numel() / min(seconds))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
