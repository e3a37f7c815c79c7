"""The picture of a training: made of its log, the same for the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="matplotlib isn't installed (make test TORCH=yes)")

from models.distill.curve import draw, smoothed
from models.distill.files import write_rows
from models.distill.recipe import Recipe
from models.distill.run import BaseUsed, DataUsed, HeldOut, Run


def run_of(folder: Path, held_out: HeldOut) -> Run:
    write_rows(folder / "log.jsonl", ({"step": step, "loss": 5.0 / step} for step in range(1, 30)))
    return Run(folder, BaseUsed("tiny", "0", "MIT"), DataUsed("0", 1, ()), Recipe(), {}, held_out=held_out)


@pytest.mark.slow
def test_the_picture_shows_each_step_and_both_held_out_losses(tmp_path: Path) -> None:
    draw(run_of(tmp_path, HeldOut(3.25, 1.125)))
    svg = (tmp_path / "loss.svg").read_text(encoding="utf-8")
    assert all(text in svg for text in ("3.250", "1.125", "held out", "nats per token", "tiny, lora"))
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_same_log_gives_the_same_bytes(tmp_path: Path) -> None:
    pictures = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        draw(run_of(tmp_path / name, HeldOut(3.0)))
        pictures.append([(tmp_path / name / picture).read_bytes() for picture in ("loss.svg", "loss.png")])
    assert pictures[0] == pictures[1]


def test_without_held_out_losses_none_are_drawn(tmp_path: Path) -> None:
    draw(run_of(tmp_path, HeldOut()))
    assert "held out" not in (tmp_path / "loss.svg").read_text(encoding="utf-8")


def test_the_running_mean_is_fair_from_the_first_on() -> None:
    assert smoothed([4.0, 4.0, 4.0], half=20) == pytest.approx([4.0, 4.0, 4.0])
    means = smoothed([0.0, 1.0], half=1)
    assert means == pytest.approx([0.0, 2 / 3])
