"""A small Hugging Face Hub on loopback, spoken to by the real huggingface_hub, that can refuse, hang, cut and damage.

It keeps repositories of every kind with all their commits: create, look at, list, download (by ETag, in parts), upload
(small files in the commit, large ones by Git LFS), delete; secrets, variables and hardware of Spaces; who somebody is.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

WRITER, READER = "hf_writer", "hf_reader"
LARGE = (".db", ".parquet", ".safetensors", ".gguf", ".bin")
ADDRESS = re.compile(r"/(?:api/)?(?:(models|datasets|spaces)/)?([\w.-]+/[\w.-]+?)(?:\.git)?(?:/(.*))?")


@dataclass
class Repo:
    """A repository: `trees` holds every commit's files by path, the newest last; `messages` what each was called."""

    private: bool
    trees: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    made_with: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = "cpu-basic"

    @property
    def sha(self) -> str:
        return list(self.trees)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        """The newest tree; what a test changes here was damaged on the Hub itself."""
        return self.trees[self.sha]

    def commit(self, files: dict[str, bytes], message: str) -> None:
        self.trees[hashlib.sha1(f"{len(self.trees)}".encode()).hexdigest()] = files
        self.messages.append(message)

    def tree(self, revision: str) -> dict[str, bytes] | None:
        return self.files if revision == "main" else self.trees.get(revision)


@dataclass
class Hub:
    """What the Hub holds, what is wrong with it at the moment, and what it was asked.

    `tokens` may do "read" or "write". `status` refuses everything with this status, `write_status` all that changes
    something. Nothing is answered while `open` is not set. `cut_at` ends each download after so many bytes. So many
    commits are `overtaken` by one of somebody else.
    """

    tokens: dict[str, str] = field(default_factory=lambda: {WRITER: "write", READER: "read"})
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    status: int = 0
    write_status: int = 0
    cut_at: int = 0
    overtaken: int = 0
    open: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, kind: str, name: str, files: Mapping[str, bytes] | None = None, *, private: bool = True) -> Repo:
        """A repository that is there already; `kind` is "models", "datasets" or "spaces"."""
        repo = self.repos[kind, name] = Repo(private)
        repo.commit(dict(files or {}), "initial commit")
        return repo

    def dataset(self, name: str) -> Repo:
        return self.repos["datasets", name]

    def environment(self, home: Path, token: str = WRITER) -> dict[str, str]:
        """The variables by which a process of its own finds this Hub, with nothing of the caller's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        ours = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
        return {**kept, **ours, **({"HF_TOKEN": token} if token else {})}


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A Hub until the block ends."""
    hub = Hub()
    hub.open.set()
    with _Server(hub) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            hub.open.set()
            server.shutdown()


