"""The model card of a student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from test_register import WISH, base, base_spec, on_hub, trained

from models.distill.card import Card, card
from models.distill.conversation import Origin
from models.distill.recipe import Recipe
from models.distill.register import register
from models.distill.run import HELD_OUT_FILE, DataUsed, HeldOut, Spent, Start
from models.prices import DevicePrice
from models.spec import ModelSpec


def written(folder: Path, spec: ModelSpec | None = None, device: DevicePrice | None = None, **more: Any) -> str:
    made = register(
        trained(folder / "run", **more),
        base(folder / "base", spec),
        WISH,
        folder / "data" / "students.toml",
        [],
        device,
    )
    return (made.weights / "README.md").read_text(encoding="utf-8")


def metadata(text: str) -> dict[str, Any]:
    """As the Hub reads it."""
    data: Any = ModelCard(text).data
    return dict(data.to_dict())


def test_a_card_says_what_it_is_learnt_took_and_may_be_used_for(tmp_path: Path) -> None:
    text = written(tmp_path, on_hub(), DevicePrice("CPU", 0.2, 1e12))
    for words in (
        "# Pony 1B", "[stable/horse-1b](https://huggingface.co/stable/horse-1b), Apache-2.0",
        "an adapter of rank 16 beside the frozen base (LoRA)", "License: **Apache-2.0**",
        f'AutoModelForCausalLM.from_pretrained("stable/horse-1b", revision="{"0" * 40}")', "PeftModel.from_pretrained",
        "40 conversations", f"`{'d' * 64}`", "| mare-70b | MIT | made.jsonl |", "| learning rate | 0.0002 |",
        "| Tokens seen | 12,345 |", "| FLOPs | 1.50e+12 |", "| Devices | 1 × CPU, 2 threads |", "| Time | 1.5 min |",
        "| Energy | not measured |", "0.01 dollars, at 0.2 an hour of CPU",
        "2.0000 nats per token before, 1.5000 after", "with 95 % confidence", "![Loss by step](loss.png)",
        "torch 2.13, trl 1.16\n",
    ):  # fmt: skip
        assert words in text, words


def test_the_metadata_is_what_the_hub_reads(tmp_path: Path) -> None:
    found = metadata(written(tmp_path, on_hub()))
    assert found == {
        "license": "apache-2.0",
        "base_model": "stable/horse-1b",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["distillation", "sft", "trl", "paddock", "lora"],
    }


def test_a_license_that_data_restricts_is_no_open_one_on_the_hub_either(tmp_path: Path) -> None:
    origins = (Origin("alpaca.json", "text-davinci-003", "CC-BY-NC-4.0"),)
    text = written(tmp_path, on_hub(), data=DataUsed("d" * 64, 9, origins))
    found = metadata(text)
    assert found["license"] == "other"
    assert found["license_name"].startswith("apache-2.0-data-non-commercial-cc-by-nc-4.0")
    assert "OpenAI, Terms of Use" in text


def test_nothing_given_breaks_out_of_its_place(tmp_path: Path) -> None:
    evil = 'x"\n---\nlicense: mit\n# <script>|[a](b)'
    spec = on_hub(license=evil, name="<b>Horse</b>")
    text = written(tmp_path, spec, data=DataUsed("d" * 64, 9, (Origin(evil, evil, evil),)))
    assert metadata(text)["license"] == "other"
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body
    assert "<b>" not in body
    assert "\n# \\<" not in body


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(method="qlora"), ["base in four bits (QLoRA)", "quantization_config=four_bits", "BitsAndBytesConfig("]),
        (Recipe(method="dpo"), ["from preferences (DPO)", "| beta | 0.1 |", "40 preferences", "- dpo\n"]),
    ],
)
def test_a_card_tells_the_method(tmp_path: Path, recipe: Recipe, words: list[str]) -> None:
    text = written(tmp_path, recipe=recipe)
    assert [word for word in words if word not in text] == []


def test_a_base_from_a_gguf_file_and_a_template_of_the_catalogue_are_told(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert f"Its base is horse.gguf (SHA-256 `{'a' * 64}`) written as safetensors" in text
    assert "```jinja\n{% for m in messages %}{{ m.content }}\n{% endfor %}\n```" in text
    assert 'from_pretrained("FOLDER OF THE BASE")' in text


def test_the_code_of_a_card_is_python(tmp_path: Path) -> None:
    for number, recipe in enumerate((Recipe(method="lora"), Recipe(method="qlora"))):
        text = written(tmp_path / str(number), recipe=recipe)
        compile(text.split("```python\n")[1].split("```")[0], "card", "exec")


def test_what_was_not_measured_is_said_not_to_be(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", held_out=HeldOut(), spent=Spent(device="", joules=None))
    (run.folder / HELD_OUT_FILE).unlink()
    text = card(Card(base_spec(), base_spec(), run))
    for words in (
        "Not measured: no conversation was held out",
        "not reckoned",
        "1 × not known",
        "no price for this dev",
    ):
        assert words in text
    assert "![Loss" not in text


def test_of_one_held_out_conversation_no_interval_is_told(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    (run.folder / HELD_OUT_FILE).write_text('{"before": [["x", 1, 1.0]], "after": []}', encoding="utf-8")
    assert "of so few conversations no interval" in card(Card(base_spec(), base_spec(), run))


def test_energy_and_long_times_have_their_units(tmp_path: Path) -> None:
    spent = Spent(5, 5, 0.0, 7200.0, 8, "NVIDIA A100-SXM4-80GB", 7.2e6)
    text = card(
        Card(base_spec(), base_spec(), trained(tmp_path / "run", spent=spent), DevicePrice("A100-80GB", 1.5, 1e14))
    )
    assert "| Time | 2.00 h |" in text
    assert "| Energy | 2.000 kWh |" in text
    assert "24.00 dollars, at 1.5 an hour of A100-80GB" in text


def test_many_sources_are_counted_not_listed(tmp_path: Path) -> None:
    origins = tuple(Origin(f"battle {number:04}", "mare-70b", "MIT") for number in range(2000))
    text = card(Card(base_spec(), base_spec(), trained(tmp_path / "run", data=DataUsed("d" * 64, 2000, origins))))
    assert "battle 0004 and 1,995 more |" in text
    assert "battle 0005" not in text


def test_all_weights_and_a_merged_adapter_are_told_apart(tmp_path: Path) -> None:
    whole = on_hub(id="x", name="X")
    full = card(Card(whole, on_hub(), trained(tmp_path / "full", recipe=Recipe(method="full"))))
    merged = card(Card(whole, on_hub(), trained(tmp_path / "merged")))
    assert "training all of its weights" in full
    assert "| rank |" not in full
    assert "merged into the weights" in merged
    assert "four bits" not in merged
    of_four = card(Card(whole, on_hub(), trained(tmp_path / "of four", recipe=Recipe(method="qlora"))))
    assert "trained, and its loss below measured, beside four bits: merged it answers" in of_four
    assert 'from_pretrained("THIS FOLDER")' in merged
    assert "peft" not in metadata(merged)["library_name"]


def test_a_loss_since_another_student_is_not_called_one_since_the_base(tmp_path: Path) -> None:
    text = written(tmp_path, start=Start("run-1", "e" * 64))
    assert "2.0000 nats per token before (of run-1, the student it went on from), 1.5000 after" in text
