"""How a student is trained: every number that decides what comes out, frozen, so that a run can be repeated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from models.distill.problem import DistillProblem

Method = Literal["lora", "qlora", "full", "dpo"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)


@dataclass(frozen=True)
class Recipe:
    """One way to train. Raises `DistillProblem` for numbers no training can use.

    method: lora (an adapter beside the base as it is), qlora (the same beside the base in NF4), full (all weights),
    dpo (an adapter that prefers the chosen answer of each pair to the rejected one).
    max_steps: steps of the optimizer; 0: as many as `epochs` passes over the data take.
    batch: packs (dpo: pairs) that are computed at one time; each step sums `accumulate` of them.
    context: the most tokens of a pack, and of a conversation.
    rank, alpha, dropout: of the adapter, whose update counts alpha / rank (Hu et al. 2021); targets: its layers.
    warmup: the share of all steps in which the rate rises; then it falls to 0 along a cosine.
    checkpoint_steps: so many steps from one checkpoint to the next.
    quantized: dpo alone: the base is in NF4, as it was for the student of qlora that this goes on from.
    beta: dpo's strength of the pull back to where it began (Rafailov et al. 2023).
    """

    method: Method = "lora"
    epochs: float = 3.0
    max_steps: int = 0
    learning_rate: float = 2e-4
    batch: int = 4
    accumulate: int = 4
    context: int = 2048
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str = "all-linear"
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0
    seed: int = 0
    packing: bool = True
    gradient_checkpointing: bool = True
    checkpoint_steps: int = 50
    quantized: bool = False
    beta: float = 0.1

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DistillProblem(f"Method {self.method!r} is unknown; it is one of {', '.join(METHODS)}.")
        for name in ("learning_rate", "batch", "accumulate", "rank", "alpha", "checkpoint_steps", "clip", "beta"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "more than 0")
        for name in ("dropout", "warmup"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) < 1, "from 0 to below 1")
        for name in ("max_steps", "weight_decay", "seed"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        _check("context", self.context, self.context >= 8, "8 or more")
        _check("epochs", self.epochs, self.epochs > 0 or self.max_steps > 0, "more than 0, or max_steps is")

    @property
    def has_adapter(self) -> bool:
        """Whether the result is an adapter beside the base, and not a model of its own."""
        return self.method != "full"

    @property
    def nf4(self) -> bool:
        """Whether the base is in four bits while it is trained on, and is to be served so."""
        return self.method == "qlora" or (self.method == "dpo" and self.quantized)


def recipe_of(row: Mapping[str, Any], where: str) -> Recipe:
    """The recipe of a JSON object. Raises `DistillProblem` that begins with `where`."""
    known = {field.name for field in dataclasses.fields(Recipe)}
    if unknown := sorted(set(row) - known):
        raise DistillProblem(f"{where}: the recipe's {unknown[0]} is unknown; another version of Paddock wrote it.")
    return Recipe(**row)


def _check(name: str, value: object, right: bool, allowed: str) -> None:
    if not right:
        raise DistillProblem(f"The recipe's {name} is {value}; it must be {allowed}.")


# What one rented GPU does well: the settings of the QLoRA paper (Dettmers et al. 2023) but for its smaller rank.
GPU: Final = Recipe(method="qlora")
# What two cores do in minutes with a model of some hundred million parameters: of little data many small steps.
CPU_TINY: Final = Recipe(
    epochs=2.0, learning_rate=5e-4, batch=1, accumulate=1, context=512, warmup=0.1, packing=False,
    gradient_checkpointing=False,
)  # fmt: skip
RECIPES: Final[Mapping[str, Recipe]] = {"gpu": GPU, "cpu-tiny": CPU_TINY}
