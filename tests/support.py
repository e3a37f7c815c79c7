"""What several tests share: a server in its own process, scripted contestants, and a page's traffic without a page."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from gradio_client.utils import apply_diff

from models.catalog import load_catalog

REPO = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0


# -- scripted contestants ------------------------------------------------------------------------


def canary(tree: str, **script: object) -> dict[str, object]:
    """A catalogue entry whose every description occurs nowhere else: wherever one is seen, it leaked."""
    digest = (tree.encode().hex() * 64)[:64]
    return {
        "id": f"zq-{tree}-7f31",
        "name": f"Quillon {tree.title()} 71",
        "engine": "scripted",
        "quantization": f"VX9-{tree.upper()}",
        "license": f"Thornwood-{tree.title()}-1.4",
        "makers": [f"Brackenforge {tree.title()}"],
        "url": f"https://{tree}.canary.example/card",
        "weights": {
            "file": f"{tree}-canary.gguf",
            "sha256": digest,
            "bytes": 7,
            "sources": [{"kind": "folder", "path": f"{tree}-canary-folder"}],
        },
        "script": script,
    }


def write_catalog(path: Path, *models: Mapping[str, object]) -> Path:
    """Write a catalogue of these entries."""
    entries = ("[[model]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in one.items()) for one in models)
    path.write_text("\n".join(entries), encoding="utf-8")
    return path


def canaries_of(catalog: Path) -> tuple[str, ...]:
    """Every string by which a visitor could tell who is who."""
    found: list[str] = []
    for spec in load_catalog(catalog):
        found += [spec.id, spec.name, spec.quantization, spec.license, *spec.makers, spec.url, spec.fingerprint]
        if spec.weights is not None:
            found += [spec.weights.file, spec.weights.sha256]
    return tuple(found)


def _toml(value: object) -> str:
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(_toml(one) for one in value) + "]"
        case _:  # JSON writes strings, numbers and truths as TOML does
            return json.dumps(value, ensure_ascii=False)


# -- a server in its own process -----------------------------------------------------------------


@dataclass
class Server:
    """A running `app.py`."""

    url: str
    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def database(self) -> Path:
        return self.folder / "data" / "arena.db"

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the database beside the running server."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def arena(self, *arguments: str) -> str:
        """What `python -m arena` writes on the screen, run beside the server with its settings."""
        command = [sys.executable, "-m", "arena", *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout


def environment(folder: Path, catalog: Path | None = None, **settings: object) -> dict[str, str]:
    """The environment of a server of ours: nothing of the caller's settings, all data in `folder`.

    A server started with it must run in a directory without a `.env`, as `folder` is.
    """
    # A vote is answered with the names at once, unless a test is about taking it back.
    given = {"DATA": folder / "data", "UNDO_SECONDS": 0, **({"CATALOG": catalog} if catalog else {}), **settings}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ARENA_", "GRADIO_", "SPACE_"))}
    return inherited | {"PYTHONPATH": str(REPO)} | {f"ARENA_{key}": str(value) for key, value in given.items()}


def start(folder: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start `app.py` inside `folder`; what it says goes to server.log there."""
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen([sys.executable, REPO / "app.py"], env=variables, cwd=folder, stdout=log, stderr=log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    folder: Path, catalog: Path | None = None, ready: int = 2, seconds: float = START_SECONDS, **settings: object
) -> Iterator[Server]:
    """A server until the block ends, open once `ready` contestants can answer; it must stop with exit code 0."""
    port = free_port()
    variables = environment(folder, catalog, PORT=port, **settings)
    server = Server(f"http://127.0.0.1:{port}", folder, variables, start(folder, variables))
    try:
        _wait_ready(server, ready, seconds)
        yield server
    finally:
        code = stop(server.process)
    assert code == 0, f"the server ended with {code}:\n{server.log[-3000:]}"


