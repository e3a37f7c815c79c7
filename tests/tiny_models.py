"""Small models with random weights: their words mean nothing, their arithmetic is that of the large ones."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
pytest.importorskip("transformers", reason="transformers isn't installed (make test TORCH=yes)")

VOCABULARY = 97
WINDOW = 8
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
    "eos_token_id": 1, "bos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


def llama() -> Any:
    """Every layer sees everything."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return _made(LlamaForCausalLM, LlamaConfig(**SHAPE, initializer_range=0.3))


def gemma() -> Any:
    """Two of three layers see only the last `WINDOW` tokens."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    config = Gemma3TextConfig(**SHAPE, sliding_window=WINDOW, layer_types=layers, initializer_range=0.3)
    return _made(Gemma3ForCausalLM, config)


def of_family(name: str, **more: Any) -> Any:
    """One of a family as transformers names it ("Granite", "Phi3")."""
    import transformers

    config = getattr(transformers, f"{name}Config")(**SHAPE, initializer_range=0.3, **more)
    return _made(getattr(transformers, f"{name}ForCausalLM"), config)


def _made(kind: Any, config: Any) -> Any:
    torch.manual_seed(7)
    return kind(config).double().eval()


def logits(model: Any, tokens: list[int]) -> Any:
    """What plain transformers says comes after `tokens`: logits [vocabulary]."""
    with torch.inference_mode():
        return model(torch.tensor([tokens])).logits[0, -1]
