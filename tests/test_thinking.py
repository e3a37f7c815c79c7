"""Reasoning that a prompt template begins itself: no engine shows it to a visitor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arena.prompts import visible_text
from models.catalog import load_catalog
from models.chat import Done, Failed, Message, Sampling
from models.fetch import fetch
from models.local.engine import Engine, Question
from models.local.thinking import marked, opens_reasoning
from models.origin import FolderCheckpoint
from models.spec import ModelSpec

CACHE = Path.home() / ".cache" / "paddock" / "weights"
ASK = "What is the capital of France?"
# Shown twice how it is done, a small model does likewise: it writes on behind the mark, and closes it.
SHOWN = "".join(
    f"<|im_start|>user\\nWhat is the capital of {country}?<|im_end|>\\n<|im_start|>assistant\\n"
    f"<think>\\nThe user wants a city of {country}.</think>It is {city}.<|im_end|>\\n"
    for country, city in (("Spain", "Madrid"), ("Italy", "Rome"), ("Japan", "Tokyo"))
)
TURNS = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{{ '<|im_start|>assistant\\n' }}"
)
THINKING = f"{{{{ '{SHOWN}' }}}}{TURNS}{{{{ '<think>\\n' }}}}"


class Told:
    """What an engine told of one answer, piece by piece, and what a visitor saw of it at each."""

    def __init__(self, engine: Engine, text: str = ASK, **sampling: Any) -> None:
        self.pieces: list[str] = []
        asked = Sampling(temperature=0, **{"max_tokens": 32, **sampling})
        question = Question([Message("user", text)], asked, 1, "")
        self.end = engine.answer(question, self.pieces.append, lambda: False)
        self.raw = "".join(self.pieces)
        parts = ["".join(self.pieces[:number]) for number in range(len(self.pieces))]
        self.seen = [*(visible_text(part, complete=False) for part in parts), visible_text(self.raw, complete=True)]


# -- the rule --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        "<｜User｜>Hi<｜Assistant｜><think>\n",
        "<|im_start|>assistant\n<think>\n",
        "<|assistant|>\n<think>",
        "A: <THINK> \n\n",
    ],
)
def test_a_prompt_that_ends_in_an_open_mark_begins_reasoning(prompt: str) -> None:
    assert opens_reasoning(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "", "Hi", "<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "<|im_start|>user\nWhat does <think> mean?<|im_end|>\n<|im_start|>assistant\n",
        "[INST] <think>\n [/INST]", "<|im_start|>assistant\n/think", "<think>\nplan</think>",
    ],
)  # fmt: skip
def test_a_prompt_whose_reasoning_is_closed_or_a_visitors_word_begins_none(prompt: str) -> None:
    assert not opens_reasoning(prompt)


def test_the_mark_comes_once_with_the_first_text_and_an_answer_without_text_has_none() -> None:
    pieces: list[str] = []
    emit = marked(pieces.append)
    assert pieces == []
    for text in ("a plan", "</think>", "Hello."):
        emit(text)
    assert pieces == ["<think>a plan", "</think>", "Hello."]
    assert visible_text("".join(pieces), complete=True) == "Hello."


def test_a_model_that_writes_the_mark_again_shows_nothing_of_its_reasoning_either() -> None:
    pieces: list[str] = []
    emit = marked(pieces.append)
    emit("<think>a plan</think>Hello.")
    assert visible_text("".join(pieces), complete=True) == "Hello."


# -- llama.cpp -------------------------------------------------------------------------------------


def llamacpp(weights: Path, template: str, spec: ModelSpec | None = None) -> Engine:
    from models.local.llamacpp import LlamaCppEngine

    spec = spec or next(spec for spec in load_catalog() if spec.id == "smollm2-135m-instruct-q4")
    return LlamaCppEngine(spec.model_copy(update={"prompt_template": template, "context": 512}), weights, 1, 1)


def test_llamacpp_marks_what_the_template_inside_the_file_begins(tmp_path: Path) -> None:
    from tiny_gguf import tiny_gguf

    told = Told(llamacpp(tiny_gguf(tmp_path / "tiny.gguf", TURNS + "{{ '<think>\\n' }}"), ""))
    assert told.raw.startswith("<think>")
    assert isinstance(told.end, Done)
    assert set(told.seen) == {""}


def test_llamacpp_marks_nothing_where_the_template_begins_no_reasoning(tmp_path: Path) -> None:
    from tiny_gguf import tiny_gguf

    told = Told(llamacpp(tiny_gguf(tmp_path / "tiny.gguf", TURNS), ""), "<think>")
    assert told.raw
    assert "<think>" not in told.raw


def test_llamacpp_marks_no_answer_that_is_held_to_a_schema(tmp_path: Path) -> None:
    from tiny_gguf import tiny_gguf

    schema = '{"type": "object", "properties": {"v": {"enum": ["a", "b"]}}, "required": ["v"]}'
    told = Told(llamacpp(tiny_gguf(tmp_path / "tiny.gguf", TURNS + "{{ '<think>\\n' }}"), ""), schema=schema)
    assert told.raw in ('{"v":"a"}', '{"v":"b"}')


def test_llamacpp_tells_why_where_a_template_refuses_the_conversation(tmp_path: Path) -> None:
    from tiny_gguf import tiny_gguf

    refusing = TURNS + "{% if messages[0].content == 'no' %}{{ raise_exception('not this') }}{% endif %}"
    engine = llamacpp(tiny_gguf(tmp_path / "tiny.gguf", refusing), "")
    with pytest.raises(RuntimeError, match=r"(?s)llama\.cpp: .*not this"):
        Told(engine, "no")
    assert isinstance(Told(engine).end, Done)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_visitor_sees_reasoning_that_a_template_begins_in_llamacpp() -> None:
    spec = next(spec for spec in load_catalog() if spec.id == "smollm2-135m-instruct-q4")
    assert spec.weights
    shows_the_answer_alone(Told(llamacpp(fetch(spec.weights, CACHE, lambda part: None), THINKING, spec)))


def shows_the_answer_alone(told: Told) -> None:
    reasoning, mark, answer = told.raw.partition("</think>")
    assert reasoning.startswith("<think>The user wants a city")
    assert (mark, answer) == ("</think>", "It is Paris.")
    assert all("It is Paris.".startswith(seen) for seen in told.seen)
    assert told.seen[-1] == "It is Paris."


# -- transformers ----------------------------------------------------------------------------------


def transformers(folder: Path, template: str) -> Engine:
    pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
    from models.local.transformers import TransformersEngine

    spec = ModelSpec(
        id="x", name="X", engine="transformers", quantization="none", license="none", makers=("us",), context=512,
        prompt_template=template, checkpoint=FolderCheckpoint(kind="folder", path=str(folder), digest="0" * 64),
    )  # fmt: skip
    return TransformersEngine(spec, folder, 1, 1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_models import SHAPE
    from tiny_words import words
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(LlamaConfig(**{**SHAPE, "vocab_size": 300}, initializer_range=0.3)).save_pretrained(folder)
    return words(folder)


def test_transformers_marks_what_the_template_begins_and_nothing_else(tiny: Path) -> None:
    told = Told(transformers(tiny, TURNS + "{{ '<think>\\n' }}"))
    assert told.raw.startswith("<think>")
    assert set(told.seen) == {""}
    assert "<think>" not in Told(transformers(tiny, TURNS), "<think>").raw


def test_transformers_marks_nothing_where_the_prompt_is_too_long(tiny: Path) -> None:
    told = Told(transformers(tiny, TURNS + "{{ '<think>\\n' }}"), "again " * 200)
    assert isinstance(told.end, Failed)
    assert told.pieces == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_visitor_sees_reasoning_that_a_template_begins_in_transformers() -> None:
    from checkpoints import smollm2_checkpoint

    shows_the_answer_alone(Told(transformers(smollm2_checkpoint(), THINKING)))
