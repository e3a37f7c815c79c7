"""What an entry of the catalogue says: a frozen `ModelSpec`, checked field by field, with its fingerprint.

A contestant is weights + revision + quantization + engine + prompt template + sampling + context.
Its fingerprint is a hash over exactly these, so that any change of them is another contestant.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from models.chat import Sampling
from models.origin import Adapter, Checkpoint, Entry, FolderCheckpoint, HubCheckpoint, Weights, like

Engine = Literal["llamacpp", "transformers", "endpoint", "scripted"]
# Which hardware an entry is meant for; see `models.lineup`.
Lineup = Literal["cpu", "zerogpu", "gpu-8gb", "gpu-24gb"]

# Made when the weights are loaded (the first three), or found in the checkpoint, which must then say so.
QUANTIZATIONS = ("nf4", "int8", "none", "gptq", "awq", "compressed-tensors", "torchao", "fp8", "mxfp4")
_PARTS = {"llamacpp": "weights", "transformers": "checkpoint", "endpoint": "endpoint"}


def _has_port(url: str) -> str:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"'{url}' has no port that can be") from error
    return url


class Endpoint(Entry):
    """An OpenAI-compatible server: its base address (".../v1"), the model's name there.

    `key` names the variable of the environment that holds the key (never the key itself; empty: none).
    `reported` is the name the server may answer with, where that is another one.
    """

    url: Annotated[
        str,
        like(r"https?://[^\s/@?#]+(/[^\s?#@]*)?", "is no address such as http://HOST:PORT/v1"),
        AfterValidator(_has_port),
    ]
    model: str = Field(min_length=1)
    # Variables of such names are kept from engines' processes.
    key: Annotated[
        str,
        like(
            r"([A-Z][A-Z0-9_]*_)?(KEY|TOKEN|SECRET|PASSWORD)|",
            "is no variable's name that ends in _KEY, _TOKEN, _SECRET or _PASSWORD",
        ),
    ] = ""
    reported: str = ""


class SamplingEntry(Entry):
    temperature: float = Field(default=0.7, ge=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    top_k: int = Field(default=40, ge=0)
    repeat_penalty: float = Field(default=1.0, ge=0.5, le=2)
    max_tokens: int = Field(default=512, ge=1, le=32768)
    stop: tuple[str, ...] = ()


class ModelSpec(Entry):
    """One contestant as the catalogue describes it; frozen. Without `lineups` it is meant for every hardware.

    Without `plays` it is no contestant of the arena: it judges or teaches, and is never drawn.
    `base` is the id of the entry it was taught from, which is served as it is, for whoever compares the two.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    name: str = Field(min_length=1, max_length=80)
    engine: Engine
    quantization: str
    license: str
    makers: tuple[str, ...] = Field(min_length=1)
    lineups: tuple[Lineup, ...] = ()
    plays: bool = True
    base: str = ""
    url: str = ""
    context: int = Field(default=4096, ge=256)
    prompt_template: str = ""
    weights: Weights | None = None
    checkpoint: Checkpoint | None = None
    adapter: Adapter | None = None
    endpoint: Endpoint | None = None
    script: dict[str, object] = Field(default_factory=dict)
    sampling: SamplingEntry = SamplingEntry()

    @field_validator("script")
    @classmethod
    def _is_plain(cls, script: dict[str, object]) -> dict[str, object]:
        try:
            json.dumps(script)
        except TypeError as error:
            raise ValueError("holds something else than texts, numbers, truths, lists and tables") from error
        return script

    @model_validator(mode="after")
    def _is_whole(self) -> ModelSpec:
        for engine, part in _PARTS.items():
            if self.engine != "scripted" and (getattr(self, part) is not None) != (self.engine == engine):
                says = "needs" if self.engine == engine else "takes no"
                raise ValueError(f"engine {self.engine} {says} [model.{part}]")
        if self.adapter and self.engine != "transformers":
            raise ValueError(f"engine {self.engine} takes no [model.adapter]; engine transformers does")
        if self.engine == "transformers" and self.quantization not in QUANTIZATIONS:
            raise ValueError(
                f"quantization '{self.quantization}' is unknown to engine transformers; "
                f"it is one of {', '.join(QUANTIZATIONS)}"
            )
        return self

    @property
    def identity(self) -> dict[str, object]:
        """What makes this contestant this contestant; JSON-ready."""
        adapted = {"adapter": self.adapter.digest} if self.adapter else {}  # without one it is what it always was
        return {
            "engine": self.engine,
            "weights": self._content,
            "quantization": self.quantization,
            "prompt_template": self.prompt_template,
            "sampling": self.sampling.model_dump(mode="json"),
            "context": self.context,
            "script": self.script,
            **adapted,
        }

    @property
    def _content(self) -> object:
        """What the answers come from, wherever it lies on this machine."""
        match self.checkpoint:
            case HubCheckpoint(id=name, revision=revision):
                return f"{name}@{revision}"
            case FolderCheckpoint(digest=digest):
                return digest
        if self.endpoint:
            return f"endpoint {self.endpoint.model}"  # its address may change, who answers there does not
        return self.weights.sha256 if self.weights else None

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of the identity and the id, as canonical JSON."""
        text = json.dumps({"id": self.id, **self.identity}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def chat_sampling(self) -> Sampling:
        return Sampling(**self.sampling.model_dump())
