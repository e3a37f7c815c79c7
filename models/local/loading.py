"""How a checkpoint of safetensors is loaded: on which device, in which type, quantized how, and how large it gets."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PretrainedConfig, PreTrainedModel

from models.local.adapted import adapt, adapter_bytes
from models.local.engine import Unusable
from models.local.memory import available_memory
from models.local.timeline import ROWS
from models.spec import QUANTIZATIONS, ModelSpec

# Bytes a linear layer takes a weight: four bits with doubly quantized scales (QLoRA, Dettmers et al. 2023), or eight.
_BYTES = {"nf4": 0.52, "int8": 1.01}
_MADE_HERE = ("nf4", "int8", "none")
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


@functools.cache
def best_device() -> torch.device:
    """The GPU with the most free memory, else what this machine has; the same at every call."""
    if torch.cuda.is_available():
        free = [torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count())]
        return torch.device("cuda", free.index(max(free)))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def capacity(device: torch.device) -> int:
    """Bytes this device has in all."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return int(torch.mps.recommended_max_memory()) if device.type == "mps" else available_memory()


def read_config(spec: ModelSpec, folder: Path) -> PretrainedConfig:
    """The checkpoint's configuration. Raises `Unusable` where it needs code of its own, or our batch can't run it."""
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError) as error:
        raise Unusable(f"{spec.name}: its configuration can't be read ({_first_line(error)}).") from error
    _check_positions(spec, config.get_text_config())
    kinds = set(getattr(config.get_text_config(), "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if kinds:
        raise Unusable(
            f"{spec.name} has layers ({', '.join(sorted(kinds))}) that engine transformers can't batch; "
            "use a GGUF file with engine llamacpp, or an endpoint."
        )
    return config


def load(
    spec: ModelSpec, folder: Path, config: PretrainedConfig, device: torch.device | None = None
) -> PreTrainedModel:
    """The model, quantized and adapted as the catalogue says, on `device` (None: `best_device()`). Raises `Unusable`.

    Its numbers' type is that for `best_device()`, wherever it lies meanwhile.
    """
    device = device or best_device()
    if not list(folder.glob("*.safetensors")):
        raise Unusable(f"{spec.name}: {folder} holds no safetensors; pickled weights are never loaded.")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=_dtype(spec, config), device_map={"": device}, use_safetensors=True,
            trust_remote_code=False, quantization_config=_made_here(spec, config),
        )  # fmt: skip
    except (ImportError, ValueError, NotImplementedError) as error:
        raise Unusable(
            f"{spec.name}: quantization '{spec.quantization}' can't be done on this {device.type} "
            f"({_first_line(error)}); it can do {', '.join(_possible())}."
        ) from error
    return adapt(spec, model.eval())


def size(spec: ModelSpec, folder: Path, config: PretrainedConfig, slots: int) -> int:
    """Bytes of the weights as they will be quantized, an adapter's too, and of a cache in which every slot is full.

    The batch makes room for rows in steps of `ROWS`, and one more is copied when it joins.
    """
    text, width = config.get_text_config(), _dtype(spec, config).itemsize
    rows = -(-slots // ROWS) * ROWS + 1
    cache = _numbers_a_token(text) * width * spec.context * rows
    return int(cache + adapter_bytes(spec) + sum(_weight(spec, name, entry, width) for name, entry in _tensors(folder)))


def _numbers_a_token(text: PretrainedConfig) -> int:
    """Of keys and values, in all layers."""
    if hasattr(text, "qk_rope_head_dim"):  # DeepSeek's latent attention, unfolded
        size = text.qk_nope_head_dim + text.qk_rope_head_dim + text.v_head_dim
        return int(text.num_hidden_layers * text.num_attention_heads * size)
    layers: Sequence[Any] = list(getattr(text, "per_layer_config", None) or [text] * text.num_hidden_layers)
    return sum(2 * _heads(layer) * _head_size(layer) for layer in layers)


def _heads(layer: Any) -> int:
    return int(getattr(layer, "num_key_value_heads", None) or layer.num_attention_heads)


def _head_size(layer: Any) -> int:
    return int(getattr(layer, "head_dim", None) or layer.hidden_size // layer.num_attention_heads)


def _weight(spec: ModelSpec, name: str, entry: dict[str, Any], width: int) -> float:
    numbers = functools.reduce(lambda a, b: a * b, entry["shape"], 1)
    begin, end = entry["data_offsets"]
    if spec.quantization not in _MADE_HERE:
        return float(end - begin)
    quantized = len(entry["shape"]) == 2 and not any(part in name for part in ("embed", "wte", "wpe", "lm_head"))
    return numbers * (_BYTES.get(spec.quantization, width) if quantized else width)


def _tensors(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Name, shape and place of every tensor, from the headers alone (https://github.com/huggingface/safetensors)."""
    found = []
    for path in sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        found += [(name, entry) for name, entry in header.items() if name != "__metadata__"]
    return found


def _made_here(spec: ModelSpec, config: PretrainedConfig) -> BitsAndBytesConfig | None:
    """What bitsandbytes is told; None where the weights stay, or are already, as they are."""
    already = _already(config)
    if already and already != spec.quantization:
        remedy = (
            f'write quantization = "{already}" in the catalogue' if already in QUANTIZATIONS else "take another one"
        )
        raise Unusable(f"{spec.name}: the checkpoint is already quantized ({already}); {remedy}.")
    if already:
        return None
    if spec.quantization in _BYTES and any(getattr(config.get_text_config(), name, None) for name in _EXPERTS):
        raise Unusable(
            f'{spec.name}: bitsandbytes leaves the experts of a mixture as they are; write quantization = "none", '
            "or take a checkpoint that is quantized already."
        )
    if spec.quantization == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=_dtype(spec, config),
        )  # fmt: skip
    if spec.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    if spec.quantization != "none":
        raise Unusable(
            f"{spec.name}: the checkpoint is not quantized with '{spec.quantization}'; this machine can make of it "
            f"{', '.join(_possible())}."
        )
    return None


def _check_positions(spec: ModelSpec, text: PretrainedConfig) -> None:
    """Some rotary embeddings depend on the longest request of a batch; neighbours must not change an answer."""
    rope: dict[str, Any] = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    for rules in [rope, *(rules for rules in rope.values() if isinstance(rules, dict))]:
        limit = {
            "longrope": rules.get("original_max_position_embeddings")
            or getattr(text, "original_max_position_embeddings", None),
            "dynamic": getattr(text, "max_position_embeddings", None),
        }.get(str(rules.get("rope_type", rules.get("type", ""))))
        if limit and spec.context > limit:
            raise Unusable(
                f"{spec.name}: beyond {limit} tokens its positions depend on the longest request in the batch; "
                f"write context = {limit} or less in the catalogue."
            )


def _already(config: PretrainedConfig) -> str:
    """The catalogue's name for how a checkpoint is quantized; empty for one that is not."""
    told: Any = getattr(config, "quantization_config", None) or {}
    told = told if isinstance(told, dict) else told.to_dict()
    method = str(told.get("quant_method", ""))
    if method == "bitsandbytes" or told.get("load_in_4bit") or told.get("load_in_8bit"):
        return "int8" if told.get("load_in_8bit") else str(told.get("bnb_4bit_quant_type", "fp4"))
    return method


def _dtype(spec: ModelSpec, config: PretrainedConfig) -> torch.dtype:
    """A processor without bf16 in silicon is slowest in it (AVX2: a third of float32's speed); a GPU is quickest."""
    device = best_device()
    if device.type == "cpu":
        return torch.float32
    own = getattr(config, "dtype", None) or torch.bfloat16
    if device.type == "cuda" and own == torch.bfloat16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return own if own != torch.float32 or spec.quantization == "none" else torch.bfloat16


def _possible() -> tuple[str, ...]:
    from transformers.utils import is_bitsandbytes_available

    return _MADE_HERE if is_bitsandbytes_available() else ("none",)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
