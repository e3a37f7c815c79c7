from __future__ import annotations

from pathlib import Path

import pytest

from models.catalog import CatalogError, FolderSource, load_catalog

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


def test_the_default_catalogue_names_its_weights_by_hash() -> None:
    specs = load_catalog()
    assert len(specs) >= 3
    assert all(spec.weights and len(spec.weights.sha256) == 64 for spec in specs)


def test_every_default_model_has_a_source_besides_the_hub() -> None:
    for spec in load_catalog():
        assert spec.weights
        assert {source.kind for source in spec.weights.sources} > {"hub"}


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
        (ENTRY.format(id="one", name="One") + ENTRY.format(id="two", name="One"), "the name 'One'"),
        (two().replace('engine = "scripted"', 'engine = "llamacpp"'), "needs .model.weights."),
    ],
)
def test_a_bad_catalogue_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CatalogError, match=words):
        load_catalog(write(tmp_path, text))


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
