"""A model of the transformers library as both engines use it: its weights, its words, and how it reads on.

Nothing here has a thread or a lock of its own, so that it can be taken into a forked process.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedModel

from models.chat import Failed, Message
from models.local.answering import Answering
from models.local.batch import Batch
from models.local.engine import Question, Unusable
from models.local.sampler import Chance
from models.local.thinking import marked, opens_reasoning
from models.local.timeline import Timeline
from models.local.wording import Wording
from models.spec import ModelSpec

TEMPLATE_SECONDS = 20.0  # it takes milliseconds, on a machine that is busy a second
# Tokens of prompts read between two steps: the running answers stand still for so long.
PROMPT_TOKENS = {"cuda": 2048, "mps": 512, "cpu": 64}


class LoadedModel:
    """One contestant's weights in memory, and what turns conversations into its tokens."""

    def __init__(self, spec: ModelSpec, folder: Path, config: PretrainedConfig, model: PreTrainedModel) -> None:
        """Raises `Unusable` where its words are missing or a batch can't run it."""
        self.words = Words(spec, folder)
        self.model = model
        _check_batchable(spec, model)
        text = config.get_text_config()
        self._layers: int = text.num_hidden_layers
        self._context = min(spec.context, getattr(text, "max_position_embeddings", None) or spec.context)
        self._ends = frozenset([*_ids(model.generation_config.eos_token_id), *_ids(self.words.end)])

    def asked(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Answering | Failed:
        """The question as a batch takes it, or why it can't be answered."""
        text = self.words.written(question.messages)
        prompt = self.words.ids(text)
        room = self._context - len(prompt)
        if room < 1:
            return Failed(f"the prompt has {len(prompt)} tokens, the context holds {self._context}", fault=False)
        return Answering(
            prompt=prompt,
            limit=min(question.sampling.max_tokens, room),
            ends=self._ends,
            chance=Chance(question.sampling, question.seed, prompt),
            wording=Wording(self.words.backend, question.sampling.stop),
            emit=marked(emit) if opens_reasoning(text) else emit,
            stopped=stopped,
        )

    def batch(self, device: torch.device) -> Batch:
        """An empty batch of this model; it runs nothing by itself."""
        return Batch(
            self._forward,
            layers=self._layers,
            vocabulary=self.model.get_output_embeddings().weight.shape[0],
            device=device,
            prompt_tokens=PROMPT_TOKENS[device.type],
        )

    def _forward(self, tokens: torch.Tensor, timeline: Timeline) -> torch.Tensor:
        query = tokens.shape[1]
        output = self.model(
            input_ids=tokens,
            attention_mask=timeline.mask(query, tokens.device),
            position_ids=timeline.positions(query, tokens.device),
            past_key_values=timeline,
            use_cache=True,
            logits_to_keep=1,
        )
        timeline.advance(query)
        logits: torch.Tensor = output.logits[:, -1]
        return logits


class Words:
    """The tokenizer and the prompt template of one contestant. Raises `Unusable` where one is missing."""

    def __init__(self, spec: ModelSpec, folder: Path) -> None:
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except (ValueError, OSError) as error:
            raise Unusable(f"{spec.name}: its tokenizer can't be read ({str(error).splitlines()[0][:200]}).") from error
        try:
            self._template = spec.prompt_template or self._tokenizer.get_chat_template()
        except ValueError as error:
            raise Unusable(
                f"{spec.name} has no chat template; write a prompt_template in its catalogue entry."
            ) from error
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise Unusable(f"{spec.name} has no tokenizer.json; save its tokenizer anew with transformers.")
        self.backend = backend
        self.end = self._tokenizer.eos_token_id
        self._check_ends(spec)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The conversation in token ids, ready for the answer."""
        return self.ids(self.written(messages))

    def written(self, messages: Sequence[Message]) -> str:
        """The conversation as the template writes it, ready for the answer."""
        turns = [{"role": message.role, "content": message.text} for message in messages]
        text: str = self._tokenizer.apply_chat_template(
            turns, chat_template=self._template, add_generation_prompt=True, tokenize=False
        )
        return text

    def ids(self, text: str) -> list[int]:
        # The template has written every special token itself.
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _check_ends(self, spec: ModelSpec) -> None:
        """A template is a program: one that never ends would hold its engine up at every prompt.

        Where this raises its thread goes on; the process that loads models ends then.
        """
        trial = threading.Thread(target=self._try, name="template", daemon=True)
        trial.start()
        trial.join(TEMPLATE_SECONDS)
        if trial.is_alive():
            raise Unusable(
                f"{spec.name}: its chat template does not end within {TEMPLATE_SECONDS:g} s; write a prompt_template "
                "in its catalogue entry, or take another model."
            )

    def _try(self) -> None:
        with suppress(Exception):  # one that can't take these messages says so when it is asked
            self.prompt([Message("user", "Hello")])


def _check_batchable(spec: ModelSpec, model: PreTrainedModel) -> None:
    taken = inspect.signature(model.forward).parameters
    missing = [name for name in ("position_ids", "past_key_values", "logits_to_keep") if name not in taken]
    if missing:
        raise Unusable(
            f"{spec.name}: {type(model).__name__} takes no {', '.join(missing)}, so that engine transformers can't "
            "batch it; use a GGUF file with engine llamacpp, or an endpoint."
        )


def _ids(ends: int | Sequence[int] | None) -> list[int]:
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
