"""The record of a training is read as it was written, or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.distill.conversation import Origin
from models.distill.held_out import Loss
from models.distill.problem import DistillProblem
from models.distill.recipe import CPU_TINY, GPU, Recipe
from models.distill.run import (
    BaseUsed,
    DataUsed,
    HeldOut,
    Run,
    Spent,
    Start,
    read_held_out,
    read_run,
    write_held_out,
    write_run,
)

ORIGINS = (Origin("a", "gpt", "CC-BY-NC-4.0"), Origin())


def a_run(folder: Path, recipe: Recipe) -> Run:
    return Run(
        folder, BaseUsed("pony", "0" * 64, "MIT"), DataUsed("1" * 64, 7, ORIGINS), recipe, {"torch": "2"},
        Start("before", "2" * 64), Spent(1, 2, 3.0, 4.0, 1, "CPU", 5.0), HeldOut(2.0, 1.0), True,
    )  # fmt: skip


@pytest.mark.parametrize("recipe", [CPU_TINY, GPU, Recipe(method="full", epochs=1.5), Recipe(method="dpo")])
def test_what_was_written_is_read(tmp_path: Path, recipe: Recipe) -> None:
    run = a_run(tmp_path, recipe)
    write_run(run)
    assert read_run(tmp_path) == run
    assert run.student.name == ("model" if recipe.method == "full" else "adapter")


def test_held_out_losses_are_there_only_when_both_are(tmp_path: Path) -> None:
    with pytest.raises(DistillProblem, match="no held-out losses before and after"):
        read_held_out(tmp_path)
    write_held_out(tmp_path, {"before": [Loss("a", 3, 4.5)]})
    with pytest.raises(DistillProblem, match="no held-out losses before and after"):
        read_held_out(tmp_path)
    write_held_out(tmp_path, {"before": [Loss("a", 3, 4.5)], "after": [Loss("a", 3, 1.5)]})
    assert read_held_out(tmp_path) == ([Loss("a", 3, 4.5)], [Loss("a", 3, 1.5)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is no folder of a training"),
        ("{", "can't be read"),
        ("[]", "is no JSON object"),
        ('{"data": {"origins": []}}', "is no record of a training"),
    ],
)
def test_a_folder_without_a_record_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(DistillProblem, match=said):
        read_run(tmp_path)


def test_a_recipe_of_another_version_is_named(tmp_path: Path) -> None:
    write_run(a_run(tmp_path, CPU_TINY))
    told = json.loads((tmp_path / "run.json").read_text())
    told["recipe"]["moon"] = 1
    (tmp_path / "run.json").write_text(json.dumps(told))
    with pytest.raises(DistillProblem, match=r"the recipe's moon is unknown"):
        read_run(tmp_path)
