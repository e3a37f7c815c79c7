"""Models as they are trained and measured: the base in its precision, an adapter beside it, the student."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any, Final

from models.distill.files import cannot_write, write_text
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.weights import settle as settled

_OF_TRAINING: Final = ("trainer_state.json", "whole.json")
_OF_MODEL: Final = (".safetensors", ".json", ".jinja", ".model", ".txt")
_ADAPTER: Final = ("adapter_model.safetensors", "adapter_config.json")


@contextmanager
def quietly() -> Iterator[None]:
    """Without the bars and warnings of the libraries, which tell who trains nothing; errors are raised all the same."""
    from datasets.utils import disable_progress_bars
    from transformers.utils import logging

    getLogger("bitsandbytes").setLevel(ERROR)  # it misses a package that nobody has, at its import
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)


@contextmanager
def within_memory() -> Iterator[None]:
    """Raises `DistillProblem` where a GPU's memory does not hold what is computed."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DistillProblem(
            "The GPU's memory does not hold this training; end what else runs there, or train into another folder with "
            "a smaller --batch (more --accumulate), a smaller --context, --gradient-checkpointing, or --method qlora."
        ) from error


def device() -> str:
    """Where to train: "cuda" with one GPU, else "cpu". Raises `DistillProblem` where several GPUs are visible."""
    import torch

    if torch.cuda.device_count() > 1:
        raise DistillProblem("Several GPUs are visible and one is used; choose it with CUDA_VISIBLE_DEVICES=0.")
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name(kind: str) -> str:
    import torch

    return str(torch.cuda.get_device_name()) if kind == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def has_bf16(kind: str) -> bool:
    """Whether matrices are multiplied in bf16: on GPUs that do it themselves, from Ampere on."""
    import torch

    return kind == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def load_base(folder: Path, recipe: Recipe, kind: str) -> Any:
    """The model in `folder`: in NF4, in bf16, or in fp32 on a CPU, and where all weights are trained.

    Raises `DistillProblem` where its context is shorter than the recipe's, or it can't be read.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    compute = torch.bfloat16 if has_bf16(kind) else torch.float32
    options: dict[str, Any] = {"dtype": torch.float32 if recipe.method == "full" else compute}
    if recipe.nf4:
        # As in Dettmers et al. 2023, the constants of the blocks quantized too.
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
        )
        options["device_map"] = {"": 0 if kind == "cuda" else "cpu"}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, local_files_only=True,
            attn_implementation="sdpa", **options,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise DistillProblem(f"The base in {folder} can't be loaded ({_first(error)}); take another one.") from error
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if longest and recipe.context > longest:
        raise DistillProblem(f"The base reads {longest} tokens at most and --context is {recipe.context}; lower it.")
    return model if recipe.nf4 else model.to(kind)


def with_adapter(model: Any, folder: Path, *, trained: bool) -> Any:
    """The base with the adapter of that folder; `trained`: to go on with it."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder, is_trainable=trained)


def free_memory() -> None:
    """Give back what models that nobody holds any more took; trainers hold themselves in circles."""
    import gc

    import torch

    gc.collect()
    torch.cuda.empty_cache()


def load_student(base: Path, student: Path, recipe: Recipe, kind: str) -> Any:
    """What a run made, from its files."""
    if not recipe.has_adapter:
        return load_base(student, recipe, kind)
    return with_adapter(load_base(base, recipe, kind), student, trained=False)


def settle(checkpoint: Path, student: Path, recipe: Recipe, base: str) -> None:
    """Make the student's folder of a checkpoint, on the disk and whole or not at all.

    `base` is how others know its base. Raises `DistillProblem` where the disk is full.
    """
    draft = student.with_name(f".{student.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        for path in sorted(checkpoint.iterdir()):
            if path.name in _ADAPTER if recipe.has_adapter else _belongs(path):
                shutil.copyfile(path, draft / path.name)
        if recipe.has_adapter:
            _name_base(draft / "adapter_config.json", base)
        settled(draft)
        shutil.rmtree(student, ignore_errors=True)
        draft.rename(student)
    except OSError as error:
        raise DistillProblem(cannot_write(student, error)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _belongs(path: Path) -> bool:
    return path.is_file() and path.suffix in _OF_MODEL and path.name not in _OF_TRAINING


def _name_base(config: Path, base: str) -> None:
    """Name the base as others know it; that of peft is the folder it lay in, which means nothing elsewhere."""
    told = json.loads(config.read_text(encoding="utf-8"))
    write_text(config, json.dumps({**told, "base_model_name_or_path": base}, indent=2, sort_keys=True) + "\n")


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
