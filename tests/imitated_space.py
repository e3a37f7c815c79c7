"""A Hugging Face Space, imitated: the files as pushed, installed as its builder does, started with its variables."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from huggingface_hub import metadata_load
from support import REPO, free_port, stop, wait_for

from arena.space_files import space_files

HOST = "us-arena.hf.space"
START_SECONDS = 300.0

# What builders of 2026 say in their logs: requirements and these, in one command.
_BESIDE_GRADIO = ("uvicorn>=0.14.0", "websockets>=10.4", "spaces")
_VARIABLES = {
    "SYSTEM": "spaces",
    "SPACE_ID": "us/arena",
    "SPACE_HOST": HOST,
    "SPACE_AUTHOR_NAME": "us",
    "SPACE_REPO_NAME": "arena",
    "GRADIO_SERVER_NAME": "0.0.0.0",  # noqa: S104
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_THEME": "huggingface",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Space:
    """A running Space; `url` is where its proxy would ask."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def ready(self) -> int:
        """How many contestants can answer; -1 while nobody answers."""
        try:
            health = httpx.get(f"{self.url}/healthz", headers={"host": HOST}, timeout=10).json()
        except (httpx.HTTPError, ValueError):
            return -1
        models = health.get("models")
        return int(models["ready"] if isinstance(models, dict) else health["ready"])


def front_matter(readme: Path) -> Mapping[str, object]:
    """What a README says to the Hub, read by the Hub's own library."""
    found = metadata_load(readme)
    assert found, f"{readme} begins with no front matter"
    return found


def copy_files(home: Path, hardware: str = "cpu-basic") -> Path:
    """The Space's repository in its container."""
    app = home / "app"
    for name, content in space_files(REPO, hardware).items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_bytes(content)
    return app


def install(python: Path, venv: Path, app: Path) -> Path:
    """An environment that holds what the builder installs and nothing else; its python."""
    version = front_matter(app / "README.md")["sdk_version"]
    subprocess.run([python, "-m", "venv", venv], check=True)
    ours = venv / "bin" / "python"
    pip = [str(ours), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wanted = ["-r", str(app / "requirements.txt"), f"gradio[oauth,mcp]=={version}", *_BESIDE_GRADIO]
    subprocess.run([*pip, "install", *wanted], check=True)
    subprocess.run([*pip, "check"], check=True)
    return ours


@contextmanager
def started(python: Path, home: Path, *, kill: bool = False, **settings: object) -> Iterator[Space]:
    """`python app.py` in `home`, until the block ends: by SIGTERM with exit code 0, or `kill`ed.

    `settings` are its variables and secrets. Whoever waits for it looks at `ready`.
    """
    port = free_port()
    variables = _VARIABLES | {"HOME": str(home), "PATH": os.environ["PATH"], "ARENA_PORT": str(port)}
    variables |= {name: str(value) for name, value in settings.items()}
    log_file = home.parent / "space.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen([python, "app.py"], env=variables, cwd=home / "app", stdout=log, stderr=log)
    space = Space(f"http://127.0.0.1:{port}", home, process, log_file)
    code = 0
    try:
        wait_for(lambda: space.ready() >= 0 or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, f"the Space did not start:\n{space.log[-3000:]}"
        yield space
    finally:
        if kill:
            process.kill()
            process.wait()
        else:
            code = stop(process)
    assert code == 0, f"the Space ended with {code}:\n{space.log[-3000:]}"


def lose_disk(home: Path) -> None:
    """What a restart does to a Space: everything is as it was pushed."""
    shutil.rmtree(home)
    copy_files(home)
