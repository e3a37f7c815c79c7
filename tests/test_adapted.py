"""Adapters beside their base: greedy text is that of plain peft and transformers, apart and merged."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from checkpoints import smollm2_checkpoint
from tiny_models import gemma, llama, torch

from models.adapter import CONFIG, WEIGHTS, confirm, digest
from models.chat import Message, Sampling
from models.fetch import FetchError
from models.local.adapted import adapt
from models.local.engine import Question, Unusable
from models.local.loading import load, read_config, size
from models.local.transformers import TransformersEngine
from models.origin import Adapter
from models.spec import ModelSpec

pytestmark = pytest.mark.slow

peft = pytest.importorskip("peft", reason="peft isn't installed (make test TORCH=yes)")

TOKENS = [5, 17, 33, 60, 8, 90]


def taught(base: Path, folder: Path, seed: int = 1, rank: int = 4, targets: Any = "all-linear") -> Path:
    """An adapter of large random numbers beside `base`, as peft writes it."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    model.save_pretrained(folder)
    return folder


def spec(base: Path, adapter: Path | None, quantization: str = "none") -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": "x", "name": "X", "engine": "transformers", "quantization": quantization, "license": "none",
            "makers": ("us",), "context": 256,
            "checkpoint": {"kind": "folder", "path": str(base), "digest": "0" * 64},
            "adapter": {"path": str(adapter), "digest": digest(adapter)} if adapter else None,
        }
    )  # fmt: skip


def saved(model: Any, folder: Path) -> Path:
    model.float().save_pretrained(folder)
    return folder


def ours(of: ModelSpec, base: Path) -> Any:
    return load(of, base, read_config(of, base))


def greedy(model: Any, tokens: Sequence[int], most: int = 32) -> list[int]:
    ids = torch.tensor([tokens])
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=most, pad_token_id=0,
            repetition_penalty=1.0,
        )  # fmt: skip
    found: list[int] = made[0, len(tokens) :].tolist()
    return found


