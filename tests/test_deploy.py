"""What deploy/ and the Dockerfile say fits together, and fits the arena; no container is started here."""

from __future__ import annotations

import fnmatch
import re
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]
from support import REPO

from arena.keeping.keeper import STOP_SECONDS as FLUSH_SECONDS
from arena.settings import Settings
from arena.stopping import SETTLE_SECONDS
from models.catalog import load_catalog

DEPLOY = REPO / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (REPO / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (DEPLOY / "example.env").read_text(encoding="utf-8")
SPECS = load_catalog(DEPLOY / "catalog.toml")


def services() -> dict[str, Any]:
    found = yaml.safe_load(COMPOSE)["services"]
    assert isinstance(found, dict)
    return found


def flags(service: dict[str, Any]) -> dict[str, str]:
    pairs = (flag.removeprefix("--").partition("=") for flag in service["command"] if flag.startswith("--"))
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_every_contestant_is_what_its_server_is_started_with(spec: Any) -> None:
    address = urlsplit(spec.endpoint.url)
    server = services()[address.hostname]
    assert (address.port, address.path) == (8000, "/v1")
    assert flags(server)["served-model-name"] == spec.endpoint.model
    assert int(flags(server)["max-model-len"]) >= spec.context
    assert re.fullmatch(r"[0-9a-f]{40}", flags(server)["revision"])
    assert spec.url == f"https://huggingface.co/{server['command'][0]}"
    assert spec.endpoint.key in services()["arena"]["environment"]
    assert spec.endpoint.key in server["environment"]


def test_the_servers_fit_on_one_gpu_together() -> None:
    shares = [float(flags(one)["gpu-memory-utilization"]) for one in services().values() if "command" in one]
    assert len(shares) == len(SPECS) == 2
    assert sum(shares) <= 0.95


def test_revisions_are_those_of_the_catalogue() -> None:
    ours = {spec.checkpoint.id: spec.checkpoint.revision for spec in load_catalog(REPO / "models" / "catalog.toml")
            if spec.checkpoint and spec.checkpoint.kind == "hub"}  # fmt: skip
    for server in (one for one in services().values() if "command" in one):
        assert ours[server["command"][0]] == flags(server)["revision"]


def test_every_variable_is_in_the_example_or_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)(:-)?", COMPOSE)
    named = re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE)
    assert {name for name, default in used if not default} <= set(named)
    assert set(named) <= {name for name, _ in used}
    assert re.findall(r"^\w+=.+", EXAMPLE, re.MULTILINE) == []  # a secret of the example would be everybody's


def test_every_setting_of_the_arena_is_one() -> None:
    known = {f"ARENA_{name.upper()}" for name in Settings.model_fields}
    used = {name for name in services()["arena"]["environment"] if name.startswith("ARENA_")}
    used |= set(re.findall(r"(ARENA_\w+)=", DOCKERFILE))
    assert used
    assert used <= known


def test_the_image_has_what_the_wheel_of_llama_cpp_is_linked_to() -> None:
    """Python's own image brings the C and C++ libraries; that of OpenMP comes with a compiler, which it has not."""
    library = Path(str(metadata.distribution("xllamacpp").locate_file("xllamacpp/xllamacpp.abi3.so")))
    linked = set(re.findall(rb"lib[\w+]+(?=\.so\.\d)", library.read_bytes()))
    package = {b"libgomp": "libgomp1"}
    assert linked - {b"libpthread", b"libstdc++", b"libm", b"libc"} <= package.keys()
    assert "slim" in DOCKERFILE
    for name in linked & package.keys():
        assert re.search(rf"apt-get install .*\b{package[name]}\b", DOCKERFILE)


def test_an_orderly_stop_has_the_time_it_may_take() -> None:
    arena = services()["arena"]
    seconds = float(arena["environment"]["ARENA_STOP_SECONDS"]) + SETTLE_SECONDS + FLUSH_SECONDS
    assert float(arena["stop_grace_period"].removesuffix("s")) >= seconds + 10, "engines end after the last flush"


def test_the_proxy_in_front_of_the_container_can_be_named() -> None:
    environment = services()["arena"]["environment"]
    for name in ("ARENA_TRUSTED_PROXIES", "ARENA_USER_HEADER", "ARENA_ADMINS"):
        assert environment[name].startswith(f"${{{name}:-")
    default = re.fullmatch(r"\$\{\w+:-(.*)\}", environment["ARENA_TRUSTED_PROXIES"])
    assert default
    assert tuple(default[1].split(",")) == Settings.model_fields["trusted_proxies"].default


def test_whoever_is_waited_for_says_whether_it_is_well() -> None:
    for name, service in services().items():
        assert "healthcheck" in service or name == "arena", name  # the arena's is in its image
        for other in service.get("depends_on", {}):
            assert "healthcheck" in services()[other]
    assert "HEALTHCHECK" in DOCKERFILE


def test_only_the_arena_is_reachable_and_from_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert list(ports) == ["arena"]
    assert all(port.startswith("127.0.0.1:") for port in ports["arena"])


def test_the_image_holds_what_the_arena_imports_and_no_secret() -> None:
    lines = (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    let_in = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert [name for name in let_in if not (REPO / name).exists()] == []
    assert {"app.py", "arena", "db", "models", "requirements.txt", "requirements-torch.txt"} <= set(let_in)
    assert not [name for name in (".env", "data", ".git", "deploy/.env") if _matches(name, let_in)]


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(part, pattern) for part in (name, Path(name).parts[0]) for pattern in patterns)
