"""The catalogue: a TOML file becomes frozen `ModelSpec`s, those of one line-up or all."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from models.origin import Adapter, Entry, FolderCheckpoint, FolderSource
from models.spec import ModelSpec

DEFAULT_CATALOG = Path(__file__).with_name("catalog.toml")
Placed = TypeVar("Placed", FolderCheckpoint, FolderSource, Adapter)


class CatalogError(Exception):
    """The catalogue can't be used; the message names the file, the entry and the remedy."""


def load_catalog(path: Path = DEFAULT_CATALOG, lineup: str = "", students: Path | None = None) -> tuple[ModelSpec, ...]:
    """Read and check a catalogue file; return who plays in `lineup` (empty: every entry), in the file's order.

    The entries of `students` follow, where that file is there: those that `python -m arena distill register` wrote.
    Raises `CatalogError` for a missing or unreadable file, bad TOML, a missing or unknown field,
    a duplicate id in both files, or fewer than two entries (a battle needs two).
    """
    specs = read_entries(path, "check ARENA_CATALOG")
    if students is not None and students.exists():
        specs += read_entries(students, "let this user read it")
        refuse_duplicates(students, specs)
    if len(specs) < 2:
        raise CatalogError(f"The catalogue {path} needs at least two [[model]] entries; a battle takes two.")
    playing = tuple(spec for spec in specs if not lineup or not spec.lineups or lineup in spec.lineups)
    if len(playing) < 2:
        raise CatalogError(
            f"The catalogue {path} has {len(playing)} of {len(specs)} models in line-up '{lineup}', and a battle takes "
            "two; choose another one with ARENA_LINEUP, or write its name into the lineups of more models."
        )
    return playing


def read_entries(path: Path, remedy: str) -> tuple[ModelSpec, ...]:
    """Every entry of one file, however few. Raises `CatalogError`; `remedy` is for a file that can't be read."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(f"The catalogue {path} can't be read ({error.strerror}); {remedy}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"The catalogue {path} is not valid TOML: {error}.") from error
    entries = document.get("model", [])
    if not isinstance(entries, list):
        raise CatalogError(f"The catalogue {path}: an entry is a [[model]] table.")
    specs = tuple(_read_entry(path, number, entry) for number, entry in enumerate(entries, start=1))
    refuse_duplicates(path, specs)
    return specs


def refuse_duplicates(path: Path, specs: Sequence[ModelSpec]) -> None:
    """Raises `CatalogError` where two have one id or one name."""
    for key in ("id", "name"):
        seen: set[str] = set()
        for value in (str(getattr(spec, key)) for spec in specs):
            if value in seen:
                raise CatalogError(f"The catalogue {path}: two models have the {key} '{value}'; give each its own.")
            seen.add(value)


def _read_entry(path: Path, number: int, entry: object) -> ModelSpec:
    if not isinstance(entry, dict):
        raise CatalogError(f"The catalogue {path}, model number {number}: an entry is a [[model]] table.")
    name = entry.get("id", f"number {number}")
    try:
        spec = ModelSpec.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        known = first.get("ctx", {}).get("expected_tags", "'hub' or 'folder'")
        untold = first["type"].startswith("union_tag")
        what = f"needs a kind, one of {known}" if untold else first["msg"].removeprefix("Value error, ")
        raise CatalogError(f"The catalogue {path}, model {name}: {field + ': ' if field else ''}{what}.") from error
    try:
        return _anchor_folders(spec, path.parent)
    except RuntimeError as error:  # nobody of that name has a home
        raise CatalogError(f"The catalogue {path}, model {name}: {error}; write the folder's whole path.") from error


def _anchor_folders(spec: ModelSpec, folder: Path) -> ModelSpec:
    anchored: dict[str, Entry] = {}
    if isinstance(spec.checkpoint, FolderCheckpoint):
        anchored["checkpoint"] = _anchor(spec.checkpoint, folder)
    if spec.adapter:
        anchored["adapter"] = _anchor(spec.adapter, folder)
    if spec.weights:
        sources = tuple(_anchor(one, folder) if isinstance(one, FolderSource) else one for one in spec.weights.sources)
        anchored["weights"] = spec.weights.model_copy(update={"sources": sources})
    return spec.model_copy(update=anchored)


def _anchor(part: Placed, folder: Path) -> Placed:
    # Absolute: an engine's process works in another folder.
    return part.model_copy(update={"path": str((folder / Path(part.path).expanduser()).absolute())})
