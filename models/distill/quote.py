"""What somebody wants to know the price of → the bill: what they leave open is a run's, or usual."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from models.distill.amount import Amount, assumed_amount, counted_amount
from models.distill.bill import Bill, Teacher
from models.distill.flops import Shape, shape_of
from models.distill.price import UTILISATION, Means, Work, counted
from models.distill.problem import DistillProblem
from models.distill.recipe import Method, Recipe
from models.distill.run import Run, read_run
from models.distill.sizes import shape_named
from models.prices import DevicePrice, Prices
from models.spec import ModelSpec

# What a start-up rents, and what the article's model was trained on.
USUAL_DEVICE: Final = "A100-80GB"
USUAL: Final = Recipe(method="qlora")


@dataclass(frozen=True)
class Wanted:
    """The base by `model_size` ("13B") or its `config` file, the data by number or to be counted, and the means.

    None and empty: as usual, or as in the training `run`.
    """

    model_size: str = ""
    config: Path | None = None
    conversations: int | None = None
    tokens: float | None = None
    data: Path | None = None
    method: Method | None = None
    epochs: float | None = None
    context: int | None = None
    device: str = ""
    devices: int | None = None
    utilisation: float | None = None
    dollars_per_hour: float | None = None
    run: Path | None = None


def bill_of(wanted: Wanted, prices: Prices, teacher: ModelSpec | None, tokens_in: Callable[[str], int]) -> Bill:
    """`teacher`: who answers, to be paid too; `tokens_in` reckons the tokens of a text.

    Raises `DistillProblem` where base or data are not told, and for a device or run that can't be found.
    """
    run = read_run(wanted.run) if wanted.run else None
    recipe = _recipe(wanted, run)
    shape = _shape(wanted, run)
    as_counted = run is not None and not (wanted.data or wanted.conversations or wanted.tokens or wanted.epochs)
    amount = _as_counted(run, recipe) if run and as_counted else _amount(wanted, run, recipe, tokens_in)
    device = _device(wanted, prices, (run.spent.device if run else "") or USUAL_DEVICE)
    work = Work(
        shape, amount.conversations, amount.tokens_each, recipe.epochs, recipe.context, recipe.method,
        recipe.gradient_checkpointing, recipe.rank,
    )  # fmt: skip
    return Bill(
        work=work,
        means=Means(
            device,
            wanted.devices or (run.spent.devices if run else 1),
            wanted.utilisation or UTILISATION[recipe.method],
        ),
        tokens_from=amount.how if as_counted else f"{amount.how}; {recipe.epochs:g} passes over them",
        article=_named(prices, USUAL_DEVICE),
        teacher=_paid(teacher, prices, amount) if teacher else None,
        run=run,
        counted=counted(run.spent, device) if run else None,
        as_counted=as_counted,
    )


def _recipe(wanted: Wanted, run: Run | None) -> Recipe:
    like = run.recipe if run else USUAL
    return replace(
        like,
        method=wanted.method or like.method,
        epochs=wanted.epochs or like.epochs,
        context=wanted.context or like.context,
    )


def _shape(wanted: Wanted, run: Run | None) -> Shape:
    if wanted.config is not None:
        return shape_of(_config(wanted.config), run.base.id if run else "")
    if wanted.model_size:
        return shape_named(wanted.model_size)
    raise DistillProblem("Say which base: its size, as --model-size 13B, or its --config config.json.")


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DistillProblem(f"The config {path} can't be read ({error}); say --model-size instead.") from error
    if not isinstance(config, dict):
        raise DistillProblem(f"The config {path} is no JSON object; say --model-size instead.")
    return config


def _as_counted(run: Run, recipe: Recipe) -> Amount:
    passes = recipe.epochs * (2 if recipe.method == "dpo" else 1)
    each = run.spent.tokens / (max(run.data.rows, 1) * passes)
    return assumed_amount(run.data.rows, each, "as many as the run counted, all passes together")


def _amount(wanted: Wanted, run: Run | None, recipe: Recipe, tokens_in: Callable[[str], int]) -> Amount:
    if wanted.data is not None:
        return counted_amount(wanted.data, tokens_in)
    conversations = wanted.conversations or (run.data.rows if run else 0)
    if not conversations:
        raise DistillProblem("Say what it learns from: a number of --conversations, or a file of them by --data.")
    if wanted.tokens is not None:
        return assumed_amount(conversations, wanted.tokens, f"{wanted.tokens:g} a conversation, as given")
    how = f"as if each conversation filled the context of {recipe.context:,} once (--tokens or --data: yours)"
    return assumed_amount(conversations, recipe.context, how)


def _device(wanted: Wanted, prices: Prices, usual: str) -> DevicePrice:
    device = _named(prices, wanted.device or usual)
    if wanted.dollars_per_hour is None:
        return device
    return replace(device, dollars_per_hour=wanted.dollars_per_hour, as_of=None, source="The price is the one given")


def _named(prices: Prices, name: str) -> DevicePrice:
    device = prices.device(name)
    if device is None:
        # Of a card that is sold in several sizes, those alone.
        sizes = [known for known in prices.devices if known.lower().startswith(name.lower())]
        known = ", ".join(sizes or prices.devices) or "none"
        raise DistillProblem(f"The prices have no device '{name}'; they have {known}. Add a [[device]] of yours.")
    return device


def _paid(teacher: ModelSpec, prices: Prices, amount: Amount) -> Teacher:
    price = prices.of(teacher)
    dollars = None if price is None else price.cost(amount.read, amount.written)
    return Teacher(teacher.name, amount.read, amount.written, dollars, amount.how)
