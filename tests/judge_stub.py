"""An OpenAI-compatible server in a process of its own that judges, and answers, by stated rules.

The model that is asked is the rule:

    judge-length    an answer's score follows from its length alone, see `score_of`; the longer one wins
    judge-first     9 : 8 for whoever is shown first, always (7 where there is one answer)
    judge-tie       7 : 7, always
    judge-stutters  no verdict the first time that something is asked, then as judge-length
    judge-nonsense  never a verdict
    words-N         an answer of N words
    mute            an empty answer
    broken          500
    html            a page in place of a completion

Options of the process hold for every model. It counts what it is asked by content, see `JudgeStub.requests`; a 429
and a refusal are counted as such, and are not paid for. Tokens are characters / 4, rounded up.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arena.judge.verdict import Form
from arena.judge.wordings import Shown, taken_apart

REPO = Path(__file__).resolve().parents[1]
MODELS = ("judge-length", "judge-first", "judge-tie", "judge-stutters", "judge-nonsense", "mute", "broken", "html")
NONSENSE = "Both assistants did what they could, and who am I to say more."


def score_of(answer: str) -> float:
    """The score that "judge-length" gives: 1 for nothing, half a point more for every 50 characters, 10 at most."""
    return min(10.0, 1.0 + len(answer) // 50 / 2)


def tokens_of(text: str) -> int:
    return math.ceil(len(text) / 4)


@dataclass(frozen=True)
class Request:
    """What was asked: `key` is a hash of model and messages, `outcome` "answered", "busy" or "refused".

    `form` is empty where the prompt was none of a judge; `at` is in seconds since 1970.
    """

    model: str
    key: str
    outcome: str
    form: str
    schema: bool
    prompt_tokens: int
    tokens: int
    at: float


@dataclass(frozen=True)
class Options:
    """`busy_every` N: every Nth question gets a 429, with `retry_after` seconds; 0: none does."""

    latency: float = 0.0
    busy_every: int = 0
    retry_after: float = 1.0
    refuses_schema: bool = False
    tells_usage: bool = True


class JudgeStub:
    """The server while its block lasts; it survives whoever asks it."""

    def __init__(self, **options: Any) -> None:
        self._options = Options(**options)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def requests(self, model: str = "") -> list[Request]:
        """What it was asked so far, in the order of its replies; of one model, or of all."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/asked", timeout=30) as response:
            found = [Request(**one) for one in json.load(response)]
        return [one for one in found if model in ("", one.model)]

    def paid(self, model: str = "") -> Counter[str]:
        """How often each thing was asked and answered."""
        return Counter(one.key for one in self.requests(model) if one.outcome == "answered")

    def entry(self, model: str, **more: object) -> dict[str, object]:
        """A catalogue entry of one of its models; see `support.write_catalog`."""
        return {
            "id": model,
            "name": model.title(),
            "engine": "endpoint",
            "quantization": "none",
            "license": "none",
            "makers": [f"Makers of {model}"],
            "endpoint": {"url": self.url, "model": model},
            "context": 32768,
            **more,
        }

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, json.dumps(asdict(self._options))]
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=REPO)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


# -- the process ---------------------------------------------------------------------------------


def reply_of(model: str, prompt: str, *, schema: bool, before: int) -> tuple[str, str]:
    """The form that was asked for (empty: none), and what the model says; `before`: how often it was asked this."""
    try:
        form, shown = taken_apart(prompt)
    except ValueError:
        words = int(model.removeprefix("words-")) if model.startswith("words-") else 0
        return "", " ".join(f"word{number}" for number in range(words))
    if model == "judge-nonsense" or (model == "judge-stutters" and not before):
        return form, NONSENSE
    return form, _said(form, *_scores(model, form, shown), schema=schema)


def _scores(model: str, form: Form, shown: Shown) -> tuple[float, float]:
    match model:
        case "judge-first":
            return (7.0, 0.0) if form == "single" else (9.0, 8.0)
        case "judge-tie":
            return 7.0, 7.0
    return score_of("\n".join(shown.first)), score_of("\n".join(shown.second))


