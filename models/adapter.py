"""Adapters: folders in which peft keeps what LoRA adds to a checkpoint; safetensors alone, named by what is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from models.fetch import FetchError
from models.origin import Adapter

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"


def digest(folder: Path) -> str:
    r"""SHA-256 in hex over a line `<SHA-256 of the contents in hex>  <name>\n` for each of the two files, by name.

    It is what `sha256sum adapter_config.json adapter_model.safetensors | sha256sum` prints there.
    Raises `FetchError` for a folder that lacks one of them, or can't be read.
    """
    lines = ""
    for name in (CONFIG, WEIGHTS):
        try:
            with (folder / name).open("rb") as file:
                lines += f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n"
        except OSError as error:
            raise FetchError(f"The adapter {folder} has no {name} that can be read ({error.strerror}).") from error
    return hashlib.sha256(lines.encode()).hexdigest()


def confirm(adapter: Adapter) -> Path:
    """The folder of a LoRA adapter that is what the catalogue means. Raises `FetchError`."""
    folder = Path(adapter.path)
    if (found := digest(folder)) != adapter.digest:
        raise FetchError(
            f"The adapter {folder} has the digest {found} and not the catalogue's {adapter.digest[:12]}…; bring back "
            "the files that were meant, or register it anew."
        )
    if (kind := _kind(folder)) != "LORA":
        raise FetchError(f"The adapter {folder} is of the kind {kind}, and only LoRA is served; train another one.")
    return folder


def _kind(folder: Path) -> str:
    try:
        return str(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["peft_type"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise FetchError(f"The adapter {folder} has a damaged {CONFIG}; bring back a whole one.") from error
