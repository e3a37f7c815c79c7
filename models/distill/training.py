"""One training from files to files: base and data → RUN/, which goes on where a kill stopped it.

Held-out losses before → steps with checkpoints → the student's folder from the last one → held-out losses after.
"""

from __future__ import annotations

import json
import logging
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from math import isfinite
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from models.distill.base import Base
from models.distill.checkpoints import FOLDER, Checkpoint, newest
from models.distill.conversation import Origin
from models.distill.curve import draw
from models.distill.files import Lines, cannot_write, read_rows, write_rows
from models.distill.flops import shape_of, training_flops
from models.distill.guard import check_same, started
from models.distill.held_out import losses, mean
from models.distill.lessons import HELD_OUT_FILE as HELD_OUT
from models.distill.lessons import encoded, held_out_rows, read_lessons
from models.distill.loading import (
    device,
    device_name,
    free_memory,
    load_base,
    load_student,
    quietly,
    settle,
    with_adapter,
    within_memory,
)
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.run import (
    LOG_FILE,
    RUN_FILE,
    BaseUsed,
    HeldOut,
    Run,
    Spent,
    measured,
    read_run,
    write_held_out,
    write_run,
)
from models.distill.tally import Tally
from models.distill.template import Encoder, Row
from models.distill.weights import student_digest
from models.energy import Counter

# What it is doing in a few words, and the share of it that is done, 0 to 1.
Told = Callable[[str, float], None]

log = logging.getLogger("paddock.distill")

_LIBRARIES: Final = ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes")


@dataclass(frozen=True)
class Lesson:
    """What is asked for: teach `base` the `data` (see `lessons.read_lessons`) into the folder `out`.

    start: a run whose adapter it goes on from. license: of preferences. counter: joules, where a driver tells.
    """

    base: Base
    data: Path
    out: Path
    recipe: Recipe
    start: Path | None = None
    license: str = ""
    counter: Counter | None = None


def train(lesson: Lesson, told: Told) -> Run:
    """Train, or go on, or find it done; the record of the finished run.

    Raises `DistillProblem` where the inputs can't be used, differ from those it began with, the loss is no number any
    more, or the disk or the GPU's memory is full; the last good checkpoint stays.
    """
    with _alone(lesson.out), quietly(), within_memory():
        told("Reading the conversations", 0.0)
        run, lessons = _begun(lesson)
        if run.finished:
            return run
        encoder = Encoder(lesson.base.folder, lesson.base.template)
        told("Making tokens of them", 0.0)
        examples, rows = encoded(lessons, encoder, run.recipe), held_out_rows(lessons, encoder)
        kind = device()
        _learn(lesson, run, (encoder, examples, rows), kind, told)
        return _finish(lesson, run, rows, kind, told)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise DistillProblem(
            f"{out} is being trained by another process; wait for it, or take another --out."
        ) from error
    except OSError as error:
        raise DistillProblem(cannot_write(out, error)) from error


def _begun(lesson: Lesson) -> tuple[Run, Any]:
    """The record of this run, new or as it was begun, and what it learns from."""
    base, recipe, start = lesson.base, lesson.recipe, None
    inherited: tuple[Origin, ...] = ()
    if lesson.start is not None:
        start, recipe = started(lesson.start, recipe, base.digest)
        inherited = read_run(lesson.start).data.origins
    lessons = read_lessons(lesson.data, recipe, lesson.license, inherited)
    run = Run(
        folder=lesson.out,
        base=BaseUsed(base.spec.id, base.digest, base.spec.license),
        data=lessons.used,
        recipe=recipe,
        versions=_versions(),
        start=start,
    )
    if (lesson.out / RUN_FILE).exists():
        before = read_run(lesson.out)
        check_same(before, run)
        return before, lessons
    write_run(run)
    return run, lessons