def speak_to(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, token: str = WRITER) -> None:
    """Let the huggingface_hub of this very process speak to this Hub: it read its variables when it was imported."""
    from huggingface_hub import constants

    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace("https://huggingface.co", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    if token:
        monkeypatch.setenv("HF_TOKEN", token)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever left in the middle is no error of ours."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    # -- who may do what -----------------------------------------------------------------------------

    def _serve(self, method: str) -> None:
        hub = self.server.hub
        hub.asked.append(f"{method} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not hub.open.wait(120) or hub.status:
            self._refuse(hub.status or 504)
        elif method in ("POST", "PUT", "DELETE") and hub.write_status:
            self._refuse(hub.write_status)
        else:
            self._answer(method, urlsplit(self.path), body)

    def _answer(self, method: str, url: Any, body: bytes) -> None:
        path = unquote(url.path)
        fixed: dict[tuple[str, str], Callable[[bytes], None]] = {
            ("GET", "/api/whoami-v2"): self._who,
            ("POST", "/api/repos/create"): self._create,
            ("DELETE", "/api/repos/delete"): self._delete,
            ("POST", "/api/validate-yaml"): lambda _: self._say({"errors": [], "warnings": []}),
        }
        if answer := fixed.get((method, path)):
            answer(body)
        elif path.startswith("/objects/"):
            self.server.hub.objects[hashlib.sha256(body).hexdigest()] = body
            self._say({})
        elif found := ADDRESS.fullmatch(path):
            self._in_repo(method, (found[1] or "models", found[2]), found[3] or "", body)
        else:
            self._refuse(404)

    def _rights(self) -> str:
        return self.server.hub.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "), "")

    def _in_repo(self, method: str, key: tuple[str, str], rest: str, body: bytes) -> None:
        repo = self.server.hub.repos.get(key)
        if repo is None or (repo.private and not self._rights()):
            self._refuse(401 if not self._rights() else 404, "RepoNotFound")
            return
        verb, _, after = rest.partition("/")
        reading = {
            "": lambda: self._info(repo, key, "main"),
            "revision": lambda: self._info(repo, key, after),
            "resolve": lambda: self._file(method, repo, *after.split("/", 1)),
            "tree": lambda: self._tree(repo, *f"{after}/".split("/", 1)),
            "auth-check": lambda: self._say({}) if not after or self._rights() == "write" else self._refuse(403),
        }
        changing = {
            "preupload": lambda: self._preupload(repo, json.loads(body)),
            "info": lambda: self._batch(json.loads(body)),
            "commit": lambda: self._commit(repo, key, [json.loads(line) for line in body.splitlines()]),
            "secrets": lambda: self._keep(method, repo.secrets, body),
            "variables": lambda: self._keep(method, repo.variables, body),
            "hardware": lambda: self._hardware(repo, json.loads(body)["flavor"]),
            "restart": lambda: self._hardware(repo, repo.hardware),
            "sleeptime": lambda: self._hardware(repo, repo.hardware),
        }
        if method in ("GET", "HEAD") and verb in reading:
            reading[verb]()
        elif verb not in changing:
            self._refuse(404)
        elif method != "GET" and self._rights() != "write":
            self._refuse(403)
        else:
            with self.server.hub.lock:
                changing[verb]()

    # -- repositories --------------------------------------------------------------------------------

    def _who(self, _: bytes) -> None:
        if rights := self._rights():
            token = {"accessToken": {"role": rights, "displayName": "arena"}}
            self._say({"type": "user", "name": "us", "fullname": "Us", "orgs": [], "auth": token})
        else:
            self._refuse(401)

    def _create(self, body: bytes) -> None:
        asked = json.loads(body)
        kind, name = f"{asked.get('type', 'model')}s", f"{asked.get('organization') or 'us'}/{asked['name']}"
        prefix = "" if kind == "models" else f"{kind}/"
        said = {"url": f"{self.server.hub.url}/{prefix}{name}", "name": name}
        if self._rights() != "write":
            self._refuse(403 if self._rights() else 401)
            return
        with self.server.hub.lock:
            if there := (kind, name) in self.server.hub.repos:
                self._say({**said, "error": "You already created this repo"}, 409)
            if not there:
                repo = self.server.hub.create(kind, name, private=asked.get("visibility") == "private")
                repo.made_with = asked
                repo.secrets = {one["key"]: one["value"] for one in asked.get("secrets", ())}
                repo.variables = {one["key"]: one["value"] for one in asked.get("variables", ())}
                repo.hardware = asked.get("hardware", repo.hardware)
                self._say(said)

    def _delete(self, body: bytes) -> None:
        asked = json.loads(body)
        key = f"{asked.get('type', 'model')}s", f"{asked.get('organization') or 'us'}/{asked['name']}"
        gone = self._rights() == "write" and key in self.server.hub.repos
        if gone:
            del self.server.hub.repos[key]
        self._say({}) if gone else self._refuse(403)

    def _info(self, repo: Repo, key: tuple[str, str], revision: str) -> None:
        files = repo.tree(revision)
        if files is None:
            self._refuse(404, "RevisionNotFound")
            return
        sha = repo.sha if revision == "main" else revision
        siblings = [{"rfilename": path, **_described(path, content)} for path, content in files.items()]
        said = {"id": key[1], "_id": "0" * 24, "private": repo.private, "sha": sha, "siblings": siblings}
        if key[0] == "spaces":
            said["runtime"] = {"stage": "RUNNING", "hardware": {"current": repo.hardware, "requested": repo.hardware}}
        self._say(said)

    def _tree(self, repo: Repo, revision: str, folder: str) -> None:
        files = repo.tree(revision)
        if files is None:
            self._refuse(404, "RevisionNotFound")
            return
        below = {path: content for path, content in files.items() if path.startswith(folder)}
        self._say([{"type": "file", "path": path, **_described(path, content)} for path, content in below.items()])

    def _keep(self, method: str, kept: dict[str, str], body: bytes) -> None:
        if method == "POST":
            kept[json.loads(body)["key"]] = json.loads(body)["value"]
        elif method == "DELETE":
            kept.pop(json.loads(body)["key"], None)
        self._say({name: {"key": name, "value": value} for name, value in kept.items()})

    def _hardware(self, repo: Repo, flavor: str) -> None:
        repo.hardware = flavor
        self._say({"stage": "RUNNING", "hardware": {"current": flavor, "requested": flavor}})

    # -- files ---------------------------------------------------------------------------------------

    def _file(self, method: str, repo: Repo, revision: str, path: str) -> None:
        files = repo.tree(revision)
        if files is None or path not in files:
            self._refuse(404, "RevisionNotFound" if files is None else "EntryNotFound")
            return
        content, hub = files[path], self.server.hub
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        sha = repo.sha if revision == "main" else revision
        self.send_response(206 if start else 200)
        headers = {
            "X-Repo-Commit": sha, "ETag": f'"{_etag(path, content)}"', "X-Linked-Size": str(len(content)),
            "Content-Length": str(len(content) - start), "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}",
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if method == "GET":
            self.wfile.write(content[start : hub.cut_at or None])
            self.close_connection = True

    def _preupload(self, repo: Repo, asked: dict[str, Any]) -> None:
        def mode(one: dict[str, Any]) -> str:
            return "lfs" if one["path"].endswith(LARGE) or one["size"] > 10_000_000 else "regular"

        there = repo.files
        files = [
            {
                "path": one["path"], "uploadMode": mode(one), "shouldIgnore": False,
                **({"oid": _etag(one["path"], there[one["path"]])} if one["path"] in there else {}),
            }
            for one in asked["files"]
        ]  # fmt: skip
        self._say({"files": files})

    def _batch(self, asked: dict[str, Any]) -> None:
        hub = self.server.hub
        objects = [
            one if one["oid"] in hub.objects
            else {**one, "actions": {"upload": {"href": f"{hub.url}/objects/{one['oid']}"}}}
            for one in asked["objects"]
        ]  # fmt: skip
        self._say({"transfer": "basic", "objects": objects})

    def _commit(self, repo: Repo, key: tuple[str, str], lines: list[dict[str, Any]]) -> None:
        header, files = lines[0]["value"], dict(repo.files)
        if self.server.hub.overtaken or header.get("parentCommit", repo.sha) != repo.sha:
            self.server.hub.overtaken = max(0, self.server.hub.overtaken - 1)
            self._say({"error": "A commit has happened since. Please refresh and try again."}, 412)
            return
        for line in lines[1:]:
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.server.hub.objects[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
                case "deletedFolder":
                    files = {path: content for path, content in files.items() if not path.startswith(value["path"])}
        repo.commit(files, header["summary"])
        address = f"{self.server.hub.url}/{key[0]}/{key[1]}/commit/{repo.sha}"
        self._say({"success": True, "commitOid": repo.sha, "commitUrl": address, "hookOutput": ""})

    # -- answers -------------------------------------------------------------------------------------

    def _refuse(self, status: int, code: str = "") -> None:
        token = self.headers.get("Authorization", "")  # servers do repeat it; it must not reach a log of ours
        self._say({"error": f"no, {token}"}, status, {"X-Error-Code": code, "X-Error-Message": f"no, {token}"})

    def _say(self, said: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        sent = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


def _etag(path: str, content: bytes) -> str:
    """SHA-256 of what lies in Git LFS, else the blob's SHA-1 in git."""
    if path.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _described(path: str, content: bytes) -> dict[str, Any]:
    etag, size = _etag(path, content), len(content)
    lfs = {"lfs": {"oid": etag, "sha256": etag, "size": size, "pointerSize": 134}} if path.endswith(LARGE) else {}
    return {"blobId": etag[:40], "oid": etag[:40], "size": size, **lfs}
