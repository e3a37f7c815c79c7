"""The repository is a Space: pushed and installed as the Hub's builder does, `python app.py` opens the arena."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from _pytest.mark import ParameterSet
from imitated_space import HOST, copy_files, front_matter, install, started
from support import REPO, wait_for

README = REPO / "README.md"
WEIGHTS = Path("~/.cache/paddock/weights").expanduser()
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def pythons() -> list[ParameterSet]:
    """That of these tests, and the one the README asks of a Space."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = str(front_matter(README)["python_version"])
    if asked == ours:
        return [pytest.param(Path(sys.executable), id=ours)]
    there = python_of(asked)
    mark = pytest.mark.skipif(there is None, reason=f"there is no Python {asked} on this machine")
    return [pytest.param(Path(sys.executable), id=ours), pytest.param(there, id=asked, marks=mark)]


def python_of(version: str) -> Path | None:
    """A Python of this version that runs; pyenv's name for one may be there and lead nowhere."""
    named = shutil.which(f"python{version}")
    for python in (*Path("/root/.pyenv/versions").glob(f"{version}.*/bin/python"), *([Path(named)] if named else [])):
        if subprocess.run([python, "-c", "import venv, ensurepip"], check=False, capture_output=True).returncode == 0:
            return python
    return None


def test_the_front_matter_is_what_the_hub_takes() -> None:
    told = front_matter(README)
    assert told["sdk"] == "gradio"
    assert told["python_version"] == "3.12"
    assert (REPO / str(told["app_file"])).is_file()
    assert len(str(told["short_description"])) <= 60
    assert {told["colorFrom"], told["colorTo"]} <= set(COLORS)
    assert told["license"] == "apache-2.0"
    assert told["hf_oauth"] is True


def test_the_front_matter_names_a_gradio_that_the_requirements_allow() -> None:
    version = str(front_matter(README)["sdk_version"])
    wanted = next(line for line in (REPO / "requirements.txt").read_text().splitlines() if line.startswith("gradio"))
    low, high = wanted.removeprefix("gradio[oauth]>=").split(",<")
    numbers = [tuple(map(int, one.split("."))) for one in (low, version, high)]
    assert numbers == sorted(numbers)
    assert numbers[1] < numbers[2]


def test_the_models_of_the_front_matter_are_those_of_the_catalogue() -> None:
    models = tomllib.loads((REPO / "models" / "catalog.toml").read_text(encoding="utf-8"))["model"]
    pages = {model["url"].removeprefix("https://huggingface.co/") for model in models}
    named = front_matter(README)["models"]
    assert isinstance(named, list)
    assert named
    assert set(named) <= pages


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("python", pythons())
def test_a_space_opens_with_real_models_from_its_requirements_alone(python: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    app = copy_files(home)
    installed = install(python, tmp_path / "venv", app)
    assert not list((tmp_path / "venv").rglob("site-packages/torch"))
    with started(installed, home, ARENA_CACHE=WEIGHTS) as space:
        page = httpx.get(space.url, headers={"host": HOST, "accept": "text/html"}, timeout=60).raise_for_status()
        assert '"title":"Paddock"' in page.text
        assert "Partitioned" in page.headers["set-cookie"]
        assert "https://huggingface.co" in page.headers["content-security-policy"]
        assert httpx.get(space.url, headers={"host": "elsewhere.example"}, timeout=60).status_code == 400
        wait_for(lambda: space.ready() >= 2, 240)
