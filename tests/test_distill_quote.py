"""What somebody wants to know the price of, from the command line to the bill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import environment, write_catalog
from typer.testing import CliRunner, Result

from arena.cli import app
from models.chat import Message
from models.checkpoint import digest
from models.distill.amount import amount_of, assumed_amount, counted_amount
from models.distill.conversation import Conversation
from models.distill.files import write_conversations
from models.distill.flops import shape_of
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.run import BaseUsed, DataUsed, Run, Spent, write_run

TALK = Conversation(
    "talk",
    (
        Message("system", "a" * 6),
        Message("user", "b" * 10),
        Message("assistant", "c" * 20),
        Message("user", "d" * 1),
        Message("assistant", "e" * 2),
    ),
)
CONFIG = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 128, "vocab_size": 1000, "tie_word_embeddings": False,
}  # fmt: skip
PRICES = """
[[tokens]]
model = "big"
host = "api.example.org"
input = 2.0
output = 10.0
as_of = 2026-01-01
source = "a test"

[[device]]
name = "A100-80GB"
dollars_per_hour = 3.6
flops = 100e12
as_of = 2026-01-01
source = "a test"

[[device]]
name = "Slow"
also = ["Slow 3000"]
dollars_per_hour = 0.36
flops = 1e12
memory = 8
watts = 100
as_of = 2026-01-01
source = "a test"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with prices.toml and a catalogue whose teacher has a price, and one whose has none."""
    entries = [
        {
            "id": name, "name": name.title(), "engine": "endpoint", "quantization": "none", "license": "none",
            "makers": ["x"], "endpoint": {"url": "https://api.example.org/v1", "model": name},
        }
        for name in ("big", "unknown")
    ]  # fmt: skip
    catalog = write_catalog(tmp_path / "catalog.toml", *entries)
    for name in [name for name in os.environ if name.startswith("ARENA_")]:
        monkeypatch.delenv(name)
    for name, value in environment(tmp_path, catalog).items():
        if name.startswith("ARENA_"):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.toml").write_text(PRICES)
    return tmp_path


def priced(*options: str) -> Result:
    return CliRunner().invoke(app, ["distill", "price", "--prices", "prices.toml", *options])


def told(*options: str) -> Mapping[str, Any]:
    done = priced("--format", "json", *options)
    assert done.exit_code == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def trained(folder: Path, **changes: object) -> Run:
    recipe = Recipe(method="lora", epochs=2, context=128, gradient_checkpointing=False, rank=8)
    spent = Spent(tokens=20_000, flops=1.8e15, seconds=7200, devices=1, device="Slow 3000")
    run = Run(folder, BaseUsed("tiny", "0" * 64, "none"), DataUsed("0" * 64, 100, ()), recipe, {}, spent=spent)
    run = replace(run, **changes)  # type: ignore[arg-type]
    write_run(run)
    return run


# -- how much there is to learn ------------------------------------------------------------------


def test_a_teacher_reads_a_conversation_again_for_each_of_its_answers() -> None:
    found = amount_of([TALK, TALK], len, "by letters")
    assert (found.conversations, found.tokens_each) == (2, 6 + 10 + 20 + 1 + 2 + 5 * 4)
    assert found.read == 2 * ((10 + 14) + (10 + 14 + 24 + 5))
    assert found.written == 2 * (24 + 6)


def test_where_only_a_number_is_known_a_conversation_is_one_prompt_and_its_answer() -> None:
    found = assumed_amount(1000, 284, "by guess")
    assert (found.read, found.written) == (69_500, 214_500)


def test_a_folder_that_clean_wrote_is_counted_by_its_rows_to_train_on(tmp_path: Path) -> None:
    write_conversations(tmp_path / "train.jsonl", [TALK])
    write_conversations(tmp_path / "held_out.jsonl", [TALK])
    assert counted_amount(tmp_path, len) == counted_amount(tmp_path / "train.jsonl", len)
    assert counted_amount(tmp_path, len).conversations == 1


def test_a_file_without_conversations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("")
    with pytest.raises(DistillProblem, match="holds no conversation"):
        counted_amount(tmp_path, len)


# -- the verb ------------------------------------------------------------------------------------


def test_the_price_is_told_with_its_assumptions_and_the_article() -> None:
    done = CliRunner().invoke(app, ["distill", "price", "--model-size", "13B", "--conversations", "70000"])
    assert done.exit_code == 0, done.stderr
    for said in (
        "LLaMA 13B", "qlora, rank 16", "430 million", "1 × A100-80GB", "about 300 dollars", "yours to check",
        "as if each conversation filled the context of 2,048 once", "assumed; --run says what yours reached",
        "spot instances", "Alpaca 7B", "Left out:",
    ):  # fmt: skip
        assert said in done.stdout


def test_every_option_counts(place: Path) -> None:
    found = told(
        "--model-size", "1.5B", "--conversations", "100", "--tokens", "50", "--method", "full", "--epochs", "2",
        "--context", "256", "--device", "slow", "--devices", "2", "--utilisation", "0.5", "--dollars-per-hour", "7",
    )["estimate"]  # fmt: skip
    assert found["tokens"] == 100 * 50 * 2
    assert (found["method"], found["context"], found["device"], found["devices"]) == ("full", 256, "Slow", 2)
    assert found["seconds"] == pytest.approx(found["flops"] / (2 * 1e12 * 0.5))
    assert found["dollars"] == pytest.approx(found["seconds"] / 3600 * 2 * 7)
    assert found["kilowatt_hours"] == pytest.approx(found["seconds"] / 3600 * 2 * 0.1)
    assert found["fits"] is False


def test_what_does_not_fit_is_said(place: Path) -> None:
    done = priced("--model-size", "7B", "--conversations", "100", "--device", "Slow", "--method", "lora")
    assert "It does not fit: weights and optimizer take 14 GB at least, 1 × Slow have 8" in done.stdout


def test_conversations_are_counted_from_a_file_and_a_teacher_is_paid(place: Path) -> None:
    write_conversations(place / "train.jsonl", [replace(TALK, id=str(number)) for number in range(50)])
    found = told("--model-size", "500M", "--data", "train.jsonl", "--teacher", "big")
    teacher = found["teacher"]
    assert found["estimate"]["conversations"] == 50
    assert teacher["dollars"] == pytest.approx((2.0 * teacher["prompt_tokens"] + 10.0 * teacher["tokens"]) / 1e6)
    assert "reckoned from the characters of train.jsonl" in found["assumptions"][0]


def test_a_teacher_whose_price_is_not_known_is_no_free_one(place: Path) -> None:
    found = told("--model-size", "500M", "--conversations", "5", "--teacher", "unknown")
    assert found["teacher"]["dollars"] is None
    done = priced("--model-size", "500M", "--conversations", "5", "--teacher", "unknown")
    assert "cost what is not known" in done.stdout


def test_a_run_is_counted_beside_what_is_estimated_for_it(place: Path) -> None:
    trained(place / "run")
    (place / "config.json").write_text(json.dumps(CONFIG))
    found = told("--run", "run", "--config", "config.json")
    assert found["estimate"]["tokens"] == pytest.approx(20_000)
    assert (found["estimate"]["method"], found["estimate"]["gradient_checkpointing"]) == ("lora", False)
    assert found["counted"]["dollars"] == pytest.approx(0.72)
    assert found["counted"]["utilisation"] == pytest.approx(1.8e15 / (7200 * 1e12))
    assert found["counted"]["kilowatt_hours"] is None
    done = priced("--run", "run", "--config", "config.json")
    assert "Counted" in done.stdout
    assert "1 × Slow 3000" in done.stdout
    assert "as many as the run counted, all passes together." in done.stdout


def test_an_estimate_of_a_run_s_data_is_set_beside_what_it_counted(place: Path) -> None:
    trained(place / "run")
    write_conversations(place / "train.jsonl", [TALK] * 30)
    found = told("--run", "run", "--model-size", "1B", "--data", "train.jsonl")
    assert found["estimate"]["conversations"] == 30
    assert found["estimate"]["tokens"] != found["counted"]["tokens"] == 20_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Say which base: its size, as --model-size 13B"),
        (("--model-size", "huge"), "'huge' is no size of a model"),
        (("--model-size", "7B"), "Say what it learns from"),
        (("--model-size", "7B", "--conversations", "9", "--device", "Quick"), "The prices have no device 'Quick'"),
        (
            ("--model-size", "7B", "--conversations", "9", "--device", "A100"),
            "The prices have no device 'A100'; they have A100-80GB. Add",
        ),
        (("--model-size", "7B", "--data", "none.jsonl"), "none.jsonl can't be read"),
        (("--model-size", "7B", "--conversations", "9", "--teacher", "none"), "no model of the catalogue 'none'"),
        (("--run", "none"), "none is no folder of a training"),
        (("--config", "none.json", "--conversations", "9"), "The config none.json can't be read"),
    ],
)
def test_what_is_missing_or_wrong_is_told_in_a_sentence(place: Path, options: tuple[str, ...], said: str) -> None:
    done = priced(*options)
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stdout == ""


def test_a_run_whose_base_is_not_in_the_catalogue_asks_for_its_size(place: Path) -> None:
    trained(place / "run")
    done = priced("--run", "run")
    assert done.exit_code == 1
    assert "run taught tiny, which is not in the catalogue" in done.stderr
    assert "say --model-size or --config" in done.stderr


def test_the_shape_of_a_run_s_base_is_found_by_the_catalogue(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(**CONFIG)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(place / "base")
    entry = {
        "id": "tiny", "name": "Tiny", "engine": "transformers", "quantization": "none", "license": "none",
        "makers": ["x"], "prompt_template": "{{ messages[0].content }}",
        "checkpoint": {"kind": "folder", "path": str(place / "base"), "digest": digest(place / "base")},
    }  # fmt: skip
    other = {**entry, "id": "other", "name": "Other"}
    monkeypatch.setenv("ARENA_CATALOG", str(write_catalog(place / "bases.toml", entry, other)))
    trained(place / "run")
    found = told("--run", "run")["estimate"]
    assert found["base"] == "tiny"
    assert found["parameters"] == shape_of(CONFIG).parameters


def test_a_run_that_was_faster_than_its_device_can_be_ran_on_another(place: Path) -> None:
    trained(place / "run", spent=Spent(tokens=9, flops=1e18, seconds=10, device="Slow"))
    done = priced("--run", "run", "--model-size", "1B")
    assert "The run reached more than the peak of Slow, so it ran on something else" in done.stdout


def test_a_run_that_spent_nothing_yet_costs_nothing_yet(place: Path) -> None:
    trained(place / "run", spent=Spent(device="Slow 3000"))
    found = told("--run", "run", "--model-size", "1B")
    assert (found["counted"]["dollars"], found["estimate"]["tokens"]) == (0.0, 0.0)


def test_the_page_for_a_document_is_markdown(place: Path) -> None:
    done = priced("--model-size", "7B", "--conversations", "9", "--format", "markdown", "--out", "price.md")
    assert done.exit_code == 0, done.stderr
    page = (place / "price.md").read_text()
    assert page.startswith("## What it takes\n")
    assert "| Tokens seen |" in page
    assert "## What is assumed" in page
