"""How much a training computes, against the formulas and the models of others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from models.distill.flops import Shape, shape_of, training_flops
from models.distill.problem import DistillProblem
from models.distill.sizes import shape_named

CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 96, "vocab_size": 500, "tie_word_embeddings": False,
}  # fmt: skip
# A shape as Korthikanti et al. 2022 reckon with: four square matrices of attention, 8 h² of feed-forward, one table.
HIDDEN, LAYERS, WORDS = 4096, 24, 51200
GPT = Shape(
    "gpt", 12 * LAYERS * HIDDEN**2 + WORDS * HIDDEN, WORDS * HIDDEN, True, LAYERS, HIDDEN, HIDDEN, HIDDEN, 4 * HIDDEN
)


@pytest.mark.parametrize(("recomputed", "factor", "of_words"), [(False, 72, 12), (True, 96, 16)])
def test_full_training_takes_what_the_formula_of_korthikanti_and_others_says(
    recomputed: bool, factor: int, of_words: int
) -> None:
    batch, length = 8, 2048
    theirs = float(factor * batch * LAYERS * length * HIDDEN**2)
    theirs *= 1 + length / (6 * HIDDEN) + WORDS / (of_words * LAYERS * HIDDEN)
    assert training_flops(GPT, batch * length, length, "full", recomputed) == pytest.approx(theirs, rel=1e-12)


def test_short_texts_take_six_times_the_parameters_a_token_in_full_and_four_times_beside_an_adapter() -> None:
    shape = shape_named("13B")
    full, lora = (training_flops(shape, 1, 0, method, False) for method in ("full", "lora"))
    assert full == 6 * shape.multiplied
    assert lora == 4 * shape.multiplied + 6 * shape.adapter(16)
    assert training_flops(shape, 1, 0, "qlora", False) == lora
    assert training_flops(shape, 1, 0, "dpo", False) == lora + 2 * shape.multiplied


def test_flops_grow_with_the_tokens_and_with_the_length_they_are_seen_in() -> None:
    shape = shape_named("7B")
    once = training_flops(shape, 1000, 2048, "lora", True)
    assert training_flops(shape, 3000, 2048, "lora", True) == pytest.approx(3 * once)
    assert training_flops(shape, 1000, 4096, "lora", True) > once


@pytest.mark.parametrize(
    ("size", "parameters"),
    [
        ("7B", 6_738_415_616), ("13B", 13_015_864_320), ("8B", 8_030_261_248), ("70B", 70_553_706_496),
        ("0.5B", 494_032_768), ("1.5B", 1_543_714_304), ("135M", 134_515_008), ("1.1B", 1_100_048_384),
    ],
)  # fmt: skip
def test_a_published_size_has_the_parameters_its_model_has(size: str, parameters: int) -> None:
    assert shape_named(size).parameters == pytest.approx(parameters, rel=1e-3)


def test_a_size_between_takes_the_nearest_shape_scaled() -> None:
    shape = shape_named("12b")
    assert (shape.parameters, shape.layers, shape.hidden) == (12_000_000_000, 40, 5120)
    assert shape.name == "LLaMA 13B scaled to 12B"


@pytest.mark.parametrize("size", ["", "13", "B", "0B", "-7B", "7 billion", "1e9B", "nanB"])
def test_what_is_no_size_is_named(size: str) -> None:
    with pytest.raises(DistillProblem, match="is no size of a model; write it as 13B"):
        shape_named(size)


def test_a_config_that_lacks_a_size_or_has_experts_is_refused_in_a_sentence() -> None:
    with pytest.raises(DistillProblem, match="The config of llama lacks a size"):
        shape_of({key: value for key, value in CONFIG.items() if key != "hidden_size"})
    with pytest.raises(DistillProblem, match="mixture of experts"):
        shape_of({**CONFIG, "num_experts": 8})


def test_a_config_inside_one_of_several_senses_is_found() -> None:
    assert shape_of({"model_type": "seer", "text_config": CONFIG}) == shape_of(CONFIG)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("LlamaConfig", {}),
        ("LlamaConfig", {"tie_word_embeddings": True}),
        ("Qwen2Config", {}),
        ("Gemma3TextConfig", {"head_dim": 32, "tie_word_embeddings": True}),
    ],
)
def test_a_shape_counts_the_parameters_that_transformers_makes_of_the_config(
    kind: str, changes: dict[str, object]
) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, kind)(**{**CONFIG, **changes, "model_type": None})
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    matrices = sum(one.numel() for one in model.parameters() if one.dim() == 2)
    shape = shape_of(config.to_diff_dict())
    assert shape.parameters == matrices
    table = model.get_input_embeddings().weight.numel()
    assert shape.embedding == table
    assert shape.multiplied == matrices - (0 if shape.tied else table)


def test_an_adapter_has_the_parameters_that_peft_gives_it() -> None:
    transformers, peft = pytest.importorskip("transformers"), pytest.importorskip("peft")
    model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**CONFIG))
    peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules="all-linear"))
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert shape_of(CONFIG).adapter(4) == trained


def test_the_forward_pass_is_what_torch_counts() -> None:
    """Torch's own counter, which sees matrix products; attention is computed in full where nothing fuses it."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from torch.utils.flop_counter import FlopCounterMode

    config = transformers.LlamaConfig(**CONFIG, attn_implementation="eager")
    model = transformers.AutoModelForCausalLM.from_config(config)
    shape, length = shape_of(CONFIG), 32
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.ones(2, length, dtype=torch.long)).logits.sum().backward()
    ours = training_flops(shape, 2 * length, length, "full", False)
    assert counter.get_total_flops() == pytest.approx(ours, rel=0.02)
    assert not math.isclose(training_flops(replace(shape, layers=2), 2 * length, length, "full", False), ours)
