"""Real weights in the form of safetensors: the default line-up's GGUF files, converted once and kept in the cache.

`python tests/checkpoints.py GGUF FOLDER` converts one file; the process takes the converter's memory with it.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from support import REPO

from models.catalog import load_catalog
from models.fetch import fetch

CACHE = Path.home() / ".cache" / "paddock"
FORM = 1  # raised when `convert` changes what it writes
CONVERT_SECONDS = 1200.0
QUIET = {"PYTHONPATH": str(REPO), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}


def smollm2_checkpoint() -> Path:
    """SmolLM2-135M-Instruct as a folder of safetensors (fp32); skips the test where torch isn't installed."""
    return _checkpoint("smollm2-135m-instruct-q4")


def gemma_checkpoint() -> Path:
    """Gemma-3-270M (base, no chat template) as a folder of safetensors (fp32); skips as above."""
    return _checkpoint("gemma-3-270m-base-q4")


def _checkpoint(contestant: str) -> Path:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        pytest.skip("torch and transformers aren't installed (make test TORCH=yes)")
    weights = next(spec.weights for spec in load_catalog() if spec.id == contestant)
    assert weights
    folder = CACHE / "converted" / f"{weights.sha256}-{FORM}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            gguf = fetch(weights, CACHE / "weights", lambda part: None)
            with tempfile.TemporaryDirectory(prefix="converting-", dir=folder.parent) as scratch:
                made = Path(scratch) / "made"
                command = [sys.executable, __file__, str(gguf), str(made)]
                subprocess.run(command, cwd=REPO, env={**os.environ, **QUIET}, check=True, timeout=CONVERT_SECONDS)
                made.rename(folder)
    return folder


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
