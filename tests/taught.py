"""A base small enough to be taught in a second, and conversations to teach it.

`python tests/taught.py FOLDER [RECIPE AS JSON]` trains FOLDER/base on FOLDER/data into FOLDER/run, to be killed at.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_words import CHATML, words

from models.chat import Message
from models.distill.base import Base
from models.distill.conversation import Conversation, Origin
from models.distill.files import write_conversations
from models.distill.recipe import Recipe
from models.distill.run import Run
from models.distill.training import Lesson, train
from models.origin import FolderCheckpoint
from models.spec import ModelSpec

torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")

# Seconds on a loaded machine: 24 rows in packs of 256, several packs a step.
QUICK: dict[str, Any] = {
    "epochs": 2.0, "batch": 1, "accumulate": 2, "context": 256, "learning_rate": 1e-2, "rank": 4, "alpha": 8,
    "dropout": 0.1, "checkpoint_steps": 2, "gradient_checkpointing": False, "seed": 3,
}  # fmt: skip


def quick(**changes: Any) -> Recipe:
    return Recipe(**{**QUICK, **changes})


def tiny_base(folder: Path) -> Base:
    """Llama's layout with random weights and a tokenizer of bytes; made once a folder."""
    if not (folder / "config.json").exists():
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(7)
        config = LlamaConfig(
            vocab_size=288, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=None, eos_token_id=258,
            tie_word_embeddings=True,
        )  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder)
        words(folder)
    spec = ModelSpec(
        id="tiny-base", name="Tiny", engine="transformers", quantization="none", license="Apache-2.0", makers=("us",),
        context=512, checkpoint=FolderCheckpoint(kind="folder", path=str(folder), digest="0" * 64),
    )  # fmt: skip
    return Base(spec, folder, CHATML, "0" * 64)


def conversations(count: int, kind: str = "train") -> list[Conversation]:
    """Short ones of one teacher, whose answers all sound alike."""
    origin = Origin("made here", "tiny-teacher", "Apache-2.0")
    return [
        Conversation(
            f"{kind}-{number}",
            (Message("user", f"What is {kind} {number}?"), Message("assistant", f"Ahoy! {kind} is {number % 7}.")),
            origin,
        )
        for number in range(count)
    ]


def tiny_data(folder: Path, rows: int = 24, held_out: int = 4) -> Path:
    write_conversations(folder / "train.jsonl", conversations(rows))
    if held_out:
        write_conversations(folder / "held_out.jsonl", conversations(held_out, "other"))
    return folder


def taught(folder: Path, recipe: Recipe, **more: Any) -> Run:
    """Train in `folder`, which holds base, data and run; they are made where they are missing."""
    data = folder / "data"
    if not data.exists():
        tiny_data(data)
    lesson = {"data": data, "out": folder / "run", **more}
    return train(Lesson(base=tiny_base(folder / "base"), recipe=recipe, **lesson), lambda what, share: None)


def losses_of(run: Path) -> list[float]:
    """The loss of every step that its log holds."""
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    torch.set_num_threads(1)
    taught(Path(sys.argv[1]), quick(**json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}")))