def _said(form: Form, first: float, second: float, *, schema: bool) -> str:
    verdict = "tie" if first == second else "A" if first > second else "B"
    why = f"By the rule it is {first:g} to {second:g}."
    fields: dict[Form, dict[str, object]] = {
        "score": {"explanation": why, "score_1": first, "score_2": second},
        "pairwise": {"explanation": why, "verdict": verdict},
        "single": {"explanation": why, "score": first},
    }
    plain: dict[Form, str] = {
        "score": f"{first:g} {second:g}\n{why}",
        "pairwise": f"{why}\n[[{'C' if verdict == 'tie' else verdict}]]",
        "single": f"{why}\nRating: [[{first:g}]]",
    }
    return json.dumps(fields[form]) if schema else plain[form]


class _Book:
    """What was asked; handlers of all connections write into it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._requests: list[Request] = []

    def busy(self) -> bool:
        with self._lock:
            return self.options.busy_every > 0 and next(self._numbers) % self.options.busy_every == 0

    def note(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def times(self, key: str) -> int:
        with self._lock:
            return sum(one.key == key and one.outcome == "answered" for one in self._requests)

    def dump(self) -> str:
        with self._lock:
            return json.dumps([asdict(one) for one in self._requests])


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/asked":
            self._send(200, self.server.book.dump())
        elif self.path == "/v1/models":
            self._send(200, json.dumps({"object": "list", "data": [{"id": one} for one in self._listed()]}))
        else:
            self._send(404, "{}")

    def do_POST(self) -> None:
        book, options = self.server.book, self.server.book.options
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model, messages, schema = body["model"], body["messages"], "response_format" in body
        key = hashlib.sha256(json.dumps([model, messages]).encode()).hexdigest()
        prompt = messages[-1]["content"]
        form, text = reply_of(model, prompt, schema=schema, before=book.times(key))
        read = tokens_of("".join(message["content"] for message in messages))

        def note(outcome: str, tokens: int = 0) -> None:
            paid = read if outcome == "answered" else 0
            book.note(Request(model, key, outcome, form, schema, paid, tokens, time.time()))

        if schema and options.refuses_schema:
            note("refused")
            self._refuse(400, "Unknown parameter: response_format")
        elif book.busy():
            note("busy")
            self._refuse(429, "slow down", retry_after=f"{options.retry_after:g}")
        elif model == "broken":
            note("refused")
            self._refuse(500, "it is broken")
        elif model == "html":
            note("refused")
            self._send(200, "<!doctype html><title>Welcome</title>", "text/html")
        else:
            time.sleep(options.latency)
            note("answered", tokens_of(text))
            self._stream(model, text, read)

    def _stream(self, model: str, text: str, read: int) -> None:
        half = len(text) // 2
        choices: list[dict[str, object]] = [{"delta": {"content": part}} for part in (text[:half], text[half:])]
        choices.append({"delta": {}, "finish_reason": "stop"})
        events: list[dict[str, object]] = [{"model": model, "choices": [{"index": 0, **choice}]} for choice in choices]
        if self.server.book.options.tells_usage:
            usage = {"prompt_tokens": read, "completion_tokens": tokens_of(text)}
            events.append({"model": model, "choices": [], "usage": usage})
        self._send(
            200, "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n", "text/event-stream"
        )

    def _refuse(self, status: int, message: str, **headers: str) -> None:
        self._send(status, json.dumps({"error": {"message": message, "type": "stub"}}), **headers)

    def _send(self, status: int, text: str, content_type: str = "application/json", **headers: str) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in {"content-type": content_type, "content-length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # whoever asked was killed

    def _listed(self) -> list[str]:
        return [*MODELS, *(f"words-{number}" for number in range(500))]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing on the screen."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options: Options) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.book = _Book(options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("options", nargs="?", default="{}", help='Options as JSON, such as {"latency": 1}.')
    server = _Server(Options(**json.loads(parser.parse_args().options)))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
