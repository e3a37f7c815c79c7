"""How fast an adapter is trained, by us and by TRL's `SFTTrainer` alone, on packs that are all full.

`python train_speed.py FOLDER DEVICE METHOD LENGTH BATCH STEPS` trains on random tokens and prints one JSON object.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import measured  # noqa: F401 (where the code is found)

from models.distill.files import Lines
from models.distill.flops import shape_of, training_flops
from models.distill.loading import load_base, quietly
from models.distill.packing import Pack
from models.distill.recipe import Recipe
from models.distill.run import Spent
from models.distill.tally import Tally
from models.distill.trainers import Work, arguments, trainer_of
from models.prices import load_prices

WARM = 2  # steps that are not counted


@dataclass(frozen=True)
class Case:
    """One training: of the checkpoint in `folder`, on `packs` that all have one length."""

    folder: Path
    device: str
    recipe: Recipe
    packs: Sequence[Pack]

    @property
    def tokens(self) -> int:
        """Of a step."""
        return self.recipe.batch * self.recipe.accumulate * len(self.packs[0].ids)


def random_packs(count: int, length: int, words: int) -> list[Pack]:
    """Tokens that mean nothing; half of them count."""
    rng = random.Random(0)
    ids = [[rng.randrange(words) for _ in range(length)] for _ in range(count)]
    half = length // 2
    return [Pack(one, [-100] * half + one[half:], list(range(length))) for one in ids]


def ours(case: Case, scratch: Path) -> float:
    """Tokens a second of our training, after the first steps; checkpoints are not part of it."""
    ends: list[float] = []
    with quietly(), Lines(scratch / "log.jsonl") as log:
        trainer_of(_work(case, scratch, log, ends)).train()
    return _speed(case, ends)


def trl_alone(case: Case, scratch: Path) -> float:
    """The same of TRL's trainer on the same packs, with its own collator."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    ends: list[float] = []

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" in logs:
                ends.append(time.perf_counter())

    recipe = case.recipe
    with quietly(), Lines(scratch / "log.jsonl") as log:
        work = _work(case, scratch, log, [])
        rows = {
            "input_ids": [one.ids for one in case.packs],
            "labels": [one.labels for one in case.packs],
            "seq_lengths": [_lengths(one) for one in case.packs],
        }
        trainer = SFTTrainer(
            model=work.model,
            args=SFTConfig(**{**arguments(work), "remove_unused_columns": True}, max_length=None, padding_free=True),
            train_dataset=Dataset.from_dict(rows),
            processing_class=AutoTokenizer.from_pretrained(case.folder),
            peft_config=LoraConfig(
                r=recipe.rank, lora_alpha=recipe.alpha, target_modules=recipe.targets, task_type="CAUSAL_LM"
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Watch())
        trainer.train()
    return _speed(case, ends)


def _lengths(pack: Pack) -> list[int]:
    """Of the rows in it: attention stays inside of them."""
    begins = [place for place, position in enumerate(pack.positions) if position == 0]
    return [end - begin for begin, end in pairwise([*begins, len(pack.positions)])]


def model_flops(case: Case) -> float:
    """FLOPs of a token, what checkpointing computes twice counted once: a utilisation goes by it."""
    shape = shape_of(json.loads((case.folder / "config.json").read_text()))
    return training_flops(shape, 1.0, len(case.packs[0].ids), case.recipe.method, False, case.recipe.rank)


def _work(case: Case, scratch: Path, log: Lines, ends: list[float]) -> Work:
    from transformers import AutoTokenizer

    return Work(
        folder=scratch,
        model=load_base(case.folder, case.recipe, case.device),
        tokenizer=AutoTokenizer.from_pretrained(case.folder),
        recipe=case.recipe,
        examples=case.packs,
        device=case.device,
        tally=Tally(Spent(), lambda tokens, length: 0.0, None),
        log=log,
        stepped=lambda step, steps, loss: ends.append(time.perf_counter()),
    )


def _speed(case: Case, ends: Sequence[float]) -> float:
    return case.tokens * (len(ends) - WARM) / (ends[-1] - ends[WARM - 1])


def main() -> None:
    folder, device, method = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    length, batch, steps = (int(one) for one in sys.argv[4:7])
    words = json.loads((folder / "config.json").read_text())["vocab_size"]
    recipe = Recipe(
        method=method,  # type: ignore[arg-type]
        max_steps=steps + WARM, batch=batch, accumulate=1, context=length, checkpoint_steps=10 * steps,
    )  # fmt: skip
    case = Case(folder, device, recipe, random_packs(batch * 4, length, words))
    with tempfile.TemporaryDirectory() as scratch:
        speed = ours(case, Path(scratch))
    found: dict[str, Any] = {"tokens_per_second": round(speed, 1), "flops_per_second": speed * model_flops(case)}
    if device == "cuda":
        import torch

        found["device_peak_mb"] = torch.cuda.max_memory_allocated() >> 20
        known = load_prices().device(torch.cuda.get_device_name())
        found["mfu"] = round(found["flops_per_second"] / known.flops, 4) if known else None
    print(json.dumps(found))


if __name__ == "__main__":
    main()
