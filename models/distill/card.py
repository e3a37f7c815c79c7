"""The model card of a student, in the form the Hugging Face Hub reads: what it is, learnt, took, and is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from models.distill.conversation import Origin
from models.distill.held_out import change
from models.distill.licenses import notes
from models.distill.price import counted
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.run import Run, read_held_out
from models.origin import HubCheckpoint
from models.prices import DevicePrice
from models.spec import ModelSpec

CARD: Final = "README.md"
# The Hub takes these as they are; whatever else is "other", with its name.
_HUB_LICENSES: Final = (
    "apache-2.0",
    "mit",
    "gemma",
    "llama2",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "cc-by-4.0",
)
_SOURCES_SHOWN: Final = 5
_OF_ADAPTERS: Final = ("rank", "alpha", "dropout", "targets")
_LIMITS = """It answers as its teachers did, their errors included, and knows what its base knew. What its training took
out or left out is in the report of `distill clean`; nobody has tested it for harm. Judge it by your own questions."""


@dataclass(frozen=True)
class Card:
    """`base` as its own makers serve it; `device`: what an hour of the training cost; `curve`: its picture, if any."""

    student: ModelSpec
    base: ModelSpec
    run: Run
    device: DevicePrice | None = None
    curve: str = ""


def card(of: Card) -> str:
    """Markdown with the Hub's metadata in front."""
    run, student = of.run, of.student
    terms = "".join(f"- {line}\n" for line in notes(run.data.origins))
    return f"""{_front_matter(of)}
# {_plain(student.name)}

{_plain(of.base.name)} ({_named(of.base)}), taught with [TRL](https://github.com/huggingface/trl) by {_how(run.recipe)}.
{_kept(of)}

## What it may be used for

License: **{_plain(student.license)}**

The first part is the base's license; what follows comes with the data, or with the terms of whoever taught it.
{f"{chr(10)}{terms}" if terms else ""}
## How to use it

```python
{_usage(of)}```

{_beside(of)}

## What it learnt from

{run.data.rows:,} {"preferences" if run.recipe.method == "dpo" else "conversations"}; the file's SHA-256 is
`{run.data.train}`.

{_taught(run.data.origins)}
## How it was trained

{_table(("Setting", "Value"), _settings(run.recipe))}
{_versions(run)}

## What it took

{_table(("", ""), _took(of))}
## Loss on conversations it did not see

{_held_out(of)}
{f"![Loss by step]({of.curve}){chr(10)}{chr(10)}" if of.curve else ""}## Limits

{_LIMITS}
"""


def _front_matter(of: Card) -> str:
    # JSON's strings are YAML's too, so nothing given can break out of its place.
    name = of.student.license.lower()
    known = name in _HUB_LICENSES
    lines = [f"license: {json.dumps(name if known else 'other')}"]
    lines += [] if known else [f"license_name: {_slug(of.student.license)}"]
    adapter = of.student.adapter is not None
    if repository := _repository(of.base):
        lines += [f"base_model: {json.dumps(repository)}"]
        lines += [f"base_model_relation: {'adapter' if adapter else 'finetune'}"]
    lines += [f"library_name: {'peft' if adapter else 'transformers'}", "pipeline_tag: text-generation", "tags:"]
    tags = ("distillation", "dpo" if of.run.recipe.method == "dpo" else "sft", "trl", "paddock")
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in (*tags, *(("lora",) if adapter else ()))), "---", ""])


def _repository(base: ModelSpec) -> str:
    """Its name on the Hub; empty where it has none that we know."""
    if isinstance(base.checkpoint, HubCheckpoint):
        return base.checkpoint.id
    found = re.fullmatch(r"https://huggingface\.co/([\w.-]+/[\w.-]+)", base.url)
    return found[1] if found else ""


def _named(base: ModelSpec) -> str:
    repository = _repository(base)
    link = f"[{repository}](https://huggingface.co/{repository})" if repository else f"`{base.id}`"
    return f"{link}, {_plain(base.license)}"


def _how(recipe: Recipe) -> str:
    if recipe.method == "full":
        return "training all of its weights"
    learnt = "preferences (DPO)" if recipe.method == "dpo" else "a larger model's conversations"
    beside = "a base in four bits (QLoRA)" if recipe.nf4 else "the frozen base (LoRA)"
    return f"an adapter of rank {recipe.rank} beside {beside}, from {learnt}"


def _kept(of: Card) -> str:
    if of.student.adapter:
        return "Here is the adapter alone, apart from the base as it was trained."
    if of.run.recipe.has_adapter:
        kept = "The adapter is merged into the weights, and rounded to their precision."
        if not of.run.recipe.nf4:
            return kept
        return f"{kept} It was trained, and its loss below measured, beside four bits: merged it answers otherwise."
    return "Here are all of its weights."


