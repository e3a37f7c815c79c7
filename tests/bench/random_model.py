"""A model of a given shape with weights made at random, for speed only: `python random_model.py SHAPE FOLDER DEVICE`.

The layout is Llama's, the shapes are those of Llama 3.2 1B and 3B and Llama 3.1 8B; its words mean nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# hidden size, width of the feed-forward, layers, heads, of them with keys and values, words, one matrix for both ends
SHAPES: dict[str, tuple[int, int, int, int, int, int, bool]] = {
    "tiny": (256, 512, 4, 4, 2, 4096, True),
    "1b": (2048, 8192, 16, 32, 8, 128256, True),
    "3b": (3072, 8192, 28, 24, 8, 128256, True),
    "8b": (4096, 14336, 32, 32, 8, 128256, False),
}
TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}"


def make(shape: str, folder: Path, device: str) -> None:
    """Write weights (bf16, safetensors), configuration and tokenizer into `folder`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, inner, layers, heads, pairs, words, tied = SHAPES[shape]
    config = LlamaConfig(
        hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=pairs, vocab_size=words, tie_word_embeddings=tied, max_position_embeddings=8192,
        bos_token_id=None, eos_token_id=None, dtype=torch.bfloat16,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = LlamaForCausalLM(config)  # as training begins
    model.save_pretrained(folder)
    tokenizer(words).save_pretrained(folder)


def tokenizer(words: int) -> Any:
    """Every byte is a word, and the others are made up: prompts are read by bytes, answers have words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = alphabet + [f"Ġword{number}" for number in range(words - len(alphabet))]
    made = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(vocabulary)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, chat_template=TEMPLATE)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
