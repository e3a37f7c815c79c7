from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from models.catalog import CatalogError, load_catalog
from models.origin import FolderSource, HubCheckpoint
from models.spec import Lineup

ENTRY = """
[[model]]
id = "{id}"
name = "{name}"
engine = "scripted"
quantization = "none"
license = "none"
makers = ["us"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return path


def two(extra: str = "") -> str:
    return ENTRY.format(id="one", name="One") + ENTRY.format(id="two", name="Two") + extra


def test_the_line_up_for_cpus_names_its_weights_by_hash() -> None:
    specs = load_catalog(lineup="cpu")
    assert len(specs) >= 3
    assert all(spec.weights and len(spec.weights.sha256) == 64 for spec in specs)


def test_every_model_for_cpus_has_a_source_besides_the_hub() -> None:
    for spec in load_catalog(lineup="cpu"):
        assert spec.weights
        assert {source.kind for source in spec.weights.sources} > {"hub"}


@pytest.mark.parametrize("lineup", get_args(Lineup))
def test_a_line_up_is_a_fair_one(lineup: str) -> None:
    specs = load_catalog(lineup=lineup)
    assert len(specs) >= 3
    assert all(spec.lineups == (lineup,) for spec in specs)
    # What is not the same for all would give a contestant away, or count against it.
    assert len({spec.sampling.max_tokens for spec in specs}) == 1
    assert len({spec.context for spec in specs}) == 1
    assert len({spec.engine for spec in specs}) == 1


@pytest.mark.parametrize("lineup", ["zerogpu", "gpu-8gb", "gpu-24gb"])
def test_models_for_gpus_are_pinned_and_may_be_used_by_anybody(lineup: str) -> None:
    for spec in load_catalog(lineup=lineup):
        assert isinstance(spec.checkpoint, HubCheckpoint)  # whose revision is a commit, or it would not be one
        assert spec.license in ("Apache-2.0", "MIT")
        assert spec.url.endswith(spec.checkpoint.id)


def test_an_entry_plays_in_its_line_ups_and_one_without_any_in_all_of_them(tmp_path: Path) -> None:
    third = ENTRY.format(id="three", name="Three") + 'lineups = ["cpu", "gpu-8gb"]\n'
    path = write(tmp_path, two('lineups = ["zerogpu"]\n') + third)
    names = {lineup: [spec.id for spec in load_catalog(path, lineup)] for lineup in ("", "cpu", "zerogpu", "gpu-8gb")}
    assert names == {
        "": ["one", "two", "three"],
        "cpu": ["one", "three"],
        "zerogpu": ["one", "two"],
        "gpu-8gb": ["one", "three"],
    }
    with pytest.raises(CatalogError, match=r"has 1 of 3 models in line-up 'gpu-24gb'.*ARENA_LINEUP"):
        load_catalog(path, "gpu-24gb")


def test_a_line_up_is_not_part_of_what_a_contestant_is() -> None:
    spec = load_catalog()[0]
    assert spec.model_copy(update={"lineups": ("gpu-8gb",)}).fingerprint == spec.fingerprint


def test_the_fingerprint_follows_what_a_contestant_is_and_nothing_else() -> None:
    spec = load_catalog()[0]
    renamed = spec.model_copy(update={"name": "Another", "license": "MIT"})
    warmer = spec.model_copy(update={"sampling": spec.sampling.model_copy(update={"temperature": 1.0})})
    assert renamed.fingerprint == spec.fingerprint
    assert warmer.fingerprint != spec.fingerprint


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="nowhere"):
        load_catalog(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[model", "not valid TOML"),
        (ENTRY.format(id="one", name="One"), "at least two"),
        (two("colour = 'red'\n"), "model two: colour"),
        (ENTRY.format(id="one", name="One") * 2, "the id 'one'"),
        (two('lineups = ["tpu"]\n'), "model two: lineups.0: Input should be 'cpu', 'zerogpu'"),
        (ENTRY.format(id="one", name="One") + ENTRY.format(id="two", name="One"), "the name 'One'"),
        (two().replace('engine = "scripted"', 'engine = "llamacpp"'), "needs .model.weights."),
    ],
)
def test_a_bad_catalogue_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CatalogError, match=words):
        load_catalog(write(tmp_path, text))


def other(engine: str, part: str, quantization: str = "none") -> str:
    """A catalogue whose second model has another engine, with `part` as the rest of its entry."""
    first, second = ENTRY.format(id="one", name="One"), ENTRY.format(id="two", name="Two")
    second = second.replace('engine = "scripted"', f'engine = "{engine}"')
    lines = [f'quantization = "{quantization}"' if "quantization" in line else line for line in second.splitlines()]
    return first + "\n".join([*lines, part])


HUB = 'checkpoint = {{ kind = "hub", id = "a/b", revision = "{}" }}'
URL = 'endpoint = {{ url = "{}", model = "m", key = "{}" }}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (other("transformers", ""), r"engine transformers needs \[model.checkpoint\]"),
        (other("llamacpp", HUB.format("0" * 40)), r"engine llamacpp needs \[model.weights\]"),
        (
            other("transformers", HUB.format("main")),
            "'main' is not a commit's 40 hexadecimal digits; a branch may change",
        ),
        (other("transformers", HUB.format("0" * 40), "q7"), "quantization 'q7' is unknown .* one of nf4, int8, none"),
        (other("transformers", 'checkpoint = { id = "a/b" }'), "checkpoint: needs a kind, one of 'hub' or 'folder'"),
        (other("transformers", 'checkpoint = { kind = "ftp" }'), "checkpoint: needs a kind, one of 'hub', 'folder'"),
        (other("transformers", 'checkpoint = { kind = "folder", path = "x", digest = "1" }'), "arena digest FOLDER"),
        (
            other("transformers", f'checkpoint = {{ kind = "folder", path = "~nobody-9/x", digest = "{"0" * 64}" }}'),
            "model two: .*; write the folder's whole path",
        ),
        (other("endpoint", ""), r"engine endpoint needs \[model.endpoint\]"),
        (other("endpoint", URL.format("ftp://x", "")), "'ftp://x' is no address such as http://HOST:PORT/v1"),
        (other("endpoint", URL.format("http://user:pass@x/v1", "")), "is no address"),
        (other("endpoint", URL.format("http://x:99999999/v1", "")), "has no port that can be"),
        (other("endpoint", URL.format("http://x/v1", "sk-123")), "ends in _KEY, _TOKEN, _SECRET or _PASSWORD"),
        (other("endpoint", URL.format("http://x/v1", "VLLM_PASS")), "ends in _KEY"),
        (other("mystery", ""), "engine: Input should be 'llamacpp', 'transformers', 'endpoint' or 'scripted'"),
        (two("script = { at = 2026-01-01 }"), "script: holds something else"),
    ],
)
def test_a_bad_engine_s_entry_is_named_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CatalogError, match=words) as raised:
        load_catalog(write(tmp_path, text))
    assert "\n" not in str(raised.value)


WEIGHTS = """
[model.weights]
file = "{file}"
sha256 = "{sha}"
bytes = 5
sources = [{source}]
"""


def weights(
    file: str = "a.gguf", sha: str = "0" * 64, source: str = '{ kind = "folder", path = "weights/a.gguf" }'
) -> str:
    text = two(WEIGHTS.format(file=file, sha=sha, source=source))
    return 'engine = "llamacpp"'.join(text.rsplit('engine = "scripted"', 1))


def test_a_relative_folder_starts_at_the_catalogue(tmp_path: Path) -> None:
    spec = load_catalog(write(tmp_path, weights()))[1]
    assert spec.weights
    (source,) = spec.weights.sources
    assert isinstance(source, FolderSource)
    assert source.path == str(tmp_path / "weights/a.gguf")


@pytest.mark.parametrize(
    "text",
    [
        weights(file="../a.gguf"),
        weights(file="a.bin"),
        weights(sha="ABC"),
        weights(source='{ kind = "pip", packages = ["unpinned"], member = "*" }'),
        weights(source='{ kind = "pip", packages = ["--index-url==x"], member = "*" }'),
        weights(source='{ kind = "pip", packages = [], member = "*" }'),
        weights(source='{ kind = "ftp", path = "x" }'),
    ],
)
def test_weights_that_could_lead_astray_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CatalogError, match="weights"):
        load_catalog(write(tmp_path, text))
