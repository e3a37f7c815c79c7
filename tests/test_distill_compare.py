"""Student against base by one command, before a judge that follows stated rules."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from judge_stub import JudgeStub
from support import environment, write_catalog
from test_register import trained
from typer.testing import CliRunner, Result

from arena.cli import app
from models.distill.held_out import Loss
from models.distill.run import Start, write_held_out

pytestmark = pytest.mark.slow

LOSSES = [Loss(f"c{number}", 10, 20.0 + number) for number in range(12)]


class Place:
    """An arena whose "student" was taught from "words-20", in a folder of its own."""

    def __init__(self, folder: Path, stub: JudgeStub, student: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.stub = folder, stub
        judges = [stub.entry(name, plays=False) for name in ("judge-length", "judge-first", "judge-nonsense")]
        taught = {**stub.entry(student), "id": "student", "name": "Student", "base": "words-20"}
        other = {**stub.entry("words-30"), "context": 4096, "quantization": "Q4"}
        catalog = write_catalog(folder / "catalog.toml", stub.entry("words-20"), taught, other, *judges)
        for name in [name for name in os.environ if name.startswith("ARENA_")]:
            monkeypatch.delenv(name)
        for name, value in environment(folder, catalog).items():
            if name.startswith("ARENA_"):
                monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        self.home = Path(os.environ["ARENA_DATA"]) / "students" / "student"

    def learnt(self, factor: float) -> None:
        """The student's folder says that its held-out loss is `factor` times the base's."""
        self.home.mkdir(parents=True)
        after = [Loss(one.id, one.tokens, one.nats * factor) for one in LOSSES]
        write_held_out(self.home, {"before": LOSSES, "after": after})

    def compare(self, *options: str, judge: str = "judge-length") -> Result:
        words = ["distill", "compare", "student", "--judge", judge, "--questions", "6", *options]
        return CliRunner().invoke(app, words)

    def told(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads((self.folder / "distill-compare" / "compare.json").read_text())
        return found


@pytest.fixture(scope="module")
def stub() -> Iterator[JudgeStub]:
    with JudgeStub() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, stub: JudgeStub, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, stub, "words-60", monkeypatch)


def test_a_student_that_the_judge_prefers_and_whose_loss_fell_was_helped(place: Place) -> None:
    place.learnt(0.7)
    done = place.compare()
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Teaching Student helped: the judge finds it better, the held-out loss fell.")
    told = place.told()
    assert (told["student"], told["base"], told["judge"], told["helped"]) == (
        "student",
        "words-20",
        "judge-length",
        True,
    )
    assert (told["judged"]["wins"], told["judged"]["losses"], told["judged"]["questions"]) == (6, 0, 6)
    assert told["held_out"]["ratio"] == pytest.approx(0.7)
    assert told["report"][0]["model"] == "Student"
    page = (place.folder / "distill-compare" / "compare.md").read_text()
    for said in (told["sentence"], "The rules", "What the judge says"):
        assert said in page


def test_what_is_judged_already_is_not_asked_again(place: Place) -> None:
    place.learnt(0.7)
    place.compare()
    before = len(place.stub.requests())
    done = place.compare()
    assert done.exit_code == 0, done.stderr
    assert "6 were there before" in done.stderr
    assert len(place.stub.requests()) == before


def test_answers_that_were_cut_at_another_length_are_not_compared_with(place: Place) -> None:
    for options, new, known in (
        (("--max-tokens", "96"), 6, 0),
        ((), 6, 0),
        (("--max-tokens", "96"), 0, 6),
        (("--max-tokens", "99999"), 0, 6),
    ):
        done = place.compare(*options)
        assert done.exit_code == 0, done.stderr
        for name in ("Student", place.stub.entry("words-20")["name"]):
            assert f"{name}: {new} answers are new, {known} were there before" in done.stderr, options


def test_a_judge_that_is_the_base_is_told_of_however_short_answers_may_be(place: Place) -> None:
    done = place.compare("--max-tokens", "9", "--retries", "0", judge="words-20")
    assert "judges its own answers (words-20)" in done.stderr


def test_a_student_that_the_judge_finds_worse_was_not_helped(
    tmp_path: Path, stub: JudgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Place(tmp_path, stub, "words-5", monkeypatch).compare("--questions", "12")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Teaching Student did not help: the judge finds it worse, the held-out loss is not")
    assert "There are no held-out losses in" in done.stderr


@pytest.mark.parametrize(
    ("judge", "said"), [("judge-first", "the judge is useless"), ("judge-nonsense", "the judge gave no verdict")]
)
def test_of_a_judge_that_says_nothing_and_a_loss_that_fell_nobody_knows_whether_it_helped(
    place: Place, judge: str, said: str
) -> None:
    place.learnt(0.7)
    done = place.compare("--questions", "12", judge=judge)
    assert done.exit_code == 0, done.stderr
    assert place.told()["helped"] is None
    assert done.stdout.startswith(
        "Student answers more like its teacher; whether that is better can't be told: " + said
    )


def test_losses_are_read_of_the_training_that_is_named(place: Place) -> None:
    place.learnt(0.7)
    run = place.folder / "run"
    run.mkdir()
    write_held_out(run, {"before": LOSSES, "after": [Loss(one.id, one.tokens, one.nats * 2) for one in LOSSES]})
    done = place.compare("--run", str(run))
    assert done.exit_code == 0, done.stderr
    assert place.told()["held_out"]["ratio"] == pytest.approx(2.0)
    assert place.told()["helped"] is None


def test_what_a_training_went_on_from_is_named(place: Place) -> None:
    trained(place.home, start=Start("run-1", "e" * 64))
    done = place.compare()
    assert done.exit_code == 0, done.stderr
    assert "The loss before is not the base's but that of run-1" in done.stdout


def test_too_few_held_out_conversations_leave_it_to_the_judge(place: Place) -> None:
    place.home.mkdir(parents=True)
    write_held_out(place.home, {"before": LOSSES[:4], "after": LOSSES[:4]})
    done = place.compare()
    assert done.exit_code == 0, done.stderr
    assert "here 4, no interval can be told; hold out more when cleaning. The judge alone says" in done.stderr
    assert (place.told()["helped"], place.told()["held_out"]) == (True, None)


def test_a_base_that_is_served_in_another_way_is_told_of(place: Place) -> None:
    done = place.compare("--base", "words-30")
    assert "Beware: student and words-30 differ in quantization and context" in done.stderr
    assert place.told()["base"] == "words-30"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--base", "student"), "student can't be compared with itself"),
        (("--base", "nobody"), "There is no model of the catalogue 'nobody'"),
        (("--run", "nowhere"), "nowhere has no held-out losses"),
    ],
)
def test_what_can_t_be_compared_is_refused_before_anybody_is_asked(
    place: Place, options: tuple[str, ...], said: str
) -> None:
    before = len(place.stub.requests())
    done = place.compare(*options)
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(place.stub.requests()) == before


def test_who_was_taught_from_nobody_needs_a_base(place: Place) -> None:
    done = CliRunner().invoke(app, ["distill", "compare", "words-30", "--judge", "judge-length"])
    assert done.exit_code == 1
    assert "words-30 names no base that is in the catalogue; say what it is compared with by --base." in done.stderr
