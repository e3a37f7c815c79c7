"""A student's weights as they are kept: its adapter as it was trained, or a whole model in its base's precision."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from models import adapter
from models.checkpoint import digest
from models.distill.base import Base
from models.distill.problem import DistillProblem
from models.distill.run import Run
from models.fetch import FetchError

# What belongs to a model beside its weights and its configuration: its words.
_WORDS: Final = ("tokenizer", "special_tokens_map", "added_tokens", "vocab", "merges", "chat_template")
_SHARD: Final = "5GB"


def room_for(run: Run, base: Base, whole: bool) -> int:
    """Bytes that the student's weights will take, as an adapter or a `whole` model."""
    source = base.folder if whole else run.student
    return sum(path.stat().st_size for path in source.glob("*.safetensors"))


def student_digest(run: Run) -> str:
    """Of the student in a run's folder: of its adapter, or of the whole model. Raises `DistillProblem`."""
    try:
        return (adapter.digest if run.recipe.has_adapter else digest)(run.student)
    except FetchError as error:
        raise DistillProblem(f"{error} Train it again.") from error


def check_student(run: Run) -> None:
    """Raises `DistillProblem` where the student of a finished run is not what the training left."""
    if student_digest(run) != run.digest:
        raise DistillProblem(f"The student in {run.student} is not what was trained; bring that back, or train again.")


def keep_adapter(run: Run, folder: Path) -> str:
    """Copy the adapter of a run into `folder`; its digest. Raises `DistillProblem`, `OSError`."""
    check_student(run)
    folder.mkdir()
    for name in (adapter.CONFIG, adapter.WEIGHTS):
        shutil.copyfile(run.student / name, folder / name)
    found = adapter.digest(folder)
    if found != run.digest:
        raise DistillProblem(f"{folder} is not what was copied from {run.student}; look after that disk.")
    return found


def keep_model(run: Run, base: Base, folder: Path) -> str:
    """Write the student as a whole model into `folder`, its adapter merged if it has one; its digest.

    In the type of the base's own weights, so that both are served alike; what was learnt is rounded to that.
    Raises `DistillProblem`, `OSError`.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    check_student(run)
    dtype = getattr(AutoConfig.from_pretrained(base.folder, trust_remote_code=False), "dtype", None) or torch.float32
    source = base.folder if run.recipe.has_adapter else run.student
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, trust_remote_code=False, use_safetensors=True, local_files_only=True
        )
        if run.recipe.has_adapter:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, run.student).merge_and_unload(safe_merge=True)
        model.save_pretrained(folder, max_shard_size=_SHARD)
        for path in sorted(base.folder.iterdir()):
            if path.name.startswith(_WORDS) and path.is_file():
                shutil.copyfile(path, folder / path.name)
        return digest(folder)
    except (ValueError, RuntimeError, SafetensorError, FetchError) as error:
        said = str(error).strip().partition("\n")[0].rstrip(".")
        raise DistillProblem(
            f"The student of {run.folder} can't be kept as a whole model ({said}); make room, or keep its adapter."
        ) from error


def settle(folder: Path) -> None:
    """Have everything in `folder` on the disk. Raises `OSError`."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
