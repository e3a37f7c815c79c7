"""The catalogue's second file: contestants that were taught here, as `python -m arena distill register` wrote them.

It is a catalogue like the other, whose entries may be changed or taken out by hand; its folder names are relative to
its own folder. A running arena reads it again, so it is replaced whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.catalog import CatalogError, read_entries, refuse_duplicates
from models.fetch import locked
from models.spec import ModelSpec


def read_students(path: Path) -> tuple[ModelSpec, ...]:
    """Every entry, in the file's order; none where there is no such file. Raises `CatalogError`."""
    return read_entries(path, "let this user read it") if path.exists() else ()


def enlist(path: Path, *entries: ModelSpec, others: Sequence[ModelSpec] = ()) -> None:
    """Add `entries` at the end of the file, all or none, on the disk when it returns; what is there stays as it is.

    `others` are the first file's: no id and no name may be there twice. Safe beside other processes that enlist.
    Raises `CatalogError` for those, and where the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock"), lambda _: None):
            refuse_duplicates(path, [*others, *read_students(path), *entries])
            before = path.read_text(encoding="utf-8").rstrip() + "\n\n" if path.exists() else ""
            _replace(path, before + "\n".join(map(as_toml, entries)))
    except OSError as error:
        raise CatalogError(f"The catalogue {path} can't be written ({error.strerror}); make room or let us.") from error


def base_of(student: ModelSpec, specs: Sequence[ModelSpec]) -> ModelSpec | None:
    """The entry that `student` was taught from, served alike: what it is compared with. None where it is not there."""
    return next((spec for spec in specs if student.base and spec.id == student.base), None)


def as_toml(spec: ModelSpec) -> str:
    """The entry as a `[[model]]` table that reads as `spec` again."""
    told = spec.model_dump(mode="json", exclude_defaults=True)
    # Written out even where they are the defaults: a contestant must not change when those do.
    told |= {"context": spec.context, "sampling": spec.sampling.model_dump(mode="json")}
    return "[[model]]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in told.items())


def _value(value: object) -> str:
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:  # JSON writes texts, numbers and truths as TOML does, but for DEL, which TOML wants escaped
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
