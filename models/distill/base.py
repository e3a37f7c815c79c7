"""The model a student begins as: an entry of the catalogue as a folder of safetensors, with its chat template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.checkpoint import bring, digest
from models.distill.conversion import converted
from models.distill.problem import DistillProblem
from models.fetch import Report, fetch
from models.spec import ModelSpec

# In others a packed conversation would reach into the next one, and no engine here runs them with an adapter.
_LAYERS: Final = frozenset({"full_attention", "sliding_attention"})


@dataclass(frozen=True)
class Base:
    """`template` is the Jinja text conversations are shown by; `digest` is `models.checkpoint.digest` of the folder."""

    spec: ModelSpec
    folder: Path
    template: str
    digest: str


def bring_base(spec: ModelSpec, cache: Path, report: Report) -> Base:
    """The base of a student; what is there once needs no network and is not converted again.

    A checkpoint is brought as for the arena. A GGUF file is fetched, and converted once to fp32 safetensors in the
    folder `converted` beside `cache`. `report` gets the fraction fetched, 0 to 1.
    Raises `FetchError`, and `DistillProblem` for an endpoint, a script, a base without a chat template, and one with
    layers of another kind than attention.
    """
    if spec.checkpoint:
        folder = bring(spec.checkpoint, cache, report)
    elif spec.weights:
        folder = converted(fetch(spec.weights, cache, report), spec.weights.sha256, cache.absolute().parent)
    else:
        raise DistillProblem(
            f"{spec.id} has no weights here (engine {spec.engine}), so nothing can be taught to it; take a base whose "
            "entry has [model.weights] or [model.checkpoint]."
        )
    _check_layers(spec, folder)
    return Base(spec, folder, template_of(spec, folder), digest(folder, cache))


def template_of(spec: ModelSpec, folder: Path) -> str:
    """The catalogue's template, else the tokenizer's own, as the arena serves it. Raises `DistillProblem`."""
    from transformers import AutoTokenizer

    if spec.prompt_template:
        return spec.prompt_template
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError) as error:
        raise DistillProblem(f"The tokenizer of {spec.id} can't be read ({error}); take another base.") from error
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:
        raise DistillProblem(
            f"{spec.id} has no chat template, neither in its tokenizer nor in the catalogue; write a prompt_template "
            "into its entry, or take its instruction-tuned sister as the base."
        ) from error


def _check_layers(spec: ModelSpec, folder: Path) -> None:
    from transformers import AutoConfig

    try:
        text = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config()
    except (ValueError, OSError) as error:
        said = str(error).strip().partition("\n")[0].rstrip(".")
        raise DistillProblem(f"The configuration of {spec.id} can't be read ({said}); take another base.") from error
    if others := sorted(set(getattr(text, "layer_types", None) or ()) - _LAYERS):
        raise DistillProblem(
            f"{spec.id} has layers ({', '.join(others)}) in which packed conversations would see each other, and its "
            "student could not be served; take a base whose layers are all attention."
        )
