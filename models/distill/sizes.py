"""The shape of a model of which only the size is told: that of a published one, the nearest in size."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Final

from models.distill.flops import Shape, shape_of
from models.distill.problem import DistillProblem

_UNITS: Final = {"M": 1e6, "B": 1e9}
# From the config.json of each: hidden, layers, heads, heads of keys, feed-forward width, vocabulary, tied tables.
_PUBLISHED: Final = {
    "135M": ("SmolLM2 135M", 576, 30, 9, 3, 1536, 49152, True),
    "360M": ("SmolLM2 360M", 960, 32, 15, 5, 2560, 49152, True),
    "0.5B": ("Qwen2.5 0.5B", 896, 24, 14, 2, 4864, 151936, True),
    "1.1B": ("TinyLlama 1.1B", 2048, 22, 32, 4, 5632, 32000, False),
    "1.5B": ("Qwen2.5 1.5B", 1536, 28, 12, 2, 8960, 151936, True),
    "1.7B": ("SmolLM2 1.7B", 2048, 24, 32, 32, 8192, 49152, True),
    "3B": ("Qwen2.5 3B", 2048, 36, 16, 2, 11008, 151936, True),
    "7B": ("LLaMA 7B", 4096, 32, 32, 32, 11008, 32000, False),
    "8B": ("Llama 3.1 8B", 4096, 32, 32, 8, 14336, 128256, False),
    "13B": ("LLaMA 13B", 5120, 40, 40, 40, 13824, 32000, False),
    "14B": ("Qwen2.5 14B", 5120, 48, 40, 8, 13824, 152064, False),
    "32B": ("Qwen2.5 32B", 5120, 64, 40, 8, 27648, 152064, False),
    "65B": ("LLaMA 65B", 8192, 80, 64, 64, 22016, 32000, False),
    "70B": ("Llama 3.1 70B", 8192, 80, 64, 8, 28672, 128256, False),
}


def shape_named(size: str) -> Shape:
    """The shape of a model of `size`, such as "13B" or "500M".

    Of another size than the published ones, the nearest one's with its parameters scaled: attention, the only part
    that depends on more than their number, is a few hundredths. Raises `DistillProblem` for what is no size.
    """
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([MB])", size.strip().upper())
    wanted = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not wanted:
        raise DistillProblem(f"'{size}' is no size of a model; write it as 13B, 1.5B or 500M.")
    if (known := _PUBLISHED.get(size.strip().upper())) is not None:
        return _shape(*known)
    near = min((_shape(*one) for one in _PUBLISHED.values()), key=lambda one: abs(math.log(one.parameters / wanted)))
    scale = wanted / near.parameters
    return replace(
        near,
        name=f"{near.name} scaled to {size.strip().upper()}",
        parameters=round(wanted),
        embedding=round(near.embedding * scale),
    )


def _shape(
    name: str, hidden: int, layers: int, heads: int, key_heads: int, inner: int, vocabulary: int, tied: bool
) -> Shape:
    config = {
        "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": key_heads, "intermediate_size": inner, "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
    }  # fmt: skip
    return shape_of(config, name)
