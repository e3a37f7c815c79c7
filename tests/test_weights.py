"""A student's weights as they are kept: apart, merged, or all of them trained."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints import CACHE
from test_adapted import ours, saved, taught
from test_adapted import spec as entry
from test_register import WISH, base_spec, left_in, recorded, trained
from tiny_models import llama, torch
from typer.testing import CliRunner

from arena.cli import app
from models.catalog import load_catalog
from models.chat import Done, Event, Message, Sampling, Text
from models.checkpoint import digest
from models.distill.base import Base, bring_base
from models.distill.problem import DistillProblem
from models.distill.register import Registered, register
from models.distill.run import BaseUsed, Run
from models.distill.weights import keep_adapter, keep_model
from models.local.engine import Question
from models.local.worker import WorkerModel
from models.origin import FolderCheckpoint
from models.spec import ModelSpec
from models.students import read_students

pytest.importorskip("peft", reason="peft isn't installed (make test TORCH=yes)")

TOKENS = [5, 17, 33, 60, 8, 90]
WORDS = {"tokenizer.json": "{}", "tokenizer_config.json": '{"a": 1}', "chat_template.jinja": "words"}


def small(folder: Path, dtype: Any = torch.float32) -> Base:
    """A tiny base with words of its own."""
    saved(llama(), folder)
    if dtype != torch.float32:
        llama().to(dtype).save_pretrained(folder)
    for name, text in WORDS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return Base(base_spec(), folder, "the template", digest(folder))


def with_adapter(folder: Path, of: Base, method: Any = "lora") -> Run:
    run = trained(folder, method, base=BaseUsed("horse-1b-q4", of.digest, "Apache-2.0"))
    taught(of.folder, run.student)
    return recorded(run)


def logits(folder: Path, adapter: Path | None) -> Any:
    with torch.inference_mode():
        return ours(entry(folder, adapter), folder)(torch.tensor([TOKENS])).logits


def test_an_adapter_is_kept_byte_by_byte(tmp_path: Path) -> None:
    run = with_adapter(tmp_path / "run", small(tmp_path / "base"))
    keep_adapter(run, tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    for path in (tmp_path / "kept").iterdir():
        assert path.read_bytes() == (run.student / path.name).read_bytes()


def test_a_merged_student_computes_what_base_and_adapter_do_and_has_the_base_s_words(tmp_path: Path) -> None:
    of = small(tmp_path / "base")
    run = with_adapter(tmp_path / "run", of)
    assert keep_model(run, of, tmp_path / "kept") == digest(tmp_path / "kept")
    apart = logits(of.folder, run.student)
    assert torch.allclose(logits(tmp_path / "kept", None), apart, atol=1e-4)
    assert (logits(of.folder, None) - apart).abs().max() > 0.1
    for name, text in WORDS.items():
        assert (tmp_path / "kept" / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_whole_student_has_the_precision_of_its_base(tmp_path: Path, method: Any) -> None:
    from safetensors import safe_open

    of = small(tmp_path / "base", torch.bfloat16)
    if method == "full":
        run = trained(tmp_path / "run", method)
        llama().float().save_pretrained(run.student)
        run = recorded(run)
    else:
        run = with_adapter(tmp_path / "run", of)
    keep_model(run, of, tmp_path / "kept")
    with safe_open(tmp_path / "kept" / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_all_weights_that_were_trained_are_kept_with_a_base_of_their_own_to_compare(tmp_path: Path) -> None:
    of = small(tmp_path / "base")
    run = trained(tmp_path / "run", "full", base=BaseUsed("horse-1b-q4", of.digest, "Apache-2.0"))
    llama().float().save_pretrained(run.student)
    made = register(recorded(run), of, WISH, tmp_path / "students.toml", [])
    assert made.student.adapter is None
    assert isinstance(made.student.checkpoint, FolderCheckpoint)
    assert made.student.checkpoint.digest == digest(made.weights)
    assert isinstance(made.base.checkpoint, FolderCheckpoint)
    assert Path(made.base.checkpoint.path) == of.folder


def test_a_merged_student_is_served_whole_and_registered_once(tmp_path: Path) -> None:
    of, students = small(tmp_path / "base"), tmp_path / "data" / "students.toml"
    run = with_adapter(tmp_path / "run", of, "qlora")
    merged = replace(WISH, merge=True)
    made = register(run, of, merged, students, [])
    assert (made.student.adapter, made.student.quantization, made.base.quantization) == (None, "none", "none")
    assert "merged into the weights" in (made.weights / "README.md").read_text(encoding="utf-8")
    assert not register(run, of, merged, students, []).new
    with pytest.raises(DistillProblem, match="The id pony is taken"):
        register(run, of, WISH, students, [])


def test_an_adapter_of_numbers_that_are_none_is_not_merged_and_nothing_is_left(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    of, students = small(tmp_path / "base"), tmp_path / "data" / "students.toml"
    run = with_adapter(tmp_path / "run", of)
    path = run.student / "adapter_model.safetensors"
    broken = {name: tensor * float("nan") for name, tensor in load_file(path).items()}
    save_file(broken, path)
    with pytest.raises(DistillProblem, match="can't be kept as a whole model") as raised:
        register(recorded(run), of, replace(WISH, merge=True), students, [])
    assert "\n" not in str(raised.value)
    assert left_in(students) == ["students"]


# -- real weights --------------------------------------------------------------------------------

PROMPTS = ("Why is the sky blue?", "Name three rivers.")
GENERATE = """
import json, sys
answers = []
for prompt in json.loads(sys.argv[1]):
    ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                        return_tensors="pt", return_dict=True)
    made = model.generate(**ids, do_sample=False, repetition_penalty=1.0, max_new_tokens=16)
    answers.append(tokenizer.decode(made[0, ids["input_ids"].shape[1]:], skip_special_tokens=True))
