"""Tokenizers small enough to make in a test: every byte is a token, and so is each mark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers isn't installed (make test TORCH=yes)")

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
MARKS = ("<|im_start|>", "<|im_end|>", "</s>", "<|end|>")


def words(folder: Path, *, eos: str | None = "<|im_end|>", special: bool = True, **generation: object) -> Path:
    """A tokenizer of bytes, in which a run of line breaks is one token; `generation` is the model's configuration."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*alphabet, "\u010a\u010a"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("\u010a", "\u010a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(mark, special=special, normalized=False) for mark in MARKS])
    return _saved(tokenizer, folder, eos, generation)


def spaced_words(folder: Path) -> Path:
    """A tokenizer that writes a space before any text, as LLaMA's does; marks likewise, its eos is </s>."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    letters = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *"Helowrd, thisamkny?."]
    vocabulary = {letter: number for number, letter in enumerate(dict.fromkeys(letters))}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_tokens([AddedToken("</s>", special=True, normalized=False)])
    return _saved(tokenizer, folder, "</s>", {})


def _saved(tokenizer: Any, folder: Path, eos: str | None, generation: dict[str, object]) -> Path:
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **({"eos_token": eos} if eos else {}))
    wrapped.save_pretrained(folder)
    if generation:
        (folder / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
    return folder
