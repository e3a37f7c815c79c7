"""A GGUF file of a LLaMA small enough to make in a test, with a tokenizer of bytes and a chat template."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_words import CHATML, MARKS

gguf = pytest.importorskip("gguf", reason="gguf isn't installed (make test TORCH=yes)")

WIDTH, INNER, KEYS = 32, 48, 16
LINE = "\u010a"  # the byte of a line break, as byte-level tokenizers write it


def tiny_gguf(path: Path, template: str = CHATML) -> Path:
    from tokenizers import pre_tokenizers

    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *MARKS, 2 * LINE]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // 4)
    writer.add_vocab_size(len(letters))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(letters)
    writer.add_token_types(
        [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * len(MARKS) + [gguf.TokenType.NORMAL]
    )
    writer.add_token_merges([f"{LINE} {LINE}"])
    writer.add_bos_token_id(letters.index("<|im_start|>"))
    writer.add_eos_token_id(letters.index("<|im_end|>"))
    if template:
        writer.add_chat_template(template)
    for name, numbers in tensors(len(letters)).items():
        writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(words: int) -> dict[str, np.ndarray]:
    """The same weights at every call, by their names in a GGUF file."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (words, WIDTH), "output_norm": (WIDTH,), "output": (words, WIDTH), "blk.0.attn_norm": (WIDTH,),
        "blk.0.ffn_norm": (WIDTH,), "blk.0.attn_q": (WIDTH, WIDTH), "blk.0.attn_k": (KEYS, WIDTH),
        "blk.0.attn_v": (KEYS, WIDTH), "blk.0.attn_output": (WIDTH, WIDTH), "blk.0.ffn_gate": (INNER, WIDTH),
        "blk.0.ffn_up": (INNER, WIDTH), "blk.0.ffn_down": (WIDTH, INNER),
    }  # fmt: skip
    return {f"{name}.weight": rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
