"""Models of the transformers library in this process, all their answers in one batch. Only inside a worker.

Greedy answers are those of `generate`; who else is answered at the same time changes nothing but, where two
tokens are as good as equal, the last digits that decide between them.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedModel

from models.catalog import ModelSpec
from models.chat import Done, Failed, Message
from models.local.answering import Answering
from models.local.batch import Batch
from models.local.engine import Footprint, Question, Unusable
from models.local.loading import best_device, capacity, load, read_config, size
from models.local.sampler import Chance
from models.local.timeline import Timeline
from models.local.wording import Wording

# Tokens of prompts read between two steps: the running answers stand still for so long.
PROMPT_TOKENS = {"cuda": 2048, "mps": 512, "cpu": 64}
WORKSPACE = 1.1  # activations, and what the allocator rounds up


class TransformersEngine:
    """One model with `slots` answers at a time."""

    def __init__(self, spec: ModelSpec, weights: Path | None, threads: int, slots: int) -> None:  # noqa: ARG002
        transformers.utils.logging.set_verbosity_error()
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # int8 on a CPU logs a line at every layer
        torch.set_num_threads(threads)
        folder = _folder(spec, weights)
        config = read_config(spec, folder)
        self._words = _Words(spec, folder)
        self._model = load(spec, folder, config)
        _check_batchable(spec, self._model)
        text = config.get_text_config()
        self._context = min(spec.context, getattr(text, "max_position_embeddings", None) or spec.context)
        self._ends = frozenset([*_ids(self._model.generation_config.eos_token_id), *_ids(self._words.end)])
        device = best_device()
        self.batch = Batch(
            self._forward,
            layers=text.num_hidden_layers,
            vocabulary=self._model.get_output_embeddings().weight.shape[0],
            device=device,
            prompt_tokens=PROMPT_TOKENS[device.type],
        )

    @staticmethod
    def needs(spec: ModelSpec, weights: Path | None, slots: int) -> Footprint:
        folder, device = _folder(spec, weights), best_device()
        taken = size(spec, folder, read_config(spec, folder), slots) * WORKSPACE
        return Footprint(str(device), int(taken), capacity(device))

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        """Join the batch until the end, a failure, or `stopped()`."""
        prompt = self._words.prompt(question.messages)
        room = self._context - len(prompt)
        if room < 1:
            return Failed(f"the prompt has {len(prompt)} tokens, the context holds {self._context}", fault=False)
        request = Answering(
            prompt=prompt,
            limit=min(question.sampling.max_tokens, room),
            ends=self._ends,
            chance=Chance(question.sampling, question.seed, prompt),
            wording=Wording(self._words.backend, question.sampling.stop),
            emit=emit,
            stopped=stopped,
        )
        return self.batch.answer(request)

    def _forward(self, tokens: torch.Tensor, timeline: Timeline) -> torch.Tensor:
        query = tokens.shape[1]
        output = self._model(
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


class _Words:
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

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The conversation in token ids, ready for the answer."""
        turns = [{"role": message.role, "content": message.text} for message in messages]
        text = self._tokenizer.apply_chat_template(
            turns, chat_template=self._template, add_generation_prompt=True, tokenize=False
        )
        # The template has written every special token itself.
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def _folder(spec: ModelSpec, weights: Path | None) -> Path:
    if weights is None:
        raise Unusable(f"{spec.name} has no folder of weights.")
    return weights


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
