"""llama.cpp in this process, by the `xllamacpp` wheel. Imported only inside a worker process."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xllamacpp

from models.catalog import ModelSpec
from models.chat import Done, Failed, FinishReason
from models.local.engine import Question

# Tokens of a prompt computed at a time. A running prompt can be cancelled, and lets the other
# streams have their turn, only between two batches: 128 took 0.7 s where 2048 took 16 s, at no cost in all.
PROMPT_BATCH = 128


class LlamaCppEngine:
    """One model with `slots` answers at a time, each with the spec's whole context to itself."""

    def __init__(self, spec: ModelSpec, weights: Path | None, threads: int, slots: int) -> None:
        if weights is None:
            raise ValueError("llama.cpp needs a weights file")
        self._server = xllamacpp.Server(_parameters(spec, weights, threads, slots))

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        """Generate in the calling thread until the end, a failure, or `stopped()`; may run in `slots` threads."""
        reading = _Reading(emit, stopped)
        self._server.handle_chat_completions(_request(question), reading)
        return reading.end or Failed("llama.cpp ended without a finish reason")


class _Reading:
    """The callback of one answer: takes llama.cpp's events, returns True to stop."""

    def __init__(self, emit: Callable[[str], None], stopped: Callable[[], bool]) -> None:
        self.end: Done | Failed | None = None
        self._emit = emit
        self._stopped = stopped

    def __call__(self, event: dict[str, Any]) -> bool:
        if "error" in event:
            error = event["error"]
            self.end = Failed(f"llama.cpp: {error.get('type', 'error')}: {error.get('message', error)}")
            return True
        for choice in event.get("choices", ()):
            if text := choice["delta"].get("content"):
                self._emit(text)
            if reason := choice.get("finish_reason"):
                took = event.get("timings", {})
                ending: FinishReason = "length" if reason == "length" else "stop"
                self.end = Done(ending, took.get("predicted_n", 0), took.get("cache_n", 0) + took.get("prompt_n", 0))
        return self._stopped()


def _request(question: Question) -> dict[str, object]:
    sampling = question.sampling
    return {
        "messages": [{"role": message.role, "content": message.text} for message in question.messages],
        "stream": True,
        "return_progress": True,  # events while the prompt is read, so that it can be cancelled
        "cache_prompt": False,
        "seed": question.seed % 0xFFFFFFFF,  # 0xFFFFFFFF itself asks llama.cpp for a random one
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": 0.0,  # llama.cpp's default of 0.05 would be a filter that no catalogue names
        "repeat_penalty": sampling.repeat_penalty,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
    }


def _parameters(spec: ModelSpec, weights: Path, threads: int, slots: int) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.n_parallel = slots
    parameters.n_ctx = spec.context * slots
    parameters.n_batch = parameters.n_ubatch = PROMPT_BATCH
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
    """Nothing of one battle may be seen, or felt as speed, in another."""
    parameters.cache_prompt = False
    parameters.cache_idle_slots = False
    parameters.cache_ram_mib = 0
    parameters.n_ctx_checkpoints = 0
    parameters.n_cache_reuse = 0
    parameters.slot_prompt_similarity = 0.0


def _shut_doors(parameters: xllamacpp.CommonParams) -> None:
    """It always listens on a loopback port of its choice; nobody knows the key, so nobody gets in."""
    parameters.hostnames = ["127.0.0.1"]
    parameters.api_keys = [secrets.token_urlsafe(32)]
    parameters.endpoint_slots = False
    parameters.endpoint_props = False
    parameters.endpoint_metrics = False
    parameters.ui = False
