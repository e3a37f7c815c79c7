"""A finished training becomes a contestant: its weights, its card and its record in a folder, then its entry.

<students>/<id>/adapter/ or model/      the weights, with README.md (the model card) and loss.png
<students>/<id>/run.json, held_out.json, log.jsonl, loss.svg      what the training wrote
<students>.toml                         its entry, and its base's where no other is served as the student is

All of it is made in a folder of another name and renamed when it is whole; the entry comes last, so that a kill or a
full disk leaves no half of a student.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.catalog import CatalogError
from models.distill.base import Base
from models.distill.card import CARD, Card, card
from models.distill.entries import Wish, base_entry, check_wish, served_quantization, student_entry
from models.distill.files import cannot_write
from models.distill.problem import DistillProblem
from models.distill.run import HELD_OUT_FILE, LOG_FILE, RUN_FILE, Run
from models.distill.weights import keep_adapter, keep_model, room_for, settle
from models.fetch import locked
from models.origin import Adapter, FolderCheckpoint
from models.prices import DevicePrice
from models.spec import ModelSpec
from models.students import base_of, enlist, read_students

_RECORDS: Final = (RUN_FILE, HELD_OUT_FILE, LOG_FILE, "loss.svg")
_CURVE: Final = "loss.png"
_UNMADE: Final = "0" * 64  # a digest before there is anything to name


@dataclass(frozen=True)
class Registered:
    """`base` is served as the student is; `weights` holds the card too; `new`: it was not there before."""

    student: ModelSpec
    base: ModelSpec
    weights: Path
    new: bool


def register(
    run: Run, base: Base, wish: Wish, students: Path, catalog: Sequence[ModelSpec], device: DevicePrice | None = None
) -> Registered:
    """Make the student of `run` a contestant: entries in the file `students`, all else in the folder beside it.

    `catalog` are the entries of the first file; `device` says what the training's hours cost. Whoever is registered
    already from this same run stays as it is. Raises `DistillProblem` for a run that is not finished or of another
    base, an id or name that is taken, and a disk without room; nothing of a student is left then.
    """
    _check(run, base, wish)
    home = students.parent / "students"
    with _writing(home):
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / ".lock", lambda _: None):
            specs = [*catalog, *read_students(students)]
            if (found := _there(run, wish, specs, home)) is not None:
                return found
            kept_base, is_new = base_entry(run, base, wish, specs)
            making = _Making(run, base, wish, kept_base, specs)
            _make_room(making, home)
            entry = making.into(home, device)
            try:
                enlist(students, entry, *([kept_base] if is_new else []), others=catalog)
            except CatalogError:
                shutil.rmtree(home / wish.id)
                raise
        student = next(spec for spec in read_students(students) if spec.id == wish.id)
    return Registered(student, kept_base, home / wish.id / making.part, new=True)


def _check(run: Run, base: Base, wish: Wish) -> None:
    check_wish(wish)
    if not run.finished:
        raise DistillProblem(
            f"The training in {run.folder} is not finished; run the same `distill train` again, it goes on."
        )
    if base.spec.adapter:
        raise DistillProblem(
            f"{base.spec.id} has an adapter, and another can't be put on top of it; register it with --merge and "
            "train that, or train on from its run."
        )
    if base.digest != run.base.digest:
        raise DistillProblem(
            f"The student in {run.folder} was made of {run.base.id} with the digest {run.base.digest[:12]}…, and "
            f"{base.spec.id} has {base.digest[:12]}… now; bring back the weights it was made of, or train it again."
        )
    if wish.merge and not run.recipe.has_adapter:
        raise DistillProblem(f"All weights were trained in {run.folder}, so there is no adapter; leave out --merge.")


def _there(run: Run, wish: Wish, specs: Sequence[ModelSpec], home: Path) -> Registered | None:
    """Who is registered under this id already, where that is this student. Raises `DistillProblem` where not."""
    student = next((spec for spec in specs if spec.id == wish.id), None)
    if student is None:
        if any(spec.name == wish.name for spec in specs):
            raise DistillProblem(f"There is a model called '{wish.name}' already; give this one another --name.")
        return None
    base, merged = base_of(student, specs), run.recipe.has_adapter and student.adapter is None
    as_wished = (student.name, merged) == (wish.name, wish.merge)
    as_wished = as_wished and student.quantization == served_quantization(run, wish)
    if base is not None and as_wished and _is_of(run, home / wish.id):
        return Registered(student, base, home / wish.id / ("adapter" if student.adapter else "model"), new=False)
    raise DistillProblem(f"The id {wish.id} is taken by {student.name}; give this student another --id.")


def _is_of(run: Run, folder: Path) -> bool:
    """Whether a student's folder was made of `run`."""
    record = folder / RUN_FILE
    return record.exists() and record.read_bytes() == (run.folder / RUN_FILE).read_bytes()


