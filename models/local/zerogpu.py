"""Models on a Space with ZeroGPU: loaded in this process, answering in one that Hugging Face lends a GPU for seconds.

What the package `spaces` (0.51) asks of us: models are put on "cuda" in the main thread before Gradio's `launch`,
which packs them; the lent function is a plain generator, takes and yields what can be pickled, and runs in a forked
process; it is called with the visitor's request in the context, whose daily quota it counts against. A battle is one
call: two would wait for two GPUs, and be counted twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from models.catalog import CatalogError
from models.checkpoint import bring
from models.fetch import FetchError
from models.local.borrowed import Ask, BorrowedModel, Gpu, Round, Task
from models.local.engine import Footprint, Unusable
from models.local.worker import LoadRefused
from models.spec import ModelSpec

# What a loan is asked for, in seconds: to move the weights there, and for each token of either answer. A loan that
# ends too early voids the battle; one that ends late costs the visitor nothing but must fit into what is left today.
START_SECONDS = 10.0
TOKEN_SECONDS = 0.05
MOST_SECONDS = 120

log = logging.getLogger("paddock.zerogpu")
Lend = Callable[..., Callable[[Task], Task]]
LoadAside = Callable[[ModelSpec, Path | None], tuple[Any, Footprint]]


def seconds(asks: Sequence[Ask]) -> int:
    """For how long the GPU is asked for."""
    tokens = sum(ask.question.sampling.max_tokens for ask in asks)
    return min(MOST_SECONDS, round(START_SECONDS + tokens * TOKEN_SECONDS))


class ZeroGpu:
    """All models of engine transformers, loaded when this is made: in the main thread, before Gradio's `launch`."""

    def __init__(self, specs: Sequence[ModelSpec], cache: Path, lend: Lend | None = None) -> None:
        """Fetch what is not in `cache`, which may take minutes. `lend` is `spaces.GPU` where nothing else is given.

        What can't be loaded does not keep the others from it; `resident` tells. Raises `CatalogError` where what
        all of them need is not installed.
        """
        models: dict[str, Any] = {}
        self._needs: dict[str, Footprint] = {}
        self._troubles: dict[str, str] = {}
        try:
            lend = lend or import_module("spaces").GPU  # before torch: it must be there when CUDA is first touched
            work = import_module("models.local.duel")
        except ModuleNotFoundError as error:
            raise CatalogError(
                f"ZeroGPU needs {error.name}, which is not installed; add requirements-torch.txt to what this Space "
                "installs, or choose other hardware."
            ) from error
        for spec in filter(self.takes, specs):
            self._load(spec, cache, models, work.load_aside)

        def battle(asks: tuple[Ask, ...]) -> Generator[Round, None, None]:
            yield from work.duel(models, asks)

        self._gpu = Gpu(lend(duration=seconds)(battle))

    def takes(self, spec: ModelSpec) -> bool:
        """Whether this is a model for the GPU; the others have their own processes on this machine's CPU."""
        return spec.engine == "transformers"

    def resident(self, spec: ModelSpec) -> BorrowedModel:
        """Raises `LoadRefused` where it could not be loaded: nothing can be after the start."""
        if trouble := self._troubles.get(spec.id):
            raise LoadRefused(f"{trouble} Restart this Space once that is put right.")
        return BorrowedModel(spec, self._gpu, self._needs[spec.id])

    def _load(self, spec: ModelSpec, cache: Path, models: dict[str, Any], load: LoadAside) -> None:
        log.info("%s: loading", spec.name)
        try:
            folder = bring(spec.checkpoint, cache, _Told(spec)) if spec.checkpoint else None
            models[spec.id], self._needs[spec.id] = load(spec, folder)
        except (FetchError, Unusable) as error:
            self._fail(spec, str(error))
        except (RuntimeError, OSError) as error:  # no memory, a file that can't be read
            self._fail(spec, f"{spec.name} could not be loaded ({type(error).__name__}: {error}).")

    def _fail(self, spec: ModelSpec, trouble: str) -> None:
        log.warning("%s", trouble)
        self._troubles[spec.id] = trouble


class _Told:
    """Logs every tenth of a download."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._tenths = 0

    def __call__(self, part: float) -> None:
        if int(part * 10) > self._tenths:
            self._tenths = int(part * 10)
            log.info("%s: fetched %.0f %%", self._spec.name, part * 100)
