"""The files of a Hugging Face Space: this checkout as git tracks it, without what only developers need."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

# The newest that ZeroGPU lists; its Python 3.12 is the README's. Read in huggingface/hub-docs,
# docs/hub/spaces-zerogpu.md ("Supported Versions": 2.8.0, 2.9.1, 2.10.0, 2.11.0).
ZERO_GPU = "zero-a10g"
ZERO_GPU_TORCH = "torch==2.11.0"

_DEVELOPERS_ONLY = ("tests", ".ci", "deploy")
_TORCH = "requirements-torch.txt"
_SERVES_NOTHING = ("trl",)  # trains; a Space does not
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class SpaceProblem(Exception):
    """A Space can't be made or updated; the message is one sentence without the token."""


def space_files(checkout: Path, hardware: str) -> dict[str, bytes]:
    """Path in the Space → content: what git tracks in `checkout`, its requirements fit for `hardware`.

    Raises `SpaceProblem` where `checkout` is no git checkout of an arena.
    """
    files = {
        name: (checkout / name).read_bytes()
        for name in _tracked(checkout)
        if PurePosixPath(name).parts[0] not in _DEVELOPERS_ONLY and (checkout / name).is_file()
    }
    if missing := {"README.md", "app.py", "requirements.txt", _TORCH} - files.keys():
        raise SpaceProblem(f"{checkout} tracks no {', '.join(sorted(missing))}; run this in a clone of Paddock.")
    ours, torch = (files[name].decode() for name in ("requirements.txt", _TORCH))
    files["requirements.txt"] = requirements(ours, torch, hardware).encode()
    return files


def requirements(ours: str, torch: str, hardware: str) -> str:
    """The Space's requirements.txt from our two, as text: with torch only beside a GPU, pinned on ZeroGPU."""
    if hardware.startswith("cpu-"):
        return ours
    lines = [line for line in torch.splitlines() if _package(line) and _package(line) not in _SERVES_NOTHING]
    if hardware == ZERO_GPU:
        lines = [ZERO_GPU_TORCH if _package(line) == "torch" else line for line in lines]
    return "\n".join([ours.rstrip(), f"# For {hardware}:", *lines]) + "\n"


def _package(line: str) -> str:
    """The package that a line of requirements asks for; empty for comments and options."""
    match = _NAME.match(line)
    return match[0].lower() if match and not line.startswith("-") else ""


def _tracked(checkout: Path) -> Sequence[str]:
    try:
        done = subprocess.run(["git", "-C", checkout, "ls-files", "-z"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SpaceProblem(f"{checkout} is no git checkout; clone Paddock with git and run this there.") from error
    return [name for name in done.stdout.decode().split("\0") if name]
