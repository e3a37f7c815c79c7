"""What a GPU is lent for: one or two questions answered side by side, a token each in turn; and its models' loading.

Answering has no thread and takes no lock of the process it was made in, so that a forked process can run it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
import transformers

from models.chat import Done, Event, Failed, Text
from models.local.answering import Answering
from models.local.batch import Batch
from models.local.borrowed import Ask, Round
from models.local.engine import Footprint, Question, Unusable
from models.local.loaded import LoadedModel
from models.local.loading import best_device, capacity, load, read_config, size
from models.spec import ModelSpec


def load_aside(spec: ModelSpec, folder: Path | None) -> tuple[LoadedModel, Footprint]:
    """A model on "cuda", which ZeroGPU pretends to be there until it lends one, and what one answer takes there.

    Raises `Unusable`.
    """
    if folder is None or spec.quantization != "none":
        raise Unusable(
            f"{spec.name}: on ZeroGPU weights stay as they are; "
            'write quantization = "none" in the catalogue, there is room for it.'
        )
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)  # a process must not be forked in which a pool of threads has computed
    config, device = read_config(spec, folder), best_device()
    # transformers loads in threads, which know of no pretence; a whole model is moved in this one.
    model = load(spec, folder, config, torch.device("cpu")).to(device)
    needs = Footprint(str(device), size(spec, folder, config, slots=1), capacity(device))
    return LoadedModel(spec, folder, config, model), needs


class Answerer(Protocol):
    """A loaded model; `models.local.loaded.LoadedModel` is one."""

    def asked(
        self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]
    ) -> Answering | Failed: ...

    def batch(self, device: torch.device) -> Batch: ...


def duel(models: Mapping[str, Answerer], asks: Sequence[Ask]) -> Generator[Round, None, None]:
    """Yield after every round, until each answer has had its one `Done` or `Failed`. Closing it ends the answers.

    Answers know nothing of each other: what goes wrong with one fails it alone.
    """
    sides = [_Side(models[ask.spec_id], ask.question) for ask in asks]
    while not all(side.over for side in sides):
        yield [(number, event) for number, side in enumerate(sides) for event in side.advance()]


class _Side:
    """One answer in a batch of its own."""

    def __init__(self, model: Answerer, question: Question) -> None:
        self.over = False
        self._texts: list[str] = []
        self._batch = model.batch(best_device())
        self._asked: Answering | Failed
        try:
            self._asked = model.asked(question, self._texts.append, lambda: False)
        except Exception as error:  # a template that can't take these messages, say
            self._asked = Failed(f"{type(error).__name__}: {error}")
        if isinstance(self._asked, Answering):
            self._batch.join(self._asked)

    def advance(self) -> list[Event]:
        """What one more round brings; nothing once the answer is over."""
        if self.over:
            return []
        end = self._step()
        events: list[Event] = [Text("".join(self._texts))] if self._texts else []
        self._texts.clear()
        if end is not None:
            self.over = True
            events.append(end)
        return events

    def _step(self) -> Done | Failed | None:
        if isinstance(self._asked, Failed):
            return self._asked
        try:
            self._batch.advance()
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}")
        return self._asked.end
