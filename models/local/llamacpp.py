"""llama.cpp in this process, by the `xllamacpp` wheel. Imported only inside a worker process."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xllamacpp

from models.chat import Done, Failed, FinishReason
from models.local.engine import Footprint, Question, Unusable
from models.local.gguf import Shape, read_header
from models.local.memory import available_memory
from models.local.rendering import Rendering
from models.local.slots import Slot, Slots
from models.local.thinking import marked, opens_reasoning
from models.spec import ModelSpec

# Tokens of prompts computed at a time. A prompt can be cancelled, and lets the other answers go on, only between
# two batches: 64 take 0.9 s of one core with Qwen2.5 0.5B, 2048 would take 27 s; in all it costs less than 5 %.
PROMPT_BATCH = 64
TOO_LONG = "exceed_context_size_error"
LONGEST_TEXT = 2000  # characters of a free text under a schema: the most repetitions that llama.cpp takes in a grammar


class LlamaCppEngine:
    """One model with `slots` answers at a time, each with the spec's whole context to itself."""

    def __init__(self, spec: ModelSpec, weights: Path | None, threads: int, slots: int) -> None:
        parameters = _parameters(spec, _file(weights), threads, slots)
        self._server = xllamacpp.Server(parameters)
        self._rendering = Rendering(self._server.listening_address, parameters.api_keys[0])
        self._slots = Slots(slots)

    @staticmethod
    def needs(spec: ModelSpec, weights: Path | None, slots: int) -> Footprint:
        """Estimated from the file's header: the process itself, its weights, every slot's context when it is full."""
        path = _file(weights)
        try:
            shape = Shape(read_header(path))
        except ValueError as error:
            raise Unusable(f"{spec.name}: {error}; name a language model's GGUF file in the catalogue.") from error
        size = shape.memory(path.stat().st_size, spec.context, slots, _batch(slots))
        return Footprint("cpu", size, available_memory())

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        """Generate in the calling thread until the end, a failure, or `stopped()`; may run in `slots` threads.

        A battle's next turn is read from where its last one ended, if its slot is still its own. The numbers in
        llama.cpp's cache depend a little on how they came about, so that a near-tie of two tokens may then go the
        other way; everything else is read anew, and depends on nothing that was asked before.
        """
        reading = _Reading(marked(emit) if self._begins_reasoning(question) else emit, stopped)
        slot = self._slots.take(question.conversation)
        try:
            self._server.handle_chat_completions(_request(question, slot), reading)
        finally:
            # Until it has begun to read this prompt, the slot holds what was there before.
            self._slots.give_back(slot, question.conversation if reading.begun else "")
        return reading.end or Failed("llama.cpp ended without a finish reason")

    def _begins_reasoning(self, question: Question) -> bool:
        # A grammar leaves no room for reasoning: what it allows is the answer from the first letter on.
        return not question.sampling.schema and opens_reasoning(self._rendering.prompt(question.messages))


class _Reading:
    """The callback of one answer: takes llama.cpp's events, returns True to stop."""

    def __init__(self, emit: Callable[[str], None], stopped: Callable[[], bool]) -> None:
        self.end: Done | Failed | None = None
        self.begun = False
        self._emit = emit
        self._stopped = stopped

    def __call__(self, event: dict[str, Any]) -> bool:
        if "error" in event:
            error = event["error"]
            kind = error.get("type", "error")
            self.end = Failed(f"llama.cpp: {kind}: {error.get('message', error)}", kind != TOO_LONG)
            return True
        self.begun = True
        for choice in event.get("choices", ()):
            if text := choice["delta"].get("content"):
                self._emit(text)
            if reason := choice.get("finish_reason"):
                took = event.get("timings", {})
                ending: FinishReason = "length" if reason == "length" else "stop"
                self.end = Done(ending, took.get("predicted_n", 0), took.get("cache_n", 0) + took.get("prompt_n", 0))
        return self._stopped()


def _file(weights: Path | None) -> Path:
    if weights is None:
        raise ValueError("llama.cpp needs a weights file")
    return weights


def _request(question: Question, slot: Slot) -> dict[str, object]:
    sampling = question.sampling
    return {
        "messages": [{"role": message.role, "content": message.text} for message in question.messages],
        "stream": True,
        "return_progress": True,  # events while the prompt is read, so that it can be cancelled
        "id_slot": slot.number,
        "cache_prompt": slot.remembers,
        "seed": question.seed % 0xFFFFFFFF,  # 0xFFFFFFFF itself asks llama.cpp for a random one
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": 0.0,  # llama.cpp's default of 0.05 would be a filter that no catalogue names
        "repeat_penalty": sampling.repeat_penalty,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        **({"grammar": _grammar(sampling.schema, sampling.max_tokens)} if sampling.schema else {}),
    }


def _grammar(schema: str, max_tokens: int) -> str:
    """As a grammar, since answers that arrive raw (see `_answer_raw`) switch off llama.cpp's own way from a schema.

    Without free white space, with which small models go on without end. For the same reason a free text ends at two
    characters a token (English has four and more): what the schema wants after it must still find room.
    """
    rules = json.loads(schema) | {"x-guidance": {"whitespace_flexible": False}}
    for field in rules.get("properties", {}).values():
        if field.get("type") == "string" and "enum" not in field:
            field.setdefault("maxLength", min(2 * max_tokens, LONGEST_TEXT))
    return str(xllamacpp.json_schema_to_grammar(rules))


def _batch(slots: int) -> int:
    return max(PROMPT_BATCH, slots)  # every running answer has its token in one batch


def _parameters(spec: ModelSpec, weights: Path, threads: int, slots: int) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.n_parallel = slots
    parameters.n_ctx = spec.context * slots
    parameters.n_batch = parameters.n_ubatch = _batch(slots)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.ctx_shift = False  # too long is a failure, never a silent cut
    parameters.kv_unified = False
    parameters.warmup = False
    parameters.verbosity = 1
    _answer_raw(parameters, spec)
    _forget(parameters)
    _shut_doors(parameters)
    return parameters


def _answer_raw(parameters: xllamacpp.CommonParams, spec: ModelSpec) -> None:
    """The model's own text arrives as it is, <think> and tool calls included."""
    parameters.use_jinja = True
    parameters.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
    parameters.force_pure_content_parser = True
    if spec.prompt_template:
        parameters.chat_template = spec.prompt_template


def _forget(parameters: xllamacpp.CommonParams) -> None:
    """Nothing of one battle may be seen, or felt as speed, in another: `Slots` says what may be used again."""
    parameters.cache_prompt = False
    parameters.cache_idle_slots = False
    parameters.cache_ram_mib = 0
    # A sliding window can't be wound back: llama.cpp reads such a prompt anew, but for one checkpoint of its slot.
    parameters.n_ctx_checkpoints = 1
    parameters.n_cache_reuse = 0
    parameters.slot_prompt_similarity = 0.0


def _shut_doors(parameters: xllamacpp.CommonParams) -> None:
    """It always listens on a loopback port of its choice; this process alone knows the key, so nobody else gets in."""
    parameters.hostnames = ["127.0.0.1"]
    parameters.api_keys = [secrets.token_urlsafe(32)]
    parameters.endpoint_slots = False
    parameters.endpoint_props = False
    parameters.endpoint_metrics = False
    parameters.ui = False
