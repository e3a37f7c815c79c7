"""What the catalogue says of a student, and of the base that is served as the student is, to be compared with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from models.distill.base import Base
from models.distill.licenses import student_license
from models.distill.problem import DistillProblem
from models.distill.run import Run
from models.origin import FolderCheckpoint
from models.spec import ModelSpec


@dataclass(frozen=True)
class Wish:
    """How a student is to be called, and kept. `quantization`: empty: as it was trained; of its base too.

    makers: of the student, beside those of its base and of a teacher in the catalogue. url: where more is said of it.
    """

    id: str
    name: str
    merge: bool = False
    quantization: str = ""
    makers: tuple[str, ...] = ()
    url: str = ""


def check_wish(wish: Wish) -> None:
    """Raises `DistillProblem` for an id or a name that no entry can have."""
    rest = {"engine": "scripted", "quantization": "none", "license": "none", "makers": ("anybody",)}
    _checked({"id": wish.id, "name": wish.name, **rest})


def served_quantization(run: Run, wish: Wish) -> str:
    """What was trained beside four bits is served beside four bits; merged into whole weights it is served whole."""
    return wish.quantization or ("nf4" if run.recipe.nf4 and not wish.merge else "none")


def base_entry(run: Run, base: Base, wish: Wish, specs: Sequence[ModelSpec]) -> tuple[ModelSpec, bool]:
    """The base served as the student will be, and whether none of `specs` is that yet. Raises `DistillProblem`."""
    spec = base.spec
    checkpoint = spec.checkpoint or FolderCheckpoint(kind="folder", path=str(base.folder), digest=base.digest)
    if isinstance(checkpoint, FolderCheckpoint):  # it is told from another folder now
        checkpoint = checkpoint.model_copy(update={"path": str(Path(checkpoint.path).absolute())})
    entry = _checked(
        {
            "id": f"{spec.id[:30]}-base-of-{wish.id}"[:64],
            "name": f"{spec.name[:36]}, base of {wish.name}"[:80],
            "engine": "transformers",
            "quantization": served_quantization(run, wish),
            "license": spec.license,
            "makers": spec.makers,
            "plays": False,
            "url": spec.url,
            "context": spec.context,
            "prompt_template": spec.prompt_template,
            "checkpoint": checkpoint,
            "sampling": spec.sampling,
        }
    )
    alike = next((one for one in specs if one.identity == entry.identity), None)
    return (alike, False) if alike else (entry, True)


def student_entry(
    run: Run, kept_base: ModelSpec, wish: Wish, specs: Iterable[ModelSpec], parts: Mapping[str, object]
) -> ModelSpec:
    """The student, served as `kept_base` is. `parts`: its own `adapter` or `checkpoint`. Raises `DistillProblem`."""
    return _checked(
        {
            "id": wish.id,
            "name": wish.name,
            "engine": kept_base.engine,
            "quantization": kept_base.quantization,
            "license": _shown(student_license(run.base.license, run.data.origins)),
            "makers": _makers(run, kept_base, wish, specs),
            "base": kept_base.id,
            "url": wish.url,
            "context": kept_base.context,
            "prompt_template": kept_base.prompt_template,
            "checkpoint": kept_base.checkpoint,
            "sampling": kept_base.sampling,
            **parts,
        }
    )


def _shown(license_text: str) -> str:
    """On one line, without what means something in Markdown or HTML: data names its own teachers and licenses."""
    harmless = "".join(" " if letter in "<>[]*`|\\" or not letter.isprintable() else letter for letter in license_text)
    return " ".join(harmless.split())


def _makers(run: Run, kept_base: ModelSpec, wish: Wish, specs: Iterable[ModelSpec]) -> tuple[str, ...]:
    """A teacher's too: a judge may favour its pupils as it does its kin."""
    taught = {origin.teacher.casefold() for origin in run.data.origins}
    teachers = [spec for spec in specs if taught & {spec.id.casefold(), spec.name.casefold()}]
    return tuple(dict.fromkeys([*wish.makers, *kept_base.makers, *(one for spec in teachers for one in spec.makers)]))


def _checked(told: Mapping[str, object]) -> ModelSpec:
    try:
        return ModelSpec.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        what = f"{field} {told.get(field)!r} can't be" if field in told else "entry can't be as it is"
        raise DistillProblem(
            f"The student's {what} ({first['msg'].removeprefix('Value error, ')}); choose another one."
        ) from error
