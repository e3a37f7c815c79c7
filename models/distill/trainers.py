"""TRL's trainers at work on our packs and pairs: whole checkpoints, a stop at numbers that are none, all counted.

From TRL come the loop, the schedule, the loss without all logits at one time, and DPO's loss. It neither tokenizes
nor packs here: what counts was decided before (`template`, `packing`).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from models.distill.checkpoints import FOLDER, newest, seal
from models.distill.dpo import Pair, PairCollator, columns
from models.distill.files import Lines
from models.distill.guard import check_finite
from models.distill.loading import has_bf16
from models.distill.packing import IGNORED, Pack
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.tally import Tally

# Step, all steps, and that step's loss.
Stepped = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Work:
    """One training as its trainer needs it. `model` has an adapter already where it goes on with one."""

    folder: Path
    model: Any
    tokenizer: Any
    recipe: Recipe
    examples: Sequence[Pack] | Sequence[Pair]
    device: str
    tally: Tally
    log: Lines
    stepped: Stepped


def steps_of(examples: int, recipe: Recipe) -> int:
    """Steps of the optimizer: each epoch ends with what is left of a step."""
    if recipe.max_steps:
        return recipe.max_steps
    return max(1, math.ceil(recipe.epochs * math.ceil(math.ceil(examples / recipe.batch) / recipe.accumulate)))


def trainer_of(work: Work) -> Any:
    """A trainer that writes checkpoints into RUN/checkpoints; `.train(resume_from_checkpoint=…)` begins.

    It raises `DistillProblem` at a loss that is no number and where a checkpoint can't be written.
    """
    from datasets import Dataset
    from peft import LoraConfig, PeftModel

    recipe = work.recipe
    lora = None
    if recipe.has_adapter and not isinstance(work.model, PeftModel):
        lora = LoraConfig(
            r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout,
            target_modules=recipe.targets, task_type="CAUSAL_LM",
        )  # fmt: skip
    told = {"model": work.model, "peft_config": lora, "processing_class": work.tokenizer}
    pad = work.tokenizer.pad_token_id
    padding = work.tokenizer.eos_token_id if pad is None else pad
    pairs = [one for one in work.examples if isinstance(one, Pair)]
    if recipe.method == "dpo":
        config = DPOConfig(**arguments(work), beta=recipe.beta, max_length=None)
        data = Dataset.from_dict(columns(pairs)).with_format("torch")
        trainer = _Dpo(**told, args=config, train_dataset=data, data_collator=PairCollator(padding or 0))
    else:
        config = SFTConfig(**arguments(work), max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
        packs = [one for one in work.examples if isinstance(one, Pack)]
        data = Dataset.from_dict(
            {
                "input_ids": [one.ids for one in packs],
                "labels": [one.labels for one in packs],
                "position_ids": [one.positions for one in packs],
            }
        ).with_format("torch")
        trainer = _Sft(**told, args=config, train_dataset=data, data_collator=PackCollator(padding or 0))
    return _watched(trainer, work)


class PackCollator:
    """Packs, in tensors → one batch filled up to the longest: what fills is a row of its own, nothing of it counts."""

    def __init__(self, padding: int) -> None:
        """`padding`: the id of the token that fills up."""
        self._padding = padding

    def __call__(self, packs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Tensors of shape [packs, longest], without an attention mask (see `packing`), and two counts for `tally`."""
        import torch

        lengths = [len(pack["input_ids"]) for pack in packs]
        shape = (len(packs), max(lengths))
        ids, labels = torch.full(shape, self._padding), torch.full(shape, IGNORED)
        positions = torch.zeros(shape, dtype=torch.long)
        for number, (pack, length) in enumerate(zip(packs, lengths, strict=True)):
            ids[number, :length] = pack["input_ids"]
            labels[number, :length] = pack["labels"]
            positions[number, :length] = pack["position_ids"]
            positions[number, length:] = torch.arange(shape[1] - length)
        counts = {"tokens": sum(lengths), "counted_tokens": int((labels != IGNORED).sum())}
        return {"input_ids": ids, "labels": labels, "position_ids": positions, **counts}


class _Counted:
    """What both trainers do beside TRL's own work."""

    tally: Tally

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self.tally.take(inputs)
        return super().training_step(model, inputs, num_items_in_batch)  # type: ignore[misc]

    def create_model_card(self, *_: object, **__: object) -> None:
        """None: the student gets its card where it is registered."""

    def _send_telemetry(self) -> None:
        """None: whoever trains was not asked whether TRL may tell its makers of it."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        args, step = self.args, self.state.global_step  # type: ignore[attr-defined]
        folder = Path(args.output_dir) / f"checkpoint-{step}"
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            seal(folder, self.tally.spent())
        # torch says RuntimeError where its writer finds no room
        except (OSError, RuntimeError, SafetensorError, DistillProblem) as error:
            shutil.rmtree(folder, ignore_errors=True)
            good = newest(folder.parent)
            where = f"the one of step {good.step} is kept and it goes on from there" if good else "there is none yet"
            raise DistillProblem(
                f"The checkpoint of step {step} can't be written to {folder.parent} ({_first(error)}); {where}. Make "
                "room and run it again."
            ) from error


class _Sft(_Counted, SFTTrainer):
    pass


class _Dpo(_Counted, DPOTrainer):
    def _prepare_dataset(self, dataset: Any, *_: object, **__: object) -> Any:
        """As it is: tokenized as for every other method."""
        return dataset


class _Watch(TrainerCallback):
    """Logs each step, and stops where a number is none, before a checkpoint could be made of it."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return
        loss, norm = float(logs["loss"]), logs.get("grad_norm")
        kept = newest(self._work.folder / FOLDER) if not _finite(loss, norm) else None
        check_finite(state.global_step, loss, norm, kept.folder if kept else None)
        spent = self._work.tally.spent()
        row = {"step": state.global_step, "loss": loss, "learning_rate": logs.get("learning_rate"), "grad_norm": norm}
        preferred = {"margin": "rewards/margins", "preferred": "rewards/accuracies"}
        row |= {name: float(logs[told]) for name, told in preferred.items() if told in logs}
        self._work.log.add({**row, "tokens": spent.tokens, "seconds": round(spent.seconds, 3)})
        self._work.stepped(state.global_step, state.max_steps, loss)


def _watched(trainer: Any, work: Work) -> Any:
    trainer.tally = work.tally
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Watch(work))
    if work.recipe.has_adapter:
        for weights in trainer.model.parameters():
            if weights.requires_grad:
                # TRL has those beside a quantized base in bf16, whose eight bits lose small steps.
                weights.data = weights.data.float()
    return trainer


def arguments(work: Work) -> dict[str, Any]:
    """What both kinds are told in the same words."""
    recipe, on_gpu = work.recipe, work.device == "cuda"
    steps = steps_of(len(work.examples), recipe)
    return {
        "output_dir": str(work.folder / FOLDER),
        "max_steps": steps,
        "per_device_train_batch_size": recipe.batch,
        "gradient_accumulation_steps": recipe.accumulate,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": int(recipe.warmup * steps),
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if recipe.gradient_checkpointing else None,
        "bf16": has_bf16(work.device),
        "use_cpu": not on_gpu,
        "dataloader_pin_memory": on_gpu,
        "remove_unused_columns": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": recipe.checkpoint_steps,
        "report_to": "none",
        "disable_tqdm": True,
    }


def _finite(*numbers: float | None) -> bool:
    return all(number is None or math.isfinite(number) for number in numbers)


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
