from __future__ import annotations

from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.local.gguf import Shape, read_header

Attention = dict[str, int | list[int]]
KV_CELL = 2 * 2  # bytes of one number in keys and in values, at 16 bits


def write(path: Path, *, family: str = "llama", words: int = 1000, attention: Attention | None = None) -> Path:
    """A header as llama.cpp's own package writes it: 4 layers, 8 heads of 16, 2 of them with keys and values."""
    writer = gguf.GGUFWriter(path, family)
    writer.add_block_count(4)
    writer.add_embedding_length(128)
    writer.add_feed_forward_length(256)
    writer.add_head_count(8)
    writer.add_head_count_kv(2)
    writer.add_token_list([f"word {number}" for number in range(words)])
    writer.add_token_scores([0.5] * words)
    for name, value in (attention or {}).items():
        key = f"{family}.attention.{name}"
        if isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_uint32(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def cache(path: Path, context: int) -> int:
    """Bytes that one more slot takes for keys and values."""
    shape = Shape(read_header(path))
    four, five = (shape.memory(0, context, slots, batch=64) for slots in (4, 5))
    return five - four - 1000 * 16


def test_values_are_those_that_the_package_writes(tmp_path: Path) -> None:
    header = read_header(write(tmp_path / "a.gguf", attention={"sliding_window_pattern": [True, False]}))
    assert header["general.architecture"] == "llama"
    assert header["llama.attention.head_count_kv"] == 2
    assert header["llama.attention.sliding_window_pattern"] == (True, False)
    assert header["tokenizer.ggml.tokens"] == 1000
    assert header["tokenizer.ggml.scores"] == (0.5,) * 1000


def test_a_file_that_ends_too_early_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.gguf", words=3).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.gguf is (no|a damaged) GGUF file"):
            read_header(tmp_path / "cut.gguf")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_at_once(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "junk.gguf").write_bytes(b"GGUF\3\0\0\0" + junk)
    with pytest.raises(ValueError, match=r"junk\.gguf|does not describe a language model"):
        Shape(read_header(tmp_path / "junk.gguf"))


def test_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.gguf").write_bytes(b"GGUF\1\0\0\0" + bytes(100))
    with pytest.raises(ValueError, match=r"old\.gguf is a GGUF file of version 1"):
        read_header(tmp_path / "old.gguf")


def test_every_layer_keeps_the_whole_context(tmp_path: Path) -> None:
    assert cache(write(tmp_path / "a.gguf"), 4096) == 4 * 2 * 16 * KV_CELL * 4096


def test_the_context_is_rounded_up_as_llama_cpp_does(tmp_path: Path) -> None:
    assert cache(write(tmp_path / "a.gguf"), 1000) == 4 * 2 * 16 * KV_CELL * 1024


def test_heads_may_be_of_another_size_and_differ_by_layer(tmp_path: Path) -> None:
    wide = write(tmp_path / "a.gguf", attention={"key_length": 32, "value_length": 64})
    assert cache(wide, 256) == 4 * 2 * (32 + 64) * 2 * 256
    mixed = write(tmp_path / "b.gguf", attention={"head_count_kv": [2, 0, 0, 1]})
    assert cache(mixed, 256) == (2 + 1) * 16 * KV_CELL * 256


@pytest.mark.parametrize(
    ("family", "more", "sliding"),
    [
        ("llama", {}, 0),  # it does not say which layers slide: all may be whole
        ("gemma2", {}, 2),
        ("gpt-oss", {}, 2),
        ("cohere2", {}, 3),
        ("llama", {"sliding_window_pattern": 2}, 2),
        ("llama", {"sliding_window_pattern": [True, True, False, True]}, 3),
        ("llama", {"sliding_window_pattern": 0}, 4),
    ],
)
def test_a_sliding_layer_keeps_its_window_and_a_checkpoint(
    tmp_path: Path, family: str, more: Attention, sliding: int
) -> None:
    path = write(tmp_path / "a.gguf", family=family, attention={"sliding_window": 448, **more})
    layer = 2 * 16 * KV_CELL
    assert cache(path, 4096) == layer * ((4 - sliding) * 4096 + sliding * 2 * 512)


def test_weights_words_and_slots_add_up(tmp_path: Path) -> None:
    few, many = (Shape(read_header(write(tmp_path / f"{words}.gguf", words=words))) for words in (10, 10_000))
    assert few.memory(7_000_000, 4096, 4, 64) - few.memory(0, 4096, 4, 64) == 7_000_000
    assert many.memory(0, 4096, 4, 64) > few.memory(0, 4096, 4, 64)
    assert few.memory(0, 4096, 8, 64) > few.memory(0, 4096, 4, 64)
