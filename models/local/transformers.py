"""Models of the transformers library in this process, all their answers in one batch. Only inside a worker.

Greedy answers are those of `generate`; who else is answered at the same time changes nothing but, where two
tokens are as good as equal, the last digits that decide between them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from models.chat import Done, Failed
from models.local.engine import Footprint, Question, Unusable
from models.local.loaded import LoadedModel
from models.local.loading import best_device, capacity, load, read_config, size
from models.spec import ModelSpec

WORKSPACE = 1.1  # activations, and what the allocator rounds up


class TransformersEngine:
    """One model with `slots` answers at a time."""

    def __init__(self, spec: ModelSpec, weights: Path | None, threads: int, slots: int) -> None:  # noqa: ARG002
        transformers.utils.logging.set_verbosity_error()
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # int8 on a CPU logs a line at every layer
        torch.set_num_threads(threads)
        folder = _folder(spec, weights)
        config = read_config(spec, folder)
        self.loaded = LoadedModel(spec, folder, config, load(spec, folder, config))
        self.batch = self.loaded.batch(best_device())
        self.batch.start()

    @staticmethod
    def needs(spec: ModelSpec, weights: Path | None, slots: int) -> Footprint:
        folder, device = _folder(spec, weights), best_device()
        taken = size(spec, folder, read_config(spec, folder), slots) * WORKSPACE
        return Footprint(str(device), int(taken), capacity(device))

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        """Join the batch until the end, a failure, or `stopped()`."""
        asked = self.loaded.asked(question, emit, stopped)
        return asked if isinstance(asked, Failed) else self.batch.answer(asked)


def _folder(spec: ModelSpec, weights: Path | None) -> Path:
    if weights is None:
        raise Unusable(f"{spec.name} has no folder of weights.")
    return weights
