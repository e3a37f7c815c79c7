"""Real weights in the form of safetensors: the default line-up's GGUF files, converted once and kept in the cache."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from support import REPO

from models.catalog import load_catalog
from models.distill.conversion import FORM, converted
from models.fetch import fetch
from models.origin import Weights

CACHE = Path.home() / ".cache" / "paddock"
QUIET = {"PYTHONPATH": str(REPO), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}


def smollm2_checkpoint() -> Path:
    """SmolLM2-135M-Instruct as a folder of safetensors (fp32); skips the test where torch isn't installed."""
    return _checkpoint("smollm2-135m-instruct-q4")


def gemma_checkpoint() -> Path:
    """Gemma-3-270M (base, no chat template) as a folder of safetensors (fp32); skips as above."""
    return _checkpoint("gemma-3-270m-base-q4")


def qwen_words() -> Path:
    """The tokenizer of Qwen2.5-Coder-0.5B-Instruct alone, as a folder; skips as above."""
    weights = _weights("qwen2.5-coder-0.5b-instruct-q4")
    from transformers import AutoTokenizer

    folder = CACHE / "converted" / f"{weights.sha256}-{FORM}-words"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            gguf = fetch(weights, CACHE / "weights", lambda part: None)
            with tempfile.TemporaryDirectory(prefix="converting-", dir=folder.parent) as scratch:
                made = Path(scratch) / "made"
                AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(made)
                made.rename(folder)
    return folder


def _checkpoint(contestant: str) -> Path:
    weights = _weights(contestant)
    return converted(fetch(weights, CACHE / "weights", lambda part: None), weights.sha256, CACHE)


def _weights(contestant: str) -> Weights:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        pytest.skip("torch and transformers aren't installed (make test TORCH=yes)")
    weights = next(spec.weights for spec in load_catalog() if spec.id == contestant)
    assert weights
    return weights
