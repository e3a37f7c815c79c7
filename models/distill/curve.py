"""The losses of a training as a picture: RUN/loss.svg and RUN/loss.png, drawn from its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.distill.files import read_rows, replace_whole
from models.distill.run import LOG_FILE, HeldOut, Run

PICTURES: Final = ("loss.svg", "loss.png")
# The same bytes for the same numbers: matplotlib writes the hour and random ids into an SVG else.
_SETTINGS: Final[Mapping[str, Any]] = {"svg.hashsalt": "paddock", "svg.fonttype": "none", "font.size": 10}


def draw(run: Run) -> None:
    """Loss a step, its running mean, and the held-out losses before the first and after the last one.

    The loss of method dpo is of pairs and no likelihood of tokens, so that held-out losses are no part of its picture.

    Raises `DistillProblem` where the disk is full or the log is damaged.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = [row for _, row in read_rows(run.folder / LOG_FILE)]
    steps, losses = [row["step"] for row in rows], [float(row["loss"]) for row in rows]
    with mpl.rc_context(dict(_SETTINGS)):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(steps, losses, color="#9db4c0", linewidth=0.8, label="training, each step")
        axes.plot(
            steps,
            smoothed(losses, half=min(20.0, max(1.0, len(losses) / 20))),
            color="#253237",
            linewidth=1.6,
            label="training, running mean",
        )
        of_pairs = run.recipe.method == "dpo"
        if not of_pairs:
            _mark(axes, [0, steps[-1] if steps else 0], run.held_out)
        unit = "loss of pairs" if of_pairs else "loss, nats per token"
        axes.set(xlabel="step", ylabel=unit, title=f"{run.base.id}, {run.recipe.method}")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        for name in PICTURES:
            _write(figure, run.folder / name)


def smoothed(losses: Sequence[float], half: float) -> list[float]:
    """The exponential running mean in which a loss weighs half as much `half` steps later, fair from the first on."""
    keep = 0.5 ** (1 / half)
    total = weight = 0.0
    means = []
    for loss in losses:
        total, weight = keep * total + loss, keep * weight + 1.0
        means.append(total / weight)
    return means


def _mark(axes: Any, ends: Sequence[int], held_out: HeldOut) -> None:
    if held_out.before is None:
        return
    known = [(ends[0], held_out.before)] + ([(ends[1], held_out.after)] if held_out.after is not None else [])
    axes.plot(*zip(*known, strict=True), "o", color="#c8553d", label="held out")
    for (step, loss), side in zip(known, ("left", "right"), strict=False):
        where = {"textcoords": "offset points", "xytext": (0, 7), "ha": side}
        axes.annotate(f"{loss:.3f}", (step, loss), color="#c8553d", **where)


def _write(figure: Any, path: Path) -> None:
    kind = path.suffix.removeprefix(".")
    plain = {"Date": None} if kind == "svg" else {"Software": None}
    replace_whole(path, lambda draft: figure.savefig(draft, format=kind, dpi=120, metadata=plain))
