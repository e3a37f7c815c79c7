"""Servers of others to compare with, each in a process of its own and spoken to over HTTP: llama.cpp's and vLLM's.

`python servers.py FILE THREADS SLOTS CONTEXT PORT` is llama.cpp's server as it comes; it ends with its input.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from measured import ROOT

from models.chat import Done, Event, Failed, Message, Sampling, Text

START_SECONDS, VLLM_START_SECONDS = 120.0, 600.0  # vLLM compiles what it runs
PATIENCE = 600.0  # for the next token, in seconds


class Served:
    """A `ChatModel` behind OpenAI's protocol, as cheap on this side as Python allows."""

    def __init__(self, address: str, pid: int, *, model: str = "", extras: dict[str, Any] | None = None) -> None:
        self.pid = pid
        self._address = address
        self._fixed = {"model": model, "stream": True, "stream_options": {"include_usage": True}, **(extras or {})}

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        body = {
            **self._fixed,
            "messages": [{"role": message.role, "content": message.text} for message in messages],
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "seed": seed,
        }
        tokens = 0
        async with (
            httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client,
            client.stream("POST", f"{self._address}/v1/chat/completions", json=body) as response,
        ):
            if response.status_code != httpx.codes.OK:
                yield Failed((await response.aread()).decode())
                return
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line.removeprefix("data: "))
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
                for choice in event["choices"]:
                    if text := choice["delta"].get("content"):
                        yield Text(text)
        yield Done("length", tokens)

    def close(self) -> None:
        """Its process ends with the block that began it."""


@contextmanager
def llama_server(weights: Path, *, threads: int, slots: int, context: int) -> Iterator[Served]:
    """llama.cpp's own server with its default settings; prompts of earlier runs are not reused."""
    port = _free_port()
    arguments = (weights, threads, slots, context, port)
    address = f"http://127.0.0.1:{port}"
    with _started([sys.executable, __file__, *map(str, arguments)], address, START_SECONDS) as process:
        yield Served(address, process.pid, extras={"cache_prompt": False, "min_p": 0.0})


@contextmanager
def vllm_server(folder: Path, quantization: str, memory: float, context: int, slots: int) -> Iterator[Served]:
    """vLLM's server on `memory` (0 to 1) of the GPU."""
    port = _free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "bench", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--max-model-len", str(context), "--max-num-seqs", str(slots)]
    command += ["--gpu-memory-utilization", f"{memory:.2f}"]
    command += ["--quantization", "bitsandbytes"] if quantization == "nf4" else []
    address = f"http://127.0.0.1:{port}"
    with _started(command, address, VLLM_START_SECONDS) as process:
        yield Served(address, process.pid, model="bench")


@contextmanager
def _started(command: Sequence[str], address: str, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is up. Raises `RuntimeError` with its last words where it is not, after so many seconds."""
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=words, stderr=words, cwd=ROOT) as process,
    ):
        try:
            deadline = time.monotonic() + seconds
            while not _is_up(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    words.seek(0)
                    raise RuntimeError(f"{command[1:3]} did not start: {words.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.5)
            yield process
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def serve(weights: str, threads: int, slots: int, context: int, port: int) -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = weights
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.n_parallel = slots
    parameters.n_ctx = context * slots
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()  # until its parent is gone
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:]))
