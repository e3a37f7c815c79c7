"""A model with what it was taught beside its own weights: a LoRA adapter, kept apart from them as it was trained."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from models.adapter import WEIGHTS, confirm
from models.fetch import FetchError
from models.local.engine import Unusable
from models.origin import Adapter
from models.spec import ModelSpec


def adapt(spec: ModelSpec, model: PreTrainedModel) -> PreTrainedModel:
    """The model with the adapter of its entry, if that has one. Raises `Unusable` for an adapter of another model.

    By peft, which keeps what was learnt in fp32 as it was trained and measured; transformers would round it to the type
    of the weights, as merging would. Its class stays what it was, so that a batch runs it as it runs any other.
    """
    if spec.adapter is None:
        return model
    from peft import PeftConfig, PeftModel

    folder = _folder(spec.adapter, spec.name)
    try:
        taught = PeftModel(model, PeftConfig.from_pretrained(folder))
        loaded = taught.load_adapter(folder, "default", torch_device=str(model.device))
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, SafetensorError) as error:  # a size that differs, no such layers, a cut file
        raise _unfit(spec, str(error).strip().partition("\n")[0][:200]) from error
    if strange := sorted({*loaded.unexpected_keys, *loaded.missing_keys}):
        raise _unfit(spec, f"{strange[0]} has no counterpart")
    return model.eval()


def adapter_bytes(spec: ModelSpec) -> int:
    """What the adapter takes beside the weights; it keeps its own type. Raises `Unusable`."""
    return (_folder(spec.adapter, spec.name) / WEIGHTS).stat().st_size if spec.adapter else 0


def _folder(adapter: Adapter, name: str) -> Path:
    try:
        return confirm(adapter)
    except FetchError as error:
        raise Unusable(f"{name}: {error}") from error


def _unfit(spec: ModelSpec, why: str) -> Unusable:
    return Unusable(f"{spec.name}: its adapter does not fit its checkpoint ({why}); name the one it was trained on.")
