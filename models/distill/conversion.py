"""A GGUF file as a folder of fp32 safetensors, converted once and kept.

`python -m models.distill.conversion GGUF FOLDER` converts; as a process of its own it takes its memory with it.

<home>/converted/<SHA-256 of the file>-<FORM>        this name appears only when the folder is whole
<home>/converted/<SHA-256 of the file>-<FORM>.lock   one process converts, the others wait for it
<home>/converted/<SHA-256 of the file>-<FORM>.part   what is on its way
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from filelock import FileLock

from models.distill.files import cannot_write
from models.distill.problem import DistillProblem

FORM: Final = 1  # raised when `convert` changes what it writes
SECONDS: Final = 3600.0


def converted(gguf: Path, sha256: str, home: Path) -> Path:
    """The folder with the weights, the configuration and the tokenizer of `gguf`. Raises `DistillProblem`."""
    folder = home / "converted" / f"{sha256}-{FORM}"
    draft = folder.with_name(f"{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
                try:
                    _run(gguf, draft)
                    draft.rename(folder)
                finally:
                    shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise DistillProblem(cannot_write(folder, error)) from error
    return folder


def _run(gguf: Path, draft: Path) -> None:
    command = [sys.executable, "-m", __name__, str(gguf.absolute()), str(draft.absolute())]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parents[2], capture_output=True, text=True, errors="replace", timeout=SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DistillProblem(
            f"{gguf.name} was not converted to safetensors within {SECONDS:.0f} s; take a base with [model.checkpoint]."
        ) from error
    if done.returncode:
        raise DistillProblem(f"{gguf.name} can't be converted to safetensors ({_why(done, draft.parent)}.")


def _why(done: subprocess.CompletedProcess[str], home: Path) -> str:
    """Reason and remedy."""
    if done.returncode < 0:
        return f"signal {-done.returncode} ended it, perhaps for want of memory); take a smaller base"
    said = (done.stderr.strip().splitlines() or ["it did not say why"])[-1][:300]
    if "No space left" in said:
        return f"{said}); make room on the disk of {home}"
    return f"{said}); take a base with [model.checkpoint]"


def convert(gguf: Path, folder: Path) -> None:
    """Write the weights of `gguf` in fp32, its configuration and its tokenizer into `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers takes it for quantized still, and refuses to save it
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