def stop(process: subprocess.Popen[bytes], patience: float = 60) -> int:
    """Ask a process to end as `kill` does; its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Look again and again until `condition` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def _wait_ready(server: Server, count: int, seconds: float) -> None:
    def ready_or_gone() -> bool:
        try:
            ready = int(httpx.get(f"{server.url}/healthz", timeout=10).json()["ready"])
        except (httpx.HTTPError, ValueError):
            ready = 0
        return ready >= count or server.process.poll() is not None

    wait_for(ready_or_gone, seconds)
    assert server.process.poll() is None, f"the server did not start:\n{server.log[-3000:]}"


# -- a page's traffic without a page -------------------------------------------------------------


@dataclass
class Reply:
    """What one event of a page came to: its messages as they were sent, and the sentences shown as toasts."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def toasts(self) -> list[str]:
        return [str(message["log"]) for message in self.messages if message["msg"] == "log"]

    @property
    def success(self) -> bool:
        return bool(self.messages and self.messages[-1].get("success"))

    @property
    def text(self) -> str:
        return json.dumps(self.messages, ensure_ascii=False)

    def frames(self, number: int) -> list[Any]:
        """The successive values of output `number`, each put together as the page does it."""
        values: list[Any] = []
        for message in self.messages:
            if message["msg"] == "process_generating":
                data = message["output"]["data"]
                values.append(apply_diff(values[-1], data[number]) if values else data[number])
        return values


class Visitor:
    """Sends what the Battle page sends: the same requests in the same order, over real HTTP."""

    def __init__(
        self,
        url: str,
        cookie: str | None = None,
        session: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """A newcomer gets a cookie from the page; `cookie` (may be empty) is sent instead of it."""
        self.http = httpx.Client(base_url=url, timeout=120, transport=transport)
        self.session = session or secrets.token_hex(8)
        if cookie is None:
            self.http.get("/").raise_for_status()
        elif cookie:
            self.http.headers["cookie"] = f"paddock_voter={cookie}"
        config = self.http.get("/config").raise_for_status().json()
        self.functions = _functions(config["dependencies"], config["components"])

    @property
    def cookie(self) -> str:
        return self.http.cookies.get("paddock_voter") or ""

    def join(self, event: str, *data: object) -> str:
        """Put an event such as `vote-a.click` into the queue; the id of what will be answered."""
        body = {
            "fn_index": self.functions[event],
            "data": data,
            "session_hash": self.session,
            "event_data": None,
            "trigger_id": None,
        }
        return str(self.http.post("/gradio_api/queue/join", json=body).raise_for_status().json()["event_id"])

    def read(self, *events: str) -> list[Reply]:
        """Read the session's one stream until all of these events are over."""
        replies = {event: Reply() for event in events}
        waiting = set(events)
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line.removeprefix("data:"))
                assert message["msg"] != "unexpected_error", message
                if message.get("event_id") in replies:
                    replies[message["event_id"]].messages.append(message)
                if message["msg"] == "process_completed":
                    waiting.discard(message["event_id"])
                if not waiting:
                    break
        return list(replies.values())

    def call(self, event: str, *data: object) -> Reply:
        return self.read(self.join(event, *data))[0]

    def ask(self, prompt: str, *, consent: bool = True) -> Reply:
        """Send a prompt and read to the end of both answers: the page's three events, as one reply."""
        reply = self.call("prompt.submit", prompt, consent, None)
        for event in ("watch", "show"):
            reply.messages += self.call(event, None).messages
        return reply

    def vote(self, outcome: str, battle_id: str | None = None) -> Reply:
        """Press a vote button; `battle_id` is sent where the page sends nothing."""
        return self.call(f"vote-{outcome.replace('_', '-')}.click", battle_id)


def _functions(dependencies: Sequence[dict[str, Any]], components: Sequence[dict[str, Any]]) -> dict[str, int]:
    names = {one["id"]: one["props"].get("elem_id") for one in components}
    found: dict[str, int] = {}
    for one in dependencies:
        if one["cancels"]:  # a click's cancelling is an event of its own beside what it does
            continue
        for target, event in one["targets"]:
            # What follows another event, or happens without a component, is named as Gradio names it.
            named = event != "then" and names.get(target)
            found[f"{named}.{event}" if named else one["api_name"]] = one["id"]
    return found
