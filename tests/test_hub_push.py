"""Uploads to a Hub of our own on loopback, by the real huggingface_hub."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arenas import ANT, BEE
from pyarrow import parquet
from support import REPO, write_catalog
from voted import arena_in, cast

pytestmark = pytest.mark.slow

NAME = "us/votes"
TOKEN = "hf_a-token-that-must-not-be-said"
SECONDS = 300.0


class Hub(http.server.ThreadingHTTPServer):
    """A data set that may be made, asked about and changed; `status` refuses it all, `public` says what it is."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 0
        self.public: bool | None = None
        self.files: dict[str, bytes] = {}
        self.uploaded: dict[str, bytes] = {}
        self.commits: list[list[dict[str, Any]]] = []
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit(self, lines: list[dict[str, Any]]) -> None:
        self.commits.append(lines)
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    self.files[value["path"]] = self.uploaded[value["oid"]]
                case "deletedFile":
                    del self.files[value["path"]]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        siblings = [{"rfilename": name} for name in self.server.files]
        self.reply({"id": NAME, "private": not self.server.public, "siblings": siblings, "sha": "c" * 40})

    def do_PUT(self) -> None:
        content = self.body()
        self.server.uploaded[hashlib.sha256(content).hexdigest()] = content
        self.reply({})

    def do_POST(self) -> None:
        self.server.tokens.add(self.headers.get("Authorization", ""))
        body = self.body()
        if self.server.status:
            self.reply({"error": f"no, {TOKEN}"}, self.server.status)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            if self.server.public is None:
                self.server.public = asked["visibility"] == "public"
                self.reply({"url": f"{self.server.url}/datasets/{NAME}"})
            else:
                self.reply({"error": "it exists", "url": f"{self.server.url}/datasets/{NAME}"}, 409)
        elif self.path.endswith("/preupload/main"):
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = {True: "lfs", False: "regular"}
            files = [
                {"path": path, "uploadMode": modes[path.endswith("parquet")], "shouldIgnore": False} for path in paths
            ]
            self.reply({"files": files})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.server.url}/put/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.reply({"transfer": "basic", "objects": objects})
        elif self.path.endswith("/commit/main"):
            self.server.commit([json.loads(line) for line in body.splitlines()])
            self.reply(
                {
                    "commitUrl": f"{self.server.url}/datasets/{NAME}/commit/{'d' * 40}",
                    "commitOid": "d" * 40,
                    "success": True,
                }
            )
        else:
            self.reply({"errors": [], "warnings": []})  # /api/validate-yaml

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, said: dict[str, Any], status: int = 200) -> None:
        answer = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def arena(tmp_path: Path) -> Path:
    with arena_in(tmp_path / "data") as database:
        for number in range(3):
            cast(database, number)
    scripted = [
        {"id": spec.id, "name": spec.name, "engine": "scripted", "quantization": spec.quantization,
         "license": spec.license, "makers": ["us"], "url": spec.url, "script": {"replies": [f"{spec.id} speaks"]}}
        for spec in (ANT, BEE)
    ]  # fmt: skip
    write_catalog(tmp_path / "catalog.toml", *scripted)
    return tmp_path


def pushed(arena: Path, hub_url: str, *options: str, token: str = TOKEN) -> tuple[int, str]:
    """The exit code of a push and all it said, which never holds the token."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ARENA_", "HF_"))}
    variables = {
        "PYTHONPATH": str(REPO), "ARENA_DATA": str(arena / "data"), "ARENA_CATALOG": str(arena / "catalog.toml"),
        "HF_ENDPOINT": hub_url, "HF_HOME": str(arena / "home"), "HF_HUB_DISABLE_XET": "1",
        **({"HF_TOKEN": token} if token else {}),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "arena", "push", NAME, *options],
        env=inherited | variables, cwd=arena, capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert TOKEN not in said
    assert "Traceback" not in said
    return done.returncode, said


def test_a_push_makes_a_private_data_set_in_one_commit(arena: Path, hub: Hub) -> None:
    code, said = pushed(arena, hub.url)
    assert (code, said) == (0, f"Pushed 3 votes to {hub.url}/datasets/{NAME} (private).\n")
    assert hub.public is False
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert len(hub.commits) == 1
    assert sorted(hub.files) == ["README.md", "leaderboard.parquet", "votes.parquet"]
    (arena / "got.parquet").write_bytes(hub.files["votes.parquet"])
    assert [row["model_a"] for row in parquet.read_table(arena / "got.parquet").to_pylist()] == ["ant"] * 3
    assert hub.files["README.md"].startswith(b"---\nlicense: ")
    assert all(TOKEN.encode() not in content for content in hub.files.values())


def test_the_token_of_a_login_is_taken_too(arena: Path, hub: Hub) -> None:
    (arena / "home").mkdir()
    (arena / "home" / "token").write_text(TOKEN)
    assert pushed(arena, hub.url, token="")[0] == 0
    assert hub.tokens == {f"Bearer {TOKEN}"}


def test_a_push_without_texts_takes_those_of_an_earlier_one_away(arena: Path, hub: Hub) -> None:
    hub.files["notes.md"] = b"of somebody"
    assert pushed(arena, hub.url, "--texts", "--public")[1].endswith("(public).\n")
    assert {"battles.parquet", "preferences.parquet"} <= set(hub.files)
    assert pushed(arena, hub.url, "--public")[0] == 0
    assert sorted(hub.files) == ["README.md", "leaderboard.parquet", "notes.md", "votes.parquet"]


def test_nothing_goes_to_a_public_data_set_unless_it_is_meant_to(arena: Path, hub: Hub) -> None:
    hub.public = True
    code, said = pushed(arena, hub.url, "--texts")
    assert (code, said) == (
        1, f"{hub.url}/datasets/{NAME} is public; say --public, or make it private there first.\n",
    )  # fmt: skip
    assert not hub.files


@pytest.mark.parametrize(
    ("status", "part"), [(401, "does not take this token"), (403, f"write to {NAME}"), (404, "shows"), (500, "500")]
)
def test_what_the_hub_refuses_is_one_sentence(arena: Path, hub: Hub, status: int, part: str) -> None:
    hub.status = status
    code, said = pushed(arena, hub.url)
    assert code == 1
    assert part in said
    assert said.startswith(hub.url)
    assert said.count("\n") == 1


def test_a_hub_out_of_reach_is_one_sentence(arena: Path) -> None:
    code, said = pushed(arena, "http://127.0.0.1:9")
    assert code == 1
    assert said == "The upload to http://127.0.0.1:9 failed (ConnectError); try again later.\n"


def test_without_a_token_the_command_says_where_one_is_made(arena: Path, hub: Hub) -> None:
    code, said = pushed(arena, hub.url, token="")
    assert (code, said) == (
        1, "There is no token for the Hub; set HF_TOKEN to one from https://huggingface.co/settings/tokens.\n",
    )  # fmt: skip
    code, said = pushed(arena, hub.url, "--token-env", "MY_TOKEN")
    assert code == 1
    assert "set MY_TOKEN to one" in said
    assert not hub.tokens
