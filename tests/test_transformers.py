"""The transformers engine on real weights: SmolLM2 and Gemma 3, converted once from the default line-up's files."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from checkpoints import gemma_checkpoint, smollm2_checkpoint

from models.catalog import load_catalog
from models.chat import Done, Failed, Message, Sampling
from models.local.engine import Question, Unusable
from models.origin import FolderCheckpoint
from models.spec import ModelSpec

torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
pytest.importorskip("transformers", reason="transformers isn't installed (make test TORCH=yes)")
from models.local.transformers import TransformersEngine  # noqa: E402

pytestmark = pytest.mark.slow

PROMPTS = (
    "Why is the sky blue?",
    "Tell me a story about a horse and a paddock.",
    "What is 12 times 12?",
    "Name three rivers in Europe. " + "Explain each of them in full. " * 12,
    "How do I boil an egg?",
    "写一首关于雨的短诗。",
)
# Two best logits that are nearer than this are as good as equal. bitsandbytes multiplies in bf16 (8 bits of
# precision, logits reach 30) where the processor can, and by other code for one row than for many.
NEAR_TIE = {"none": 1e-3, "nf4": 0.25}
GREEDY = Sampling(temperature=0, max_tokens=40)


def spec(folder: Path, quantization: str = "none", template: str = "", context: int = 2048) -> ModelSpec:
    return ModelSpec(
        id="x", name="X", engine="transformers", quantization=quantization, license="none", makers=("us",),
        prompt_template=template, context=context,
        checkpoint=FolderCheckpoint(kind="folder", path=str(folder), digest="0" * 64),
    )  # fmt: skip


@functools.cache  # an engine lives as long as its process
def loaded(folder: Path, quantization: str = "none", **options: Any) -> TransformersEngine:
    return TransformersEngine(spec(folder, quantization, **options), folder, 1, 8)


def template() -> str:
    return next(entry.prompt_template for entry in load_catalog() if entry.id == "gemma-3-270m-base-q4")


@dataclass
class Told:
    text: str
    end: Done | Failed


def ask(engine: TransformersEngine, prompt: str, sampling: Sampling = GREEDY, seed: int = 1) -> Told:
    pieces: list[str] = []
    question = Question([Message("user", prompt)], sampling, seed, "")
    end = engine.answer(question, pieces.append, lambda: False)
    return Told("".join(pieces), end)


def ask_all(engine: TransformersEngine, prompts: Sequence[str], sampling: Sampling = GREEDY) -> list[Told]:
    told: dict[int, Told] = {}

    def one(number: int) -> None:
        told[number] = ask(engine, prompts[number], sampling, seed=number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return [told[number] for number in range(len(prompts))]


def generated(engine: TransformersEngine, prompt: str, most: int = 40) -> str:
    """What plain `generate` answers, greedily and alone."""
    ids = torch.tensor([engine.loaded.words.prompt([Message("user", prompt)])])
    with torch.inference_mode():
        made = engine.loaded.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=most, repetition_penalty=1.0
        )
    text: str = engine.loaded.words.backend.decode(made[0, ids.shape[1] :].tolist())
    return text


@pytest.fixture(scope="module")
def smol() -> TransformersEngine:
    return loaded(smollm2_checkpoint())


@pytest.mark.parametrize(
    ("checkpoint", "quantization"),
    [(smollm2_checkpoint, "none"), (smollm2_checkpoint, "nf4"), (gemma_checkpoint, "none"), (gemma_checkpoint, "nf4")],
)
def test_greedy_answers_are_those_of_generate_one_by_one_and_all_together(
    checkpoint: Callable[[], Path], quantization: str
) -> None:
    engine = loaded(checkpoint(), quantization, template=template() if checkpoint is gemma_checkpoint else "")
    together = ask_all(engine, PROMPTS)
    for prompt, at_once in zip(PROMPTS, together, strict=True):
        right = generated(engine, prompt)
        assert ask(engine, prompt).text == right
        assert at_once.text == right or near_tie(engine, prompt, at_once.text, right) < NEAR_TIE[quantization]


def near_tie(engine: TransformersEngine, prompt: str, one: str, other: str) -> float:
    """By how much the best token beats the second where two answers part; shows it."""
    ids, others = (engine.loaded.words.backend.encode(text, add_special_tokens=False).ids for text in (one, other))
    shared = next(
        (at for at, (a, b) in enumerate(zip(ids, others, strict=False)) if a != b), min(map(len, (ids, others)))
    )
    before = engine.loaded.words.prompt([Message("user", prompt)]) + ids[:shared]
    with torch.inference_mode():
        best, second = engine.loaded.model(torch.tensor([before])).logits[0, -1].topk(2).values.tolist()
    print(f"{prompt!r}: parted at token {shared}, where the two best logits are {best:.4f} and {second:.4f}")
    return float(best - second)


def test_int8_answers_as_generate_does_when_alone_and_in_sentences_when_not() -> None:
    """LLM.int8 looks for outliers over the whole batch (Dettmers et al. 2022), so neighbours do change its digits."""
    engine = loaded(smollm2_checkpoint(), "int8")
    for prompt in PROMPTS[:3]:
        assert ask(engine, prompt).text == generated(engine, prompt)
    for told in ask_all(engine, PROMPTS):
        assert isinstance(told.end, Done)
        assert len(told.text) > 10


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_quantization_is_really_done(quantization: str) -> None:
    engine = loaded(smollm2_checkpoint(), quantization)
    kinds = {type(module).__name__ for module in engine.loaded.model.modules()}
    assert {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[quantization] in kinds
    if quantization == "nf4":
        layer = engine.loaded.model.model.layers[0].mlp.up_proj.weight
        assert (layer.quant_type, layer.compress_statistics) == ("nf4", True), "double quantization"


def test_seeds_sampling_and_lengths_are_each_requests_own(smol: TransformersEngine) -> None:
    warm = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=24)
    alone = [ask(smol, PROMPTS[0], warm, seed).text for seed in range(3)]
    assert len(set(alone)) == 3
    told: dict[int, Told] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: told.update({seed: ask(smol, PROMPTS[0], warm, seed)}))
        for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    short = ask(smol, PROMPTS[1], Sampling(temperature=0, max_tokens=3))
    for thread in threads:
        thread.join(300)
    assert [told[seed].text for seed in range(3)] == alone
    assert short.end == Done("length", 3)


def test_the_stop_string_and_the_catalogues_template_are_obeyed() -> None:
    engine = loaded(gemma_checkpoint(), template=template())
    told = ask(engine, "What is the capital of France?", Sampling(temperature=0, max_tokens=60, stop=("\nQuestion",)))
    assert told.end == Done("stop", told.end.tokens if isinstance(told.end, Done) else 0)
    assert "Question" not in told.text
    assert "Paris" in told.text


def test_a_prompt_beyond_the_context_is_named_and_never_cut(smol: TransformersEngine) -> None:
    told = ask(smol, "again " * 3000)
    assert isinstance(told.end, Failed)
    assert "the context holds 2048" in told.end.detail
    assert not told.end.fault
    assert told.text == ""
    full = ask(smol, "word " * 2000, Sampling(temperature=0, max_tokens=500))
    assert isinstance(full.end, Done)
    assert full.end.tokens is not None
    assert full.end.tokens + (full.end.prompt_tokens or 0) <= 2048


def test_the_estimate_of_memory_is_near_what_is_taken() -> None:
    folder = smollm2_checkpoint()
    needs = TransformersEngine.needs(spec(folder), folder, 8)
    config = json.loads((folder / "config.json").read_text())
    cache = config["num_hidden_layers"] * config["num_key_value_heads"] * 64 * 2 * 4 * 2048 * 9
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert cache + weights <= needs.bytes <= 1.2 * (cache + weights)
    assert needs.device == ("cuda:0" if torch.cuda.is_available() else "cpu")
    smaller = TransformersEngine.needs(spec(folder, "nf4"), folder, 8)
    assert smaller.bytes < needs.bytes


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    shutil.copytree(smollm2_checkpoint(), folder)
    return folder


def changed(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_folder_of_pickles_is_refused(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(Unusable, match="pickled weights are never loaded"):
        loaded(copied)


def test_a_checkpoint_that_is_quantized_already_says_how_to_enter_it(copied: Path) -> None:
    changed(copied, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(Unusable, match=r'already quantized \(gptq\); write quantization = "gptq"'):
        loaded(copied, "nf4")
    with pytest.raises(Unusable, match=r"'gptq' can't be done on this .*; it can do nf4, int8, none"):
        loaded(copied, "gptq")


def test_what_the_checkpoint_is_not_quantized_with_is_named() -> None:
    with pytest.raises(Unusable, match="not quantized with 'awq'"):
        loaded(smollm2_checkpoint(), "awq")


def test_a_checkpoint_saved_in_nf4_loads_as_it_is(tmp_path: Path) -> None:
    made = loaded(smollm2_checkpoint(), "nf4")
    said = ask(made, PROMPTS[0]).text
    folder = tmp_path / "nf4"
    made.loaded.model.save_pretrained(folder)
    made.loaded.words._tokenizer.save_pretrained(folder)
    again = loaded(folder, "nf4")
    told = ask(again, PROMPTS[0]).text
    assert told == said or near_tie(made, PROMPTS[0], told, said) < NEAR_TIE["nf4"]
    assert "Linear4bit" in {type(module).__name__ for module in again.loaded.model.modules()}
    with pytest.raises(Unusable, match='write quantization = "nf4"'):
        loaded(folder, "int8")


def test_a_model_without_template_or_with_code_of_its_own_is_refused(copied: Path) -> None:
    with pytest.raises(Unusable, match="no chat template; write a prompt_template"):
        loaded(gemma_checkpoint())
    changed(copied, model_type="mystery", auto_map={"AutoConfig": "code.Config"}, architectures=["Mystery"])
    (copied / "code.py").write_text("raise SystemExit('foreign code ran')")
    with pytest.raises(Unusable, match="configuration can't be read"):
        loaded(copied)