def _usage(of: Card) -> str:
    adapter = of.student.adapter is not None
    four_bits = of.student.quantization == "nf4"
    checkpoint = of.base.checkpoint
    pinned = f', revision="{checkpoint.revision}"' if isinstance(checkpoint, HubCheckpoint) and adapter else ""
    known = checkpoint.id if isinstance(checkpoint, HubCheckpoint) else "FOLDER OF THE BASE"
    source = json.dumps(known if adapter else "THIS FOLDER")
    names = "AutoModelForCausalLM, AutoTokenizer" + (", BitsAndBytesConfig" if four_bits else "")
    quantized = ", quantization_config=four_bits" if four_bits else ""
    lines = ["from peft import PeftModel"] if adapter else []
    lines += [f"from transformers import {names}", ""]
    if four_bits:
        lines += ['four_bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4",']
        lines += ["                               bnb_4bit_use_double_quant=True)"]
    lines += [f"tokenizer = AutoTokenizer.from_pretrained({source}{pinned})"]
    lines += [f"model = AutoModelForCausalLM.from_pretrained({source}{pinned}{quantized})"]
    lines += ['model = PeftModel.from_pretrained(model, "THIS FOLDER")'] if adapter else []
    return "\n".join(lines) + "\n"


def _beside(of: Card) -> str:
    """What must be known beside the code."""
    told = ["Loaded so, its greedy answers are those of the arena's engine."]
    if of.base.weights:
        file = of.base.weights
        told += [f"Its base is {_plain(file.file)} (SHA-256 `{file.sha256}`) written as safetensors;"]
        told += ["beside the weights that file was once made of it answers a little otherwise."]
    if of.student.prompt_template:
        told += [f"It reads conversations by this template:\n\n```jinja\n{of.student.prompt_template}\n```"]
    return "\n".join(told)


def _taught(origins: Iterable[Origin]) -> str:
    """A line for each teacher and license; the files are told as far as they are few."""
    groups: dict[tuple[str, str], set[str]] = {}
    for origin in origins:
        groups.setdefault((origin.teacher, origin.license), set()).add(origin.source)
    lines = []
    for (teacher, terms), sources in sorted(groups.items()):
        named = sorted(filter(None, sources))
        more = f" and {len(named) - _SOURCES_SHOWN:,} more" if len(named) > _SOURCES_SHOWN else ""
        told = ", ".join(named[:_SOURCES_SHOWN]) + more
        lines.append((teacher or "people, or not known", terms or "not stated", told or "not stated"))
    return _table(("Teacher", "License of the data", "From"), lines)


def _settings(recipe: Recipe) -> list[tuple[str, str]]:
    told = asdict(recipe)
    left_out = {*(() if recipe.has_adapter else _OF_ADAPTERS), *(() if recipe.method == "dpo" else ("beta",))}
    return [(name.replace("_", " "), f"{value}") for name, value in told.items() if name not in left_out]


def _versions(run: Run) -> str:
    return ", ".join(f"{name} {version}" for name, version in run.versions.items() if version)


def _took(of: Card) -> list[tuple[str, str]]:
    spent = of.run.spent
    lines = [
        ("Tokens seen", f"{spent.tokens:,}"),
        ("of these counted by the loss", f"{spent.counted_tokens:,}"),
        ("FLOPs", f"{spent.flops:.2e}" if spent.flops else "not reckoned"),
        ("Devices", f"{spent.devices} × {spent.device or 'not known'}"),
        ("Time", f"{spent.seconds / 3600:.2f} h" if spent.seconds >= 3600 else f"{spent.seconds / 60:.1f} min"),
        ("Energy", "not measured" if spent.joules is None else f"{spent.joules / 3.6e6:.3f} kWh"),
    ]
    if of.device is None:
        return [*lines, ("Cost", "not known: no price for this device")]
    cost = counted(spent, of.device).dollars
    return [*lines, ("Cost", f"{cost:.2f} dollars, at {of.device.dollars_per_hour:g} an hour of {of.device.name}")]


def _held_out(of: Card) -> str:
    told = of.run.held_out
    if told.before is None or told.after is None:
        return "Not measured: no conversation was held out.\n"
    start = f" (of {_plain(of.run.start.run)}, the student it went on from)" if of.run.start else ""
    line = f"{told.before:.4f} nats per token before{start}, {told.after:.4f} after"
    try:
        found = change(*read_held_out(of.run.folder))
    except DistillProblem:
        return f"{line}; of so few conversations no interval can be told.\n"
    low, high = (f"{value - 1:+.1%}" for value in (found.low, found.high))
    return (
        f"{line}: {found.ratio - 1:+.1%}, between {low} and {high} with 95 % confidence (paired bootstrap over the\n"
        "conversations that were held out).\n"
    )


def _table(headers: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [headers, ["---"] * len(headers), *([_plain(cell) for cell in line] for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _slug(text: str) -> str:
    return json.dumps(re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")[:96] or "unknown")


def _plain(text: str) -> str:
    """On one line, and of no meaning in Markdown or HTML."""
    return re.sub(r"([\\`*_<>\[\]|#])", r"\\\1", " ".join(text.split()))
