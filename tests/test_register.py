"""A finished training becomes a contestant, whole or not at all."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import REPO, write_catalog
from typer.testing import CliRunner

from arena.cli import app
from models import adapter
from models.catalog import load_catalog
from models.distill.base import Base
from models.distill.conversation import Origin
from models.distill.entries import Wish
from models.distill.held_out import Loss
from models.distill.problem import DistillProblem
from models.distill.recipe import Method, Recipe
from models.distill.register import register
from models.distill.run import RUN_FILE, BaseUsed, DataUsed, HeldOut, Run, Spent, write_held_out, write_run
from models.distill.weights import student_digest
from models.spec import ModelSpec
from models.students import base_of, read_students

pytestmark = pytest.mark.slow

DIGEST = "c" * 64
WISH = Wish("pony", "Pony 1B")
SAMPLING = {"temperature": 0.5, "max_tokens": 200, "stop": ["\nQuestion"]}


def base_spec(**more: object) -> ModelSpec:
    """A base as GGUF file, as most here are."""
    entry: dict[str, object] = {
        "id": "horse-1b-q4",
        "name": "Horse 1B",
        "engine": "llamacpp",
        "quantization": "Q4_K_M",
        "license": "Apache-2.0",
        "makers": ("Stable",),
        "context": 1024,
        "url": "https://huggingface.co/stable/horse-1b",
        "prompt_template": "{% for m in messages %}{{ m.content }}\n{% endfor %}",
        "sampling": SAMPLING,
        "weights": {
            "file": "horse.gguf",
            "sha256": "a" * 64,
            "bytes": 7,
            "sources": [{"kind": "folder", "path": "/models/horse.gguf"}],
        },
    }
    return ModelSpec.model_validate(entry | more)


def on_hub(**more: object) -> ModelSpec:
    checkpoint = {"kind": "hub", "id": "stable/horse-1b", "revision": "0" * 40}
    return base_spec(engine="transformers", quantization="none", weights=None, checkpoint=checkpoint, **more)


def teacher() -> ModelSpec:
    """In the catalogue too."""
    return ModelSpec(
        id="mare-70b",
        name="Mare 70B",
        engine="scripted",
        quantization="none",
        license="MIT",
        makers=("Elders", "Stable"),
    )


def base(folder: Path, spec: ModelSpec | None = None) -> Base:
    folder.mkdir(exist_ok=True)
    return Base(spec or base_spec(), folder, "the template", DIGEST)


def trained(folder: Path, method: Method = "lora", **more: Any) -> Run:
    """A finished training as `distill train` leaves it; its adapter is no model's."""
    run = Run(
        folder=folder,
        base=BaseUsed("horse-1b-q4", DIGEST, "Apache-2.0"),
        data=DataUsed("d" * 64, 40, (Origin("made.jsonl", "mare-70b", "MIT"),)),
        recipe=Recipe(method=method),
        versions={"torch": "2.13", "trl": "1.16", "bitsandbytes": ""},
        spent=Spent(12_345, 6_789, 1.5e12, 90.0, 1, "CPU, 2 threads", None),
        held_out=HeldOut(2.0, 1.5),
        finished=True,
    )
    run = replace(run, **more)
    if run.recipe.has_adapter:
        run.student.mkdir(parents=True)
        config = {"peft_type": "LORA", "r": 16, "base_model_name_or_path": "horse-1b-q4"}
        (run.student / adapter.CONFIG).write_text(json.dumps(config), encoding="utf-8")
        header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        (run.student / adapter.WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
        run = replace(run, digest=student_digest(run))
    folder.mkdir(exist_ok=True, parents=True)
    sizes = ((20.0, 14.0), (21.0, 15.0), (18.0, 13.0), (20.0, 16.0), (22.0, 17.0))
    losses, after = ([Loss(f"{n}", 10, both[side]) for n, both in enumerate(sizes)] for side in (0, 1))
    write_held_out(folder, {"before": losses, "after": after})
    write_run(run)
    (folder / "log.jsonl").write_text('{"step": 1}\n', encoding="utf-8")
    (folder / "loss.png").write_bytes(b"a picture")
    return run


def recorded(run: Run) -> Run:
    """The run with another student than it had, as if the training had left that."""
    done = replace(run, digest=student_digest(run))
    write_run(done)
    return done


@pytest.fixture
def students(tmp_path: Path) -> Path:
    return tmp_path / "data" / "students.toml"


def left_in(students: Path) -> list[str]:
    """What of students lies in the data's folder, what is only for locking left out."""
    found = students.parent.rglob("*")
    return sorted(str(path.relative_to(students.parent)) for path in found if not path.name.endswith("lock"))


def test_a_student_that_is_not_what_the_training_left_is_refused(tmp_path: Path, students: Path) -> None:
    """As after a cut of the power: the file's name is there, its contents are not."""
    run = trained(tmp_path / "run")
    (run.student / adapter.WEIGHTS).write_bytes(b"")
    with pytest.raises(DistillProblem, match=r"^The student in .*/run/adapter is not what was trained"):
        register(run, base(tmp_path / "base"), WISH, students, [base_spec()])
    assert left_in(students) == ["students"]


def test_a_student_is_kept_whole_and_entered_with_its_base_served_alike(tmp_path: Path, students: Path) -> None:
    run, of = trained(tmp_path / "run"), base(tmp_path / "base")
    made = register(run, of, WISH, students, [base_spec(), teacher()])
    student, beside = read_students(students)
    assert (made.student, made.base.id, made.new) == (student, beside.id, True)
    assert student.adapter
    assert Path(student.adapter.path) == made.weights == students.parent / "students" / "pony" / "adapter"
    assert adapter.confirm(student.adapter) == made.weights
    assert (made.weights / adapter.WEIGHTS).read_bytes() == (run.student / adapter.WEIGHTS).read_bytes()
    assert base_of(student, [student, beside]) == beside
    assert (student.plays, beside.plays) == (True, False)
    assert beside.identity == {key: value for key, value in student.identity.items() if key != "adapter"}
    assert student.engine == "transformers"
    assert student.quantization == "none"
    assert student.context == 1024
    assert student.prompt_template == base_spec().prompt_template
    assert student.sampling == base_spec().sampling
    assert student.makers == ("Stable", "Elders"), "a teacher may favour its pupil as it does its kin"
    assert left_in(students) == [
        "students", "students.toml", "students/pony", "students/pony/adapter", "students/pony/adapter/README.md",
        "students/pony/adapter/adapter_config.json", "students/pony/adapter/adapter_model.safetensors",
        "students/pony/adapter/loss.png", "students/pony/held_out.json", "students/pony/log.jsonl",
        "students/pony/run.json",
    ]  # fmt: skip


def test_the_arena_s_catalogue_takes_the_entries(tmp_path: Path, students: Path) -> None:
    scripted = {"engine": "scripted", "quantization": "none", "license": "none", "makers": ["us"]}
    catalog = write_catalog(
        tmp_path / "catalog.toml", {"id": "one", "name": "One", **scripted}, {"id": "two", "name": "Two", **scripted}
    )
    register(trained(tmp_path / "run"), base(tmp_path / "base"), WISH, students, load_catalog(catalog))
    assert [spec.id for spec in load_catalog(catalog, "cpu", students)][2:] == ["pony", "horse-1b-q4-base-of-pony"]


@pytest.mark.parametrize(
    ("recipe", "wish", "quantization"),
    [
        (Recipe(method="lora"), WISH, "none"),
        (Recipe(method="qlora"), WISH, "nf4"),
        (Recipe(method="qlora"), replace(WISH, quantization="none"), "none"),
        (Recipe(method="lora"), replace(WISH, quantization="int8"), "int8"),
    ],
)
def test_student_and_base_are_served_as_it_was_trained_or_as_one_wishes(
    tmp_path: Path, students: Path, recipe: Recipe, wish: Wish, quantization: str
) -> None:
    run = trained(tmp_path / "run", recipe=recipe)
    made = register(run, base(tmp_path / "base"), wish, students, [])
    assert (made.student.quantization, made.base.quantization) == (quantization, quantization)


def test_a_base_that_is_served_so_already_is_not_entered_again(tmp_path: Path, students: Path) -> None:
    of = base(tmp_path / "base", on_hub())
    first = register(trained(tmp_path / "run"), of, WISH, students, [on_hub()])
    assert first.base == on_hub()
    assert [spec.id for spec in read_students(students)] == ["pony"]
    assert first.student.checkpoint == on_hub().checkpoint
    in_four = Wish("filly", "Filly", quantization="nf4")
    second = register(trained(tmp_path / "another"), of, in_four, students, [on_hub()])
    third = register(trained(tmp_path / "third"), of, replace(in_four, id="colt", name="Colt"), students, [on_hub()])
    assert second.base.id == third.base.id == "horse-1b-q4-base-of-filly"
    assert [spec.id for spec in read_students(students)] == ["pony", "filly", second.base.id, "colt"]


def test_a_base_in_a_folder_named_from_elsewhere_is_found_from_the_students_file(
    tmp_path: Path, students: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = {"kind": "folder", "path": "weights/horse", "digest": DIGEST}
    spec = base_spec(engine="transformers", quantization="none", weights=None, checkpoint=checkpoint)
    made = register(trained(tmp_path / "run"), base(tmp_path / "base", spec), WISH, students, [])
    assert made.student.checkpoint
    assert made.student.checkpoint.model_dump()["path"] == str(tmp_path / "weights/horse")


def test_who_is_registered_already_stays_as_it_is(tmp_path: Path, students: Path) -> None:
    run, of = trained(tmp_path / "run"), base(tmp_path / "base")
    first = register(run, of, WISH, students, [])
    before = students.read_bytes()
    again = register(run, of, WISH, students, [])
    assert (again.new, again.student, again.weights) == (False, first.student, first.weights)
    assert students.read_bytes() == before
    with pytest.raises(DistillProblem, match="The id pony is taken by Pony 1B"):
        register(run, of, replace(WISH, quantization="int8"), students, [])
    assert not register(run, of, replace(WISH, quantization="none"), students, []).new


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (WISH, "The id pony is taken by Pony 1B; give this student another --id"),
        (Wish("colt", "Pony 1B"), "a model called 'Pony 1B' already; give this one another --name"),
        (Wish("horse-1b-q4", "X"), "The id horse-1b-q4 is taken by Horse 1B"),
        (Wish("../pony", "X"), r"The student's id '../pony' can't be .*; choose another one"),
        (Wish("x", ""), "The student's name '' can't be"),
        (Wish("x", "y" * 81), "The student's name 'yyy"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused_and_nothing_changes(
    tmp_path: Path, students: Path, wish: Wish, words: str
) -> None:
    of = base(tmp_path / "base")
    register(trained(tmp_path / "run"), of, WISH, students, [base_spec()])
    before = students.read_bytes(), left_in(students)
    other = trained(tmp_path / "other", data=DataUsed("e" * 64, 40, ()))
    with pytest.raises(DistillProblem, match=words) as raised:
        register(other, of, wish, students, [base_spec()])
    assert "\n" not in str(raised.value)
    assert (students.read_bytes(), left_in(students)) == before


def test_a_run_that_can_t_be_served_is_refused_with_the_remedy(tmp_path: Path, students: Path) -> None:
    run, of = trained(tmp_path / "run"), base(tmp_path / "base")
    adapted = on_hub(adapter={"path": "x", "digest": DIGEST})
    cases = [
        (replace(run, finished=False), of, WISH, "is not finished; run the same `distill train` again"),
        (run, replace(of, digest="e" * 64), WISH, r"digest cccccccccccc…, and horse-1b-q4 has eeeeeeeeeeee… now"),
        (run, base(tmp_path / "base", adapted), WISH, "has an adapter, and another can't be put on top of it"),
        (replace(run, recipe=Recipe(method="full")), of, replace(WISH, merge=True), "leave out --merge"),
        (replace(run, folder=tmp_path / "lost"), of, WISH, "has no adapter_config.json that can be read"),
    ]
    for one, its_base, wish, words in cases:
        with pytest.raises(DistillProblem, match=words):
            register(one, its_base, wish, students, [])
    assert left_in(students) == ["students"]


def test_what_a_kill_left_is_made_anew(tmp_path: Path, students: Path) -> None:
    home, run = students.parent / "students", trained(tmp_path / "run")
    (home / "pony" / "adapter").mkdir(parents=True)  # whole perhaps, but without its entry
    (home / "pony" / "adapter" / "half").touch()
    shutil.copy(run.folder / RUN_FILE, home / "pony")
    (home / ".pony.1234.part").mkdir()
    made = register(run, base(tmp_path / "base"), WISH, students, [])
    assert made.new
    assert not any("half" in name or ".part" in name for name in left_in(students))


def test_weights_that_an_entry_renamed_by_hand_needs_are_not_replaced(tmp_path: Path, students: Path) -> None:
    run, of = trained(tmp_path / "run"), base(tmp_path / "base")
    register(run, of, WISH, students, [])
    students.write_text(students.read_text().replace('"pony"', '"pony-v1"').replace('"Pony 1B"', '"Old"'))
    other = trained(tmp_path / "other", data=DataUsed("e" * 64, 40, ()))
    for again in (run, other):
        with pytest.raises(DistillProblem, match="pony holds the weights of pony-v1; give this student another --id"):
            register(again, of, WISH, students, [])
    old = next(spec for spec in read_students(students) if spec.id == "pony-v1")
    assert old.adapter
    assert adapter.confirm(old.adapter)


def test_a_folder_that_no_entry_needs_but_another_training_made_is_not_replaced(tmp_path: Path, students: Path) -> None:
    of = base(tmp_path / "base")
    register(trained(tmp_path / "run"), of, WISH, students, [])
    students.unlink()
    with pytest.raises(DistillProblem, match="holds what another training made"):
        register(trained(tmp_path / "other", data=DataUsed("e" * 64, 40, ())), of, WISH, students, [])
    assert (students.parent / "students" / "pony" / RUN_FILE).read_bytes() == (tmp_path / "run/run.json").read_bytes()


def test_a_students_file_that_can_t_be_read_is_named_and_nothing_is_kept(tmp_path: Path, students: Path) -> None:
    students.parent.mkdir()
    students.write_text("[[model", encoding="utf-8")
    with pytest.raises(DistillProblem, match=r"students\.toml is not valid TOML"):
        register(trained(tmp_path / "run"), base(tmp_path / "base"), WISH, students, [])
    assert left_in(students) == ["students", "students.toml"]


def test_a_disk_without_room_is_told_before_anything_is_written(
    tmp_path: Path, students: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, of = trained(tmp_path / "run"), base(tmp_path / "base")
    small = shutil.disk_usage(tmp_path)._replace(free=50)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    with pytest.raises(DistillProblem, match="make room there"):
        register(run, of, WISH, students, [])
    assert left_in(students) == ["students"]


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_of_a_student(tmp_path: Path, students: Path) -> None:
    run = trained(tmp_path / "run")
    with (tmp_path / "run" / "adapter" / adapter.WEIGHTS).open("ab") as file:
        file.truncate(1_000_000)
    recorded(run)
    script = f"""
import sys
sys.path.insert(0, "tests")
from pathlib import Path
from test_register import *
run = read_run(Path({str(tmp_path / "run")!r}))
register(run, base(Path({str(tmp_path / "base")!r})), WISH, Path({str(students)!r}), [])
"""
    script = script.replace("\nrun =", "\nfrom models.distill.run import read_run\nrun =")

    def no_large_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, preexec_fn=no_large_files, check=False
    )
    assert "DistillProblem" in done.stderr, done.stderr[-2000:]
    assert "students can't be written" in done.stderr
    assert left_in(students) == ["students"]


def test_data_that_may_not_be_used_for_everything_marks_the_student(tmp_path: Path, students: Path) -> None:
    origins = (Origin("alpaca.json", "text-davinci-003", "CC-BY-NC-4.0"),)
    run = trained(tmp_path / "run", data=DataUsed("d" * 64, 52_000, origins))
    made = register(run, base(tmp_path / "base"), WISH, students, [])
    assert made.student.license.startswith("Apache-2.0; data: non-commercial (CC-BY-NC-4.0)")
    assert "no competing models" in made.student.license
    assert made.base.license == "Apache-2.0"


def test_what_data_says_of_itself_is_text_wherever_the_license_is_shown(tmp_path: Path, students: Path) -> None:
    evil = Origin("x", "gpt-4 <img src=x onerror=alert(1)>\n# **[x](javascript:y)**", "CC-BY-NC-4.0 " + "z" * 1000)
    run = trained(tmp_path / "run", data=DataUsed("d" * 64, 9, (evil,)))
    shown = register(run, base(tmp_path / "base"), WISH, students, []).student.license
    assert shown.startswith("Apache-2.0; data: non-commercial (CC-BY-NC-4.0 zzz")
    assert "taught by gpt-4 img src=x" in shown
    assert not set(shown) & set("<>[]*`|\n")


REGISTER_ON_AND_ON = """
import sys
sys.path.insert(0, "tests")
from test_register import *
from models.distill.run import read_run
run, students = read_run(Path(sys.argv[1])), Path(sys.argv[2])
for number in range(10_000):
    register(run, base(run.folder), Wish(f"pony-{number}", f"Pony {number}"), students, [])
    print(number, flush=True)
"""


@pytest.mark.parametrize("milliseconds", [0, 3, 7])
def test_a_kill_at_any_moment_leaves_whole_students_alone(tmp_path: Path, students: Path, milliseconds: int) -> None:
    run = trained(tmp_path / "run")
    command = [sys.executable, "-c", REGISTER_ON_AND_ON, str(run.folder), str(students)]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(3):
            process.stdout.readline()
        time.sleep(milliseconds / 1000)
        process.kill()
    kept = read_students(students)
    playing = [spec for spec in kept if spec.plays]
    assert len(playing) >= 3
    assert all(spec.adapter and adapter.confirm(spec.adapter) for spec in playing)
    assert all(base_of(spec, kept) for spec in playing)
    register(run, base(run.folder), WISH, students, [])
    folders = {path.name for path in (students.parent / "students").iterdir() if path.name != ".lock"}
    assert {spec.id for spec in playing} | {"pony"} <= folders
    assert not [name for name in folders if name.endswith(".part")]


def catalogue_with_base(folder: Path) -> Path:
    """A catalogue whose second entry is the base, by the digest of what lies in its folder."""
    one = {
        "id": "one",
        "name": "One",
        "engine": "scripted",
        "quantization": "none",
        "license": "none",
        "makers": ["us"],
    }
    told = base_spec(prompt_template="x").model_dump(mode="json", exclude_defaults=True, exclude={"sampling"})
    return write_catalog(folder / "catalog.toml", one, told)


def test_the_verb_stops_kindly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ARENA_CATALOG", str(catalogue_with_base(tmp_path)))
    verb = ["distill", "register", "--id", "pony", "--name", "Pony 1B"]
    lost = CliRunner().invoke(app, [*verb, str(tmp_path / "nowhere")])
    assert (lost.exit_code, lost.output.count("\n")) == (1, 1)
    assert "is no folder of a training" in lost.output
    trained(tmp_path / "run", base=BaseUsed("gone", DIGEST, "MIT"))
    gone = CliRunner().invoke(app, [*verb, str(tmp_path / "run")])
    assert gone.exit_code == 1
    assert "taught gone, which is not in the catalogue" in gone.output
    trained(tmp_path / "priced")
    unpriced = CliRunner().invoke(app, [*verb, str(tmp_path / "priced"), "--device", "abacus"])
    assert unpriced.exit_code == 1
    assert "has no device 'abacus'" in unpriced.output