@pytest.mark.parametrize("kind", [llama, gemma])
def test_the_loaded_adapter_computes_what_plain_peft_does_apart_and_merged(kind: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    base = saved(kind(), tmp_path / "base")
    adapter = taught(base, tmp_path / "adapter")
    plain = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    model = ours(spec(base, adapter), base)
    assert type(model) is type(ours(spec(base, None), base))
    ids = torch.tensor([TOKENS])
    with torch.inference_mode():
        right, found, untaught = (one(ids).logits for one in (plain, model, ours(spec(base, None), base)))
        assert torch.equal(found, right)
        assert (found - untaught).abs().max() > 0.1, "the adapter must matter, or nothing is proven"
        assert torch.allclose(plain.merge_and_unload(safe_merge=True)(ids).logits, found, atol=1e-4)
    assert greedy(model, TOKENS) == greedy(plain, TOKENS)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_beside_a_base_in_bf16_the_adapter_keeps_what_it_learnt_in_fp32(quantization: str, tmp_path: Path) -> None:
    """As on a GPU, and as it was trained and measured."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    base = saved(widened(hidden_size=64, intermediate_size=128, head_dim=16), tmp_path / "base")  # whole blocks of NF4
    adapter = taught(base, tmp_path / "adapter")
    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    more = {"quantization_config": four} if quantization == "nf4" else {}

    def loaded() -> Any:
        return AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16, **more)

    plain, untaught = peft.PeftModel.from_pretrained(loaded(), adapter).eval(), loaded()
    model = adapt(spec(base, adapter, quantization), loaded())
    assert type(model) is type(untaught)
    assert {weight.dtype for name, weight in model.named_parameters() if "lora_" in name} == {torch.float32}
    ids = torch.tensor([TOKENS])
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, plain(ids).logits)
        assert not torch.equal(model(ids).logits, untaught(ids).logits)
    assert greedy(model, TOKENS) == greedy(plain, TOKENS)


def test_the_estimate_counts_the_adapter(tmp_path: Path) -> None:
    base = saved(llama(), tmp_path / "base")
    with_one, without = spec(base, taught(base, tmp_path / "adapter")), spec(base, None)
    more = size(with_one, base, read_config(with_one, base), 4) - size(without, base, read_config(without, base), 4)
    assert more == (tmp_path / "adapter" / WEIGHTS).stat().st_size


def test_an_adapter_of_another_shape_is_refused(tmp_path: Path) -> None:
    wider = {"hidden_size": 64}
    base, other = saved(llama(), tmp_path / "base"), saved(widened(**wider), tmp_path / "other")
    of = spec(base, taught(other, tmp_path / "adapter"))
    with pytest.raises(Unusable, match="X: its adapter does not fit its checkpoint") as raised:
        ours(of, base)
    assert "\n" not in str(raised.value)


def test_an_adapter_with_layers_that_the_base_lacks_is_refused(tmp_path: Path) -> None:
    base, deeper = saved(llama(), tmp_path / "base"), saved(widened(num_hidden_layers=5), tmp_path / "deeper")
    of = spec(base, taught(deeper, tmp_path / "adapter"))
    with pytest.raises(Unusable, match=r"does not fit its checkpoint \(.*layers\.[34].* has no counterpart"):
        ours(of, base)


def test_an_adapter_without_layers_that_the_base_has_is_refused(tmp_path: Path) -> None:
    base, shallow = saved(llama(), tmp_path / "base"), saved(widened(num_hidden_layers=1), tmp_path / "shallow")
    of = spec(base, taught(shallow, tmp_path / "adapter", targets=["q_proj"]))  # every q_proj, it says
    with pytest.raises(Unusable, match=r"does not fit its checkpoint \(.*layers\.[12].* has no counterpart"):
        ours(of, base)


def test_an_adapter_of_other_names_is_refused(tmp_path: Path) -> None:
    base = saved(llama(), tmp_path / "base")
    folder = taught(base, tmp_path / "adapter", targets=["q_proj"])
    text = (folder / CONFIG).read_text(encoding="utf-8")
    (folder / CONFIG).write_text(text.replace('"q_proj"', '"c_attn"'), encoding="utf-8")
    with pytest.raises(Unusable, match="does not fit its checkpoint"):
        ours(spec(base, folder), base)


def test_an_adapter_s_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    base = saved(llama(), tmp_path / "base")
    folder = taught(base, tmp_path / "adapter")
    (folder / WEIGHTS).write_bytes(b"")
    with pytest.raises(Unusable, match="X: its adapter does not fit its checkpoint"):
        ours(spec(base, folder), base)


def widened(**changes: int) -> Any:
    from tiny_models import SHAPE
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**{**SHAPE, **changes}, initializer_range=0.3))


def test_the_digest_is_what_sha256sum_says(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_bytes(b"{}")
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    (tmp_path / "README.md").write_bytes(b"changes nothing")
    lines = "".join(
        f"{hashlib.sha256(text).hexdigest()}  {name}\n" for name, text in ((CONFIG, b"{}"), (WEIGHTS, b"weights"))
    )
    assert digest(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_folder_that_lacks_a_file_is_no_adapter(tmp_path: Path, name: str) -> None:
    (tmp_path / CONFIG).write_text('{"peft_type": "LORA"}', encoding="utf-8")
    (tmp_path / WEIGHTS).touch()
    (tmp_path / name).unlink()
    (tmp_path / "adapter_model.bin").touch()
    with pytest.raises(FetchError, match=f"has no {name} that can be read"):
        digest(tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"peft_type": "LORA"', f"has a damaged {CONFIG}"),
        ("[]", "has a damaged"),
        ('{"peft_type": "IA3"}', "only LoRA"),
    ],
)
def test_what_is_no_lora_adapter_is_refused(tmp_path: Path, config: str, words: str) -> None:
    (tmp_path / CONFIG).write_text(config, encoding="utf-8")
    (tmp_path / WEIGHTS).touch()
    with pytest.raises(FetchError, match=words):
        confirm(Adapter(path=str(tmp_path), digest=digest(tmp_path)))


def test_an_adapter_that_has_changed_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    base = saved(llama(), tmp_path / "base")
    of = spec(base, taught(base, tmp_path / "adapter"))
    shutil.copytree(taught(base, tmp_path / "another", seed=2), tmp_path / "adapter", dirs_exist_ok=True)
    with pytest.raises(Unusable, match=r"X: The adapter .* has the digest .* and not the catalogue's"):
        size(of, base, read_config(of, base), 1)
    with pytest.raises(Unusable, match="register it anew"):
        ours(of, base)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_our_engine_s_greedy_text_with_real_weights_is_that_of_plain_peft(quantization: str, tmp_path: Path) -> None:
    """Plain peft: the base by transformers, quantized alike, the adapter by `PeftModel`, the words by the tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    base = smollm2_checkpoint()
    adapter = taught(base, tmp_path / "adapter", rank=8)
    four = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    more = {"quantization_config": four} if quantization == "nf4" else {}
    plain = peft.PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **more), adapter
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    engine = TransformersEngine(spec(base, adapter, quantization), base, 1, 2)
    for prompt in ("Why is the sky blue?", "Name three rivers.", "\u4f60\u597d"):
        turns = [{"role": "user", "content": prompt}]
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        right = tokenizer.decode(greedy(plain, ids, 24), skip_special_tokens=True)
        pieces: list[str] = []
        question = Question([Message("user", prompt)], Sampling(temperature=0, max_tokens=24), 1, "")
        engine.answer(question, pieces.append, lambda: False)
        assert "".join(pieces) == right
        with plain.disable_adapter():
            assert tokenizer.decode(greedy(plain, ids, 24), skip_special_tokens=True) != right
