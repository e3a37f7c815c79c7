from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")

import tiny_models
from tiny_gguf import tiny_gguf
from tiny_words import CHATML, words

from models.checkpoint import digest
from models.distill.base import bring_base
from models.distill.problem import DistillProblem
from models.distill.template import Encoder
from models.spec import ModelSpec


def spec(engine: str, **parts: object) -> ModelSpec:
    told = {"id": "tiny", "name": "Tiny", "quantization": "none", "license": "MIT", "makers": ["us"]}
    return ModelSpec.model_validate({**told, "engine": engine, **parts})


def checkpoint(folder: Path, template: str = CHATML) -> dict[str, object]:
    words(folder)
    if template:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    tiny_models.llama().save_pretrained(folder)
    return {"kind": "folder", "path": str(folder), "digest": digest(folder)}


def test_a_checkpoint_is_a_base_as_the_arena_serves_it(tmp_path: Path) -> None:
    told = checkpoint(tmp_path / "model")
    base = bring_base(spec("transformers", checkpoint=told), tmp_path / "weights", lambda _: None)
    assert (base.folder, base.template, base.digest) == (tmp_path / "model", CHATML, told["digest"])
    own = spec("transformers", checkpoint=told, prompt_template="{{ messages[0].content }}")
    assert bring_base(own, tmp_path / "weights", lambda _: None).template == "{{ messages[0].content }}"


def test_a_base_without_a_chat_template_in_tokenizer_or_catalogue_is_refused(tmp_path: Path) -> None:
    one = spec("transformers", checkpoint=checkpoint(tmp_path / "model", template=""))
    with pytest.raises(DistillProblem, match=r"^tiny has no chat template, neither in its tokenizer nor in the cat"):
        bring_base(one, tmp_path / "weights", lambda _: None)


def test_a_base_with_layers_other_than_attention_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    from transformers import Lfm2Config, Lfm2ForCausalLM

    words(tmp_path / "model")
    shape = {"vocab_size": 97, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = Lfm2Config(**shape, num_hidden_layers=2, layer_types=["conv", "full_attention"])
    Lfm2ForCausalLM(config).save_pretrained(tmp_path / "model")
    told = {"kind": "folder", "path": str(tmp_path / "model"), "digest": digest(tmp_path / "model")}
    with pytest.raises(DistillProblem, match=r"^tiny has layers \(conv\) in which packed conversations would see each"):
        bring_base(spec("transformers", checkpoint=told, prompt_template=CHATML), tmp_path / "weights", lambda _: None)


@pytest.mark.parametrize(
    "one",
    [spec("scripted"), spec("endpoint", endpoint={"url": "http://127.0.0.1:1/v1", "model": "large"})],
    ids=["scripted", "endpoint"],
)
def test_what_has_no_weights_here_can_not_be_taught(tmp_path: Path, one: ModelSpec) -> None:
    with pytest.raises(DistillProblem, match=rf"^tiny has no weights here \(engine {one.engine}\)"):
        bring_base(one, tmp_path, lambda _: None)


@pytest.mark.slow
def test_a_gguf_entry_is_fetched_and_converted_beside_the_cache(tmp_path: Path) -> None:
    content = tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    weights = {
        "file": "tiny.gguf", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content),
        "sources": [{"kind": "folder", "path": str(tmp_path / "tiny.gguf")}],
    }  # fmt: skip
    one = spec("llamacpp", quantization="F32", weights=weights)
    heard: list[float] = []
    base = bring_base(one, tmp_path / "cache" / "weights", heard.append)
    assert base.folder == tmp_path / "cache" / "converted" / f"{weights['sha256']}-1"
    assert base.template == CHATML
    assert base.digest == digest(base.folder)
    assert heard[-1] == 1.0
    written = (base.folder / "model.safetensors").stat().st_mtime_ns
    assert bring_base(one, tmp_path / "cache" / "weights", heard.append) == base
    assert (base.folder / "model.safetensors").stat().st_mtime_ns == written
    assert Encoder(base.folder, base.template).tokenizer.eos_token == "<|im_end|>"