print(json.dumps(answers))
"""


def smollm2(folder: Path) -> tuple[Run, Base]:
    """The catalogue's SmolLM2 with an adapter of random numbers, as a training would leave it."""
    spec = next(spec for spec in load_catalog() if spec.id == "smollm2-135m-instruct-q4")
    of = bring_base(spec, CACHE / "weights", lambda _: None)
    run = trained(folder, base=BaseUsed(spec.id, of.digest, spec.license))
    taught(of.folder, run.student, rank=8)
    return recorded(run), of


def answers(made: Registered) -> list[str]:
    """What our engine says, greedily."""
    from models.local.transformers import TransformersEngine

    spec = made.student
    assert isinstance(spec.checkpoint, FolderCheckpoint)
    engine = TransformersEngine(spec, Path(spec.checkpoint.path), 1, 1)
    found = []
    for prompt in PROMPTS:
        pieces: list[str] = []
        question = Question([Message("user", prompt)], Sampling(temperature=0, max_tokens=16), 1, "")
        engine.answer(question, pieces.append, lambda: False)
        found.append("".join(pieces))
    return found


def asked(spec: ModelSpec, folder: Path) -> str:
    """What it says through its engine's own process, as the arena asks it."""
    model = WorkerModel(spec, folder, threads=1, slots=1)
    try:
        model.wait_ready(300)
        events = model.stream([Message("user", PROMPTS[0])], Sampling(temperature=0, max_tokens=8), 1)

        async def told() -> list[Event]:
            return [event async for event in events]

        said = asyncio.run(told())
    finally:
        model.close()
    assert isinstance(said[-1], Done), said
    return "".join(event.text for event in said if isinstance(event, Text))


@pytest.mark.slow
def test_the_card_s_code_gives_the_greedy_text_of_our_engine_apart_and_merged(tmp_path: Path) -> None:
    """The code runs in a process that knows nothing of Paddock: plain peft and transformers."""
    run, of = smollm2(tmp_path / "run")
    students = tmp_path / "data" / "students.toml"
    made = register(run, of, WISH, students, [])
    said = answers(made)
    code = (made.weights / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    code = code.replace("FOLDER OF THE BASE", str(of.folder)).replace("THIS FOLDER", str(made.weights))
    command = [sys.executable, "-c", code + GENERATE, json.dumps(PROMPTS)]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=offline, capture_output=True, text=True, check=True, timeout=300)
    assert json.loads(done.stdout.splitlines()[-1]) == said
    assert answers(register(run, of, replace(WISH, id="whole", name="Whole", merge=True), students, [])) == said


@pytest.mark.slow
def test_the_verb_registers_a_student_of_the_catalogue_s_own_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_DATA", "data")
    run, of = smollm2(tmp_path / "run")
    verb = ["distill", "register", str(run.folder), "--id", "pony", "--name", "Pony", "--maker", "Us"]
    done = CliRunner().invoke(app, verb)
    assert done.exit_code == 0, done.output
    for words in ("Pony is pony in", "Its license: Apache-2.0", "A running arena offers it within seconds"):
        assert words in done.output
    student, beside = read_students(Path("data/students.toml"))
    assert student.makers[:2] == ("Us", "Hugging Face")
    assert (student.base, beside.name) == (beside.id, "SmolLM2 135M Instruct, base of Pony")
    assert isinstance(beside.checkpoint, FolderCheckpoint)
    assert beside.checkpoint.digest == of.digest
    assert asked(student, of.folder) != asked(beside, of.folder)
    again = CliRunner().invoke(app, verb)
    assert again.exit_code == 0
    assert "is registered already" in again.output