@dataclass(frozen=True)
class _Making:
    """One student on its way into the catalogue; `kept_base` is the entry it is compared with."""

    run: Run
    base: Base
    wish: Wish
    kept_base: ModelSpec
    specs: Sequence[ModelSpec]

    @property
    def part(self) -> str:
        """Its weights' folder."""
        return "adapter" if self.run.recipe.has_adapter and not self.wish.merge else "model"

    def into(self, home: Path, device: DevicePrice | None) -> ModelSpec:
        """Make its folder in `home`, whole or not at all; its entry. Raises `DistillProblem`, `OSError`."""
        scratch = home / f".{self.wish.id}.{secrets.token_hex(4)}.part"
        scratch.mkdir()
        try:
            entry = self._fill(scratch, device)
            settle(scratch)
            if (home / self.wish.id).exists():  # of a kill just before its entry, as `_make_room` saw
                shutil.rmtree(home / self.wish.id)
            scratch.rename(home / self.wish.id)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return entry

    def entry(self, digest: str) -> ModelSpec:
        """With folders as the students' file names them. Raises `DistillProblem`."""
        part = {"path": f"students/{self.wish.id}/{self.part}", "digest": digest}
        own = {"adapter": part} if self.part == "adapter" else {"checkpoint": {"kind": "folder", **part}}
        return student_entry(self.run, self.kept_base, self.wish, self.specs, own)

    def _fill(self, scratch: Path, device: DevicePrice | None) -> ModelSpec:
        weights = scratch / self.part
        is_adapter = self.part == "adapter"
        entry = self.entry(keep_adapter(self.run, weights) if is_adapter else keep_model(self.run, self.base, weights))
        for name in _RECORDS:
            _copy(self.run.folder / name, scratch)
        curve = _CURVE if _copy(self.run.folder / _CURVE, weights) else ""
        text = card(Card(entry, self.base.spec, self.run, device, curve))
        (weights / CARD).write_text(text, encoding="utf-8")
        return entry


def _make_room(making: _Making, home: Path) -> None:
    """See that the student can be, before minutes are spent on it. Raises `DistillProblem`."""
    making.entry(_UNMADE)
    folder = home / making.wish.id
    users = " and ".join(_users(folder, making.specs))
    if users or (folder.exists() and not _is_of(making.run, folder)):
        held = f"the weights of {users}" if users else "what another training made"
        raise DistillProblem(f"{folder} holds {held}; give this student another --id.")
    for left in home.glob(".*.part"):  # of a kill
        shutil.rmtree(left)
    needed, free = room_for(making.run, making.base, making.part == "model"), shutil.disk_usage(home).free
    if free < needed:
        raise DistillProblem(
            f"The student takes {needed / 1e9:.1f} GB and {home} has {free / 1e9:.1f} GB left; make room there."
        )


def _users(folder: Path, specs: Sequence[ModelSpec]) -> list[str]:
    """The ids of entries, renamed by hand perhaps, whose weights lie in `folder`."""
    used = [(spec.id, part) for spec in specs for part in (spec.adapter, spec.checkpoint)]
    inside = folder.resolve()
    return [
        name
        for name, part in used
        if isinstance(part, Adapter | FolderCheckpoint) and Path(part.path).resolve().is_relative_to(inside)
    ]


def _copy(path: Path, folder: Path) -> bool:
    """Whether there was anything to copy."""
    if path.exists():
        shutil.copyfile(path, folder / path.name)
    return path.exists()


@contextmanager
def _writing(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DistillProblem(cannot_write(home, error)) from error
    except CatalogError as error:
        raise DistillProblem(str(error)) from error