def _learn(lesson: Lesson, run: Run, learnt: tuple[Encoder, Any, Sequence[Row]], kind: str, told: Told) -> None:
    """Measure the losses before, and take the steps that are missing."""
    from models.distill.trainers import Work, steps_of, trainer_of

    encoder, examples, rows = learnt
    last = newest(run.folder / FOLDER)
    steps = steps_of(len(examples), run.recipe)
    if last and last.step >= steps:
        return
    told("Loading the base", 0.0)
    model = load_base(lesson.base.folder, run.recipe, kind)
    if lesson.start is not None:
        model = with_adapter(model, read_run(lesson.start).student, trained=True)
    if rows and "before" not in measured(run.folder):
        told("Measuring the held-out losses before", 0.0)
        before = losses(model, rows, kind)
        mean(before)  # held-out rows of which nothing counts are told now and not after hours
        write_held_out(run.folder, {"before": before})
    _cut_log(run.folder / LOG_FILE, last)
    spent = replace(last.spent if last else Spent(), device=device_name(kind))
    tally = Tally(spent, _flops(lesson.base.folder, run.recipe), lesson.counter)

    def stepped(step: int, steps: int, loss: float) -> None:
        told(f"Training: step {step} of {steps}, loss {loss:.3f}", step / steps)

    with Lines(run.folder / LOG_FILE) as log:
        work = Work(run.folder, model, encoder.tokenizer, run.recipe, examples, kind, tally, log, stepped)
        trainer = trainer_of(work)
        tally.begin()
        trainer.train(resume_from_checkpoint=str(last.folder) if last else None)


def _finish(lesson: Lesson, run: Run, rows: Sequence[Row], kind: str, told: Told) -> Run:
    """Make the student of the last checkpoint and measure what lies in its folder, not what was in memory."""
    last = newest(run.folder / FOLDER)
    if last is None:
        raise DistillProblem(f"{run.folder / FOLDER} lost its last checkpoint; run it again.")
    settle(last.folder, run.student, run.recipe, _known_as(lesson.base))
    held_out = _held_out_after(lesson.base, run, rows, kind, told) if rows else HeldOut()
    done = replace(run, spent=last.spent, held_out=held_out, finished=True, digest=student_digest(run))
    draw(done)
    write_run(done)
    shutil.rmtree(run.folder / FOLDER)
    return done


def _held_out_after(base: Base, run: Run, rows: Sequence[Row], kind: str, told: Told) -> HeldOut:
    told("Measuring the held-out losses after", 0.0)
    free_memory()
    known = measured(run.folder)
    known["after"] = losses(load_student(base.folder, run.student, run.recipe, kind), rows, kind)
    before, after = ([(one.id, one.tokens) for one in known[name]] for name in ("before", "after"))
    if before != after:
        raise DistillProblem(
            f"What is held out is not what was measured before the training; put the former {HELD_OUT} back, or train "
            "into another folder."
        )
    held_out = HeldOut(mean(known["before"]), mean(known["after"]))
    if not isfinite(held_out.after or 0.0):
        raise DistillProblem(f"The student's held-out loss is {held_out.after}; train with a lower --learning-rate.")
    write_held_out(run.folder, known)
    return held_out


def _cut_log(path: Path, last: Checkpoint | None) -> None:
    """Forget the steps after the checkpoint: they are taken again."""
    with Lines(path):
        """Opening it removes a line that a kill cut off."""
    write_rows(path, [row for _, row in read_rows(path) if row["step"] <= (last.step if last else 0)])


def _flops(base: Path, recipe: Recipe) -> Callable[[float, float], float]:
    """FLOPs of tokens that meet so many in attention; of a shape that can't be reckoned (experts): 0."""
    config: Mapping[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    try:
        shape = shape_of(config)
    except DistillProblem as problem:
        log.warning("FLOPs are not counted: %s", problem)
        shape = None

    def flops(tokens: float, length: float) -> float:
        if shape is None:
            return 0.0
        return training_flops(shape, tokens, length, recipe.method, recipe.gradient_checkpointing, recipe.rank)

    return flops


def _known_as(base: Base) -> str:
    """What others call the base: its repository, else its id in the catalogue."""
    checkpoint = base.spec.checkpoint
    return checkpoint.id if checkpoint is not None and checkpoint.kind == "hub" else base.spec.id


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found
