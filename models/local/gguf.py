"""What the header of a GGUF file says: the model's shape, and with it the memory that llama.cpp will take.

The reader is our own, since `gguf.GGUFReader` makes an object of every word: 8 s and 500 MB for Qwen2.5's
150,000 words, of which nothing is needed but their number.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Types of values by number (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), as `struct` knows them.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)

# Every so many layers one attends to everything, where the file does not say so itself (llama.cpp, src/models).
_SLIDING_PERIODS = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4}
_CELLS = 256  # llama.cpp rounds the tokens of a cache up to a multiple of this

# Measured, in bytes: Python with llama.cpp's library; a word of the vocabulary and a rule that merges two; what a
# slot holds for each word while it draws a token (its logit, its candidate).
_PROCESS, _WORD, _DRAWN = 45 << 20, 300, 16


def read_header(path: Path) -> dict[str, Any]:
    """Every value of the header by its name: a list of numbers is a tuple, a list of strings its length alone.

    Raises `ValueError` where the file is no GGUF file of version 2 or 3, or is damaged.
    """
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError(f"{path.name} is no GGUF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            reader = _Reader(content)
            try:
                version, _, count = reader.take("4xIQQ")
                if version not in _VERSIONS:
                    raise ValueError(f"{path.name} is a GGUF file of version {version}, which is not known here")
                return {reader.string(): reader.value(reader.number("I")) for _ in range(count)}
            except (struct.error, OverflowError, UnicodeDecodeError, KeyError) as error:
                raise ValueError(f"{path.name} is a damaged GGUF file ({error})") from error


class _Reader:
    """Takes one value after the other."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._place = 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._content, self._place)
        self._place += struct.calcsize(f"<{form}")
        return values

    def number(self, form: str) -> Any:
        return self.take(form)[0]

    def string(self) -> str:
        return str(self.number(f"{self.number('Q')}s"), "utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        return self._array() if kind == _ARRAY else self.number(_NUMBERS[kind])

    def _array(self) -> tuple[Any, ...] | int:
        kind, count = self.number("I"), self.number("Q")
        if kind != _STRING:
            return self.take(f"{count}{_NUMBERS[kind]}")
        length = struct.Struct("<Q")
        for _ in range(count):  # hundreds of thousands: nothing is made of them
            self._place += length.size + length.unpack_from(self._content, self._place)[0]
        return int(count)


class Shape:
    """The few numbers of a header that decide how much memory a model takes in llama.cpp."""

    def __init__(self, header: dict[str, Any]) -> None:
        """Raises `ValueError` where the header does not describe a language model."""
        self._header = header
        self._family = header.get("general.architecture", "")
        try:
            self._layers = int(self._of("block_count"))
            self._width = int(self._of("embedding_length"))
            self._words = int(header["tokenizer.ggml.tokens"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"the GGUF file's header does not describe a language model ({error})") from error

    def memory(self, file: int, context: int, slots: int, batch: int) -> int:
        """Bytes for `file` bytes of weights and `slots` answers with `context` tokens each, `batch` tokens a step."""
        words: int = (self._words + self._header.get("tokenizer.ggml.merges", 0)) * _WORD
        widest = max(_each(self._of("feed_forward_length", self._width), self._layers))
        step = batch * (6 * self._width + 3 * widest) * 4 + slots * self._words * _DRAWN
        return _PROCESS + file + words + step + slots * self._cache(context, batch)

    def _cache(self, context: int, batch: int) -> int:
        """Bytes of one slot's keys and values, in 16 bits; a sliding layer keeps its window, and a checkpoint of it."""
        heads = _each(self._of("attention.head_count", 0), self._layers)
        pairs = _each(self._of("attention.head_count_kv", heads), self._layers)
        own = self._width // max(1, *heads)
        both = self._of("attention.key_length", own) + self._of("attention.value_length", own)
        whole = _cells(context)
        window = min(whole, _cells(self._of("attention.sliding_window", 0) + batch))
        cells = [2 * window if slides else whole for slides in self._sliding()]
        return sum(kept * number * both * 2 for kept, number in zip(cells, pairs, strict=True))

    def _sliding(self) -> list[bool]:
        """Of each layer, whether it keeps a window alone."""
        period = self._of("attention.sliding_window_pattern", _SLIDING_PERIODS.get(self._family, 1))
        if not self._of("attention.sliding_window", 0):
            return [False] * self._layers
        if isinstance(period, tuple):
            return [bool(period[layer % len(period)]) for layer in range(self._layers)]
        return [period == 0 or layer % period < period - 1 for layer in range(self._layers)]

    def _of(self, name: str, otherwise: Any = None) -> Any:
        return self._header.get(f"{self._family}.{name}", otherwise)


def _each(value: int | Sequence[int], layers: int) -> Sequence[int]:
    """A number that holds for every layer, or one for each."""
    return [value] * layers if isinstance(value, int) else value


def _cells(tokens: int) -> int:
    return -(-tokens // _CELLS) * _CELLS
