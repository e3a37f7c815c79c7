"""The catalogue's second file, and entries with an adapter."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from arena.lineup import load_contestants
from arena.logs import secrets_of
from arena.settings import Settings
from models.catalog import CatalogError, load_catalog
from models.origin import Adapter, FolderCheckpoint
from models.spec import ModelSpec
from models.students import as_toml, base_of, enlist, read_students

SHA, OTHER = "a" * 64, "b" * 64


def student(key: str = "pony", **more: object) -> ModelSpec:
    """A small model that was taught here."""
    entry: dict[str, object] = {
        "id": key,
        "name": key.title(),
        "engine": "transformers",
        "quantization": "none",
        "license": "Apache-2.0; data: non-commercial (CC-BY-NC-4.0)",
        "makers": ["Us", "Hugging Face"],
        "checkpoint": {"kind": "folder", "path": "/models/base", "digest": SHA},
        "adapter": {"path": f"students/{key}/adapter", "digest": OTHER},
    }
    return ModelSpec.model_validate(entry | more)


def catalogue(path: Path, *names: str) -> Path:
    """A catalogue of scripted models."""
    path.write_text(
        "\n".join(
            f'[[model]]\nid = "{name}"\nname = "{name.title()}"\nengine = "scripted"\nquantization = "none"\n'
            'license = "none"\nmakers = ["us"]\n'
            for name in names
        ),
        encoding="utf-8",
    )
    return path


def test_an_adapter_is_part_of_what_a_contestant_is_by_its_digest_alone() -> None:
    taught = student()
    moved = student(adapter={"path": "elsewhere", "digest": OTHER})
    another = student(adapter={"path": "elsewhere", "digest": SHA})
    assert moved.fingerprint == taught.fingerprint != another.fingerprint
    untaught = taught.model_copy(update={"adapter": None})
    assert "adapter" not in untaught.identity  # so that nobody's fingerprint changed when adapters came
    assert untaught.fingerprint != taught.fingerprint


def test_fingerprints_are_what_they_were_before_there_were_adapters() -> None:
    prints = {spec.id: spec.fingerprint for spec in load_catalog()}
    assert prints["smollm2-135m-instruct-q4"] == "f36f6bd297ae9f5dad3296ac969261ab4aa8d8cc815897ee31ca72fd2ede0082"
    assert prints["qwen2.5-1.5b-instruct-nf4"] == "337eaea11464738d08b22038d0ff1d6545db659d92826f11581d29e55eb166af"


def test_the_name_of_the_base_is_no_part_of_what_a_contestant_is() -> None:
    assert student(base="other").fingerprint == student().fingerprint


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"engine": "scripted"}, "engine scripted takes no .model.adapter.; engine transformers does"),
        ({"adapter": {"path": "x", "digest": "1"}}, "is no digest; `python -m arena distill register` writes it"),
        ({"adapter": {"path": "x", "digest": SHA, "scale": 2}}, "adapter.scale"),
    ],
)
def test_a_bad_adapter_is_named(tmp_path: Path, more: dict[str, object], words: str) -> None:
    entry = student().model_dump(mode="json", exclude_defaults=True) | more
    with pytest.raises(ValueError, match=words):
        ModelSpec.model_validate(entry)


def test_what_is_enlisted_is_read_again_as_it_was(tmp_path: Path) -> None:
    odd = student(
        "odd",
        license='a "quoted" \\ license\nin two lines\x7f',
        prompt_template="{% for m in messages %}\n'{{ m.content }}' \u4f60\u597d{% endfor %}",
        sampling={"temperature": 0.0, "stop": ["\n", "\t"], "repeat_penalty": 1.05},
        plays=False,
        base="pony",
    )
    path = tmp_path / "data" / "students.toml"
    enlist(path, student(), odd)
    first, second = read_students(path)
    assert second.adapter
    assert second.adapter.path == str(tmp_path / "data/students/odd/adapter")
    assert second == odd.model_copy(update={"adapter": second.adapter})
    assert (first.fingerprint, second.fingerprint) == (student().fingerprint, odd.fingerprint)


def test_an_entry_says_its_sampling_and_context_even_where_they_are_the_defaults() -> None:
    text = as_toml(student())
    assert "\ncontext = 4096\n" in text
    assert "{ temperature = 0.7, top_p = 0.95, top_k = 40, repeat_penalty = 1.0, max_tokens = 512, stop = [] }" in text


def test_what_people_wrote_into_the_file_stays(tmp_path: Path) -> None:
    path = catalogue(tmp_path / "students.toml", "mine")
    path.write_text("# ours\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    before = path.read_text(encoding="utf-8").rstrip()
    enlist(path, student())
    assert path.read_text(encoding="utf-8").startswith(before)
    assert [spec.id for spec in read_students(path)] == ["mine", "pony"]


def test_without_the_file_there_is_no_student(tmp_path: Path) -> None:
    assert read_students(tmp_path / "students.toml") == ()
    path = catalogue(tmp_path / "catalog.toml", "one", "two")
    assert len(load_catalog(path, students=tmp_path / "students.toml")) == 2


def test_students_follow_the_catalogue_and_play_in_every_line_up(tmp_path: Path) -> None:
    path, students = catalogue(tmp_path / "catalog.toml", "one", "two"), tmp_path / "data" / "students.toml"
    enlist(students, student(), student("base-of-pony", adapter=None, plays=False))
    assert [spec.id for spec in load_catalog(path, "gpu-8gb", students)] == ["one", "two", "pony", "base-of-pony"]
    settings = Settings(catalog=path, data=tmp_path / "data", lineup="cpu")
    assert settings.students == students
    assert [spec.id for spec in load_contestants(settings)] == ["one", "two", "pony"]


def test_the_key_of_an_endpoint_is_masked_wherever_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_API_KEY", "hunter2-hunter2-hunter2")
    monkeypatch.chdir(tmp_path)
    endpoint = {"url": "http://x/v1", "model": "m", "key": "TEACHER_API_KEY"}
    enlist(tmp_path / "students.toml", student(engine="endpoint", checkpoint=None, adapter=None, endpoint=endpoint))
    settings = Settings(catalog=catalogue(tmp_path / "catalog.toml", "one", "two"), data=tmp_path)
    assert "hunter2-hunter2-hunter2" in secrets_of(settings)


@pytest.mark.parametrize(("name", "words"), [("one", "the id 'one'"), ("pony", "the id 'pony'")])
def test_an_id_that_is_taken_is_refused_and_nothing_is_written(tmp_path: Path, name: str, words: str) -> None:
    others, students = load_catalog(catalogue(tmp_path / "catalog.toml", "one", "two")), tmp_path / "students.toml"
    enlist(students, student())
    before = students.read_bytes()
    with pytest.raises(CatalogError, match=words):
        enlist(students, student("new"), student(name, name="Another"), others=others)
    assert students.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir() if one.suffix == ".part") == []


def test_an_id_in_both_files_names_the_students_file(tmp_path: Path) -> None:
    path, students = catalogue(tmp_path / "catalog.toml", "one", "two"), tmp_path / "students.toml"
    enlist(students, student("one"))
    with pytest.raises(CatalogError, match=r"students\.toml: two models have the id 'one'"):
        load_catalog(path, students=students)


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    students = tmp_path / "students.toml"
    students.write_text("[[model", encoding="utf-8")
    with pytest.raises(CatalogError, match=r"students\.toml is not valid TOML"):
        load_catalog(catalogue(tmp_path / "catalog.toml", "one", "two"), students=students)
    with pytest.raises(CatalogError, match=r"students\.toml is not valid TOML"):
        enlist(students, student())
    assert students.read_text(encoding="utf-8") == "[[model"


def test_a_place_that_can_t_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file", encoding="utf-8")
    with pytest.raises(CatalogError, match=r"students\.toml can't be written"):
        enlist(tmp_path / "data" / "students.toml", student())


def _enlist_ten(path: Path, name: str) -> None:
    for number in range(10):
        enlist(path, student(f"{name}-{number}"))


@pytest.mark.slow
def test_processes_that_enlist_at_once_lose_nobody(tmp_path: Path) -> None:
    path, context = tmp_path / "students.toml", multiprocessing.get_context("spawn")
    running = [context.Process(target=_enlist_ten, args=(path, name)) for name in ("left", "right")]
    for process in running:
        process.start()
    for process in running:
        process.join(120)
    assert len(read_students(path)) == 20


def test_the_base_of_a_student_is_found_by_its_id() -> None:
    base = student("base", adapter=None)
    taught = student(base="base")
    assert base_of(taught, [taught, base]) == base
    assert base_of(taught, [taught]) is None
    assert base_of(base, [taught, base]) is None


def test_a_relative_adapter_starts_at_the_file_s_folder(tmp_path: Path) -> None:
    enlist(tmp_path / "students.toml", student(checkpoint={"kind": "folder", "path": "base", "digest": SHA}))
    (read,) = read_students(tmp_path / "students.toml")
    assert read.adapter == Adapter(path=str(tmp_path / "students/pony/adapter"), digest=OTHER)
    assert read.checkpoint == FolderCheckpoint(kind="folder", path=str(tmp_path / "base"), digest=SHA)


def test_whoever_starts_elsewhere_finds_the_adapter_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    enlist(Path("data/students.toml"), student())
    (read,) = read_students(Path("data/students.toml"))
    assert read.adapter
    assert read.adapter.path == str(tmp_path / "data/students/pony/adapter")
