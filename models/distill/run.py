"""What a training was and came to: RUN/run.json, read by whoever registers, prices or compares its student.

RUN/ holds run.json, held_out.json, log.jsonl, loss.svg, loss.png, and the student: adapter/, or model/ (method full).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.distill.conversation import Origin
from models.distill.files import write_text
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe, recipe_of

if TYPE_CHECKING:
    from models.distill.held_out import Loss

RUN_FILE: Final = "run.json"
HELD_OUT_FILE: Final = "held_out.json"
LOG_FILE: Final = "log.jsonl"


@dataclass(frozen=True)
class BaseUsed:
    """The model that was taught: its id in the catalogue, what its weights are (`Base.digest`), its license."""

    id: str
    digest: str
    license: str


@dataclass(frozen=True)
class Start:
    """The adapter a run went on from (empty: it began with the base): the SHA-256 of its weights."""

    run: str
    digest: str


@dataclass(frozen=True)
class DataUsed:
    """What it learnt from: the SHA-256 of the file, its rows, and every origin among them (and its start's)."""

    train: str
    rows: int
    origins: tuple[Origin, ...]


@dataclass(frozen=True)
class Spent:
    """What the training took, its breaks left out, measuring the held-out losses left out.

    tokens: all that went through the model, padding not; counted_tokens: those the loss counts; flops: as
    `models.distill.flops` reckons them; seconds: of the wall clock; joules: None where no driver counts them.
    """

    tokens: int = 0
    counted_tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    devices: int = 1
    device: str = ""
    joules: float | None = None


@dataclass(frozen=True)
class HeldOut:
    """Mean loss on conversations that were held out, in nats per counted token; None: not measured (yet)."""

    before: float | None = None
    after: float | None = None


@dataclass(frozen=True)
class Run:
    """One training. `finished` says that the student in the folder is whole, `digest` what its files are then."""

    folder: Path
    base: BaseUsed
    data: DataUsed
    recipe: Recipe
    versions: Mapping[str, str]
    start: Start | None = None
    spent: Spent = Spent()
    held_out: HeldOut = HeldOut()
    finished: bool = False
    digest: str = ""

    @property
    def student(self) -> Path:
        """The folder of what was trained: an adapter as peft writes it, or a model as transformers does."""
        return self.folder / ("adapter" if self.recipe.has_adapter else "model")


def read_run(folder: Path) -> Run:
    """Raises `DistillProblem` where there is no run, or one that can't be read."""
    path = folder / RUN_FILE
    row = _read(path, "is no folder of a training; `python -m arena distill train` makes one")
    try:
        origins = tuple(Origin(**origin) for origin in row["data"]["origins"])
        return Run(
            folder=folder,
            base=BaseUsed(**row["base"]),
            data=DataUsed(row["data"]["train"], row["data"]["rows"], origins),
            recipe=recipe_of(row["recipe"], str(path)),
            versions=row["versions"],
            start=Start(**row["start"]) if row.get("start") else None,
            spent=Spent(**row["spent"]),
            held_out=HeldOut(**row["held_out"]),
            finished=row["finished"],
            digest=row["digest"],
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise DistillProblem(f"{path} is no record of a training ({error}); train into another folder.") from error


def write_run(run: Run) -> None:
    """Raises `DistillProblem` where the disk is full."""
    row = {name: value for name, value in dataclasses.asdict(run).items() if name != "folder"}
    write_text(run.folder / RUN_FILE, json.dumps(row, ensure_ascii=False, indent=2) + "\n")


def read_held_out(folder: Path) -> tuple[list[Loss], list[Loss]]:
    """The losses of each held-out conversation before and after, in the same order.

    Raises `DistillProblem` where they weren't measured: without held-out conversations, or before the end.
    """
    found = measured(folder)
    if not {"before", "after"} <= found.keys():
        raise DistillProblem(
            f"{folder} has no held-out losses before and after; train to the end with a held_out.jsonl beside the data."
        )
    return found["before"], found["after"]


def measured(folder: Path) -> dict[str, list[Loss]]:
    """The held-out losses that are known by now: "before", and at the end "after"; none is fine."""
    from models.distill.held_out import Loss

    path = folder / HELD_OUT_FILE
    if not path.exists():
        return {}
    try:
        return {name: [Loss(**one) for one in losses] for name, losses in _read(path, "").items()}
    except (TypeError, AttributeError) as error:
        raise DistillProblem(f"{path} holds no losses ({error}); train into another folder.") from error


def write_held_out(folder: Path, losses: Mapping[str, Sequence[Loss]]) -> None:
    """`losses`: those "before", and those "after" once they are known. Raises `DistillProblem`."""
    row = {name: [dataclasses.asdict(one) for one in some] for name, some in losses.items()}
    write_text(folder / HELD_OUT_FILE, json.dumps(row, ensure_ascii=False) + "\n")


def _read(path: Path, missing: str) -> dict[str, Any]:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DistillProblem(f"{path.parent} {missing}.") from error
    except (OSError, ValueError) as error:
        raise DistillProblem(f"{path} can't be read ({error}).") from error
    if not isinstance(row, dict):
        raise DistillProblem(f"{path} is no JSON object; train into another folder.")
    return row
