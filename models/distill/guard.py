"""What stops a training: numbers that are none, and going on with something else than what it began with."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path

from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.run import Run, Start, read_run
from models.distill.weights import check_student


def check_finite(step: int, loss: float, grad_norm: float | None, kept: Path | None) -> None:
    """Raises `DistillProblem` where the loss or the gradient of a step is infinite or no number.

    `kept` is the last good checkpoint, which the sentence names.
    """
    for what, value in (("loss", loss), ("gradient", grad_norm)):
        if value is not None and not math.isfinite(value):
            good = f"the last good checkpoint is kept in {kept}" if kept else "there was no checkpoint yet"
            raise DistillProblem(
                f"The {what} became {value} at step {step}, so the training stopped; {good}. Train into another "
                "folder with a lower --learning-rate."
            )


def check_same(before: Run, now: Run) -> None:
    """Raises `DistillProblem` where a run would go on with another base, data, recipe or start than it began with."""
    pairs = (
        ("base", before.base, now.base),
        ("data", before.data, now.data),
        ("recipe", before.recipe, now.recipe),
        ("start", before.start, now.start),
    )
    for what, was, wanted in pairs:
        if was != wanted:
            raise DistillProblem(
                f"{before.folder} was begun with another {what} ({_difference(was, wanted)}); "
                "go on with what it was begun with, or train into another folder."
            )


def started(folder: Path, recipe: Recipe, base_digest: str) -> tuple[Start, Recipe]:
    """The adapter to go on from, and the recipe with that adapter's size.

    Raises `DistillProblem` where the run in `folder` has no whole adapter, or one of another base or precision.
    """
    run = read_run(folder)
    if not run.finished or not run.recipe.has_adapter:
        raise DistillProblem(f"{folder} has no finished adapter to start from; train it to the end with lora or qlora.")
    check_student(run)
    if run.base.digest != base_digest:
        raise DistillProblem(f"The adapter in {folder} was made for {run.base.id}; name that one as --base.")
    if not recipe.has_adapter:
        raise DistillProblem(
            f"Method full trains no adapter, so it can't start from {folder}; take lora, qlora or dpo."
        )
    if recipe.method == "dpo":
        recipe = dataclasses.replace(recipe, quantized=run.recipe.nf4)
    if recipe.nf4 != run.recipe.nf4:
        raise DistillProblem(f"The adapter in {folder} was made by {run.recipe.method}; go on with that method or dpo.")
    of_adapter = {name: getattr(run.recipe, name) for name in ("rank", "alpha", "dropout", "targets")}
    weights = run.student / "adapter_model.safetensors"
    return Start(folder.absolute().name, digest_of(weights)), dataclasses.replace(recipe, **of_adapter)


def digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises `DistillProblem` where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DistillProblem(f"{path} can't be read ({error.strerror}).") from error


def _difference(was: object, wanted: object) -> str:
    """The first field that differs, before and now."""
    if dataclasses.is_dataclass(was) and dataclasses.is_dataclass(wanted):
        for field in dataclasses.fields(was):
            one, other = getattr(was, field.name), getattr(wanted, field.name)
            if one != other:
                return f"{field.name} {_short(one)}, now {_short(other)}"
    return f"{_short(was)}, now {_short(wanted)}"


def _short(value: object) -> str:
    text = str(value) if value is not None else "none"
    return text if len(text) <= 40 else text[:37] + "…"
