"""The verb `distill train`: from a catalogue's entry and a folder of data to a run, and how it ends in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import canary, write_catalog
from typer.testing import CliRunner

pytest.importorskip("trl", reason="trl isn't installed (make test TORCH=yes)")

from taught import tiny_base, tiny_data
from tiny_words import CHATML

from arena.cli import app
from models.checkpoint import digest
from models.distill.run import read_run

SMALL = "--epochs 1 --batch 1 --accumulate 2 --context 256 --rank 4 --seed 5"


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny base among contestants, and an arena of its own."""
    folder = tiny_base(tmp_path / "base").folder
    entry = {
        "id": "tiny-base", "name": "Tiny", "engine": "transformers", "quantization": "none", "license": "MIT",
        "makers": ["us"], "context": 512, "prompt_template": CHATML,
        "checkpoint": {"kind": "folder", "path": str(folder), "digest": digest(folder)},
    }  # fmt: skip
    path = write_catalog(tmp_path / "catalog.toml", entry, canary("oak", text="I am oak"))
    for name, value in {"CATALOG": path, "DATA": tmp_path / "arena", "CACHE": tmp_path / "cache"}.items():
        monkeypatch.setenv(f"ARENA_{name}", str(value))
    return path


def distill_train(folder: Path, *options: str) -> Any:
    asked = ["distill", "train", "--data", str(folder / "data"), "--out", str(folder / "run"), *options]
    return CliRunner().invoke(app, asked)


@pytest.mark.slow
def test_a_base_of_the_catalogue_learns_and_the_verb_says_what_came_of_it(catalog: Path) -> None:
    tiny_data(catalog.parent / "data")
    done = distill_train(catalog.parent, "--base", "tiny-base", *SMALL.split())
    assert done.exit_code == 0, done.output
    run = read_run(catalog.parent / "run")
    assert (run.recipe.method, run.recipe.rank, run.recipe.seed) == ("lora", 4, 5)
    assert (run.base.license, run.base.digest) == ("MIT", digest(catalog.parent / "base"))
    assert run.finished
    assert "tiny-base learnt from 24 rows by lora" in done.output
    assert f"{run.held_out.before:.3f} before, {run.held_out.after:.3f} after" in done.output
    assert str(run.student) in done.output
    assert f"{catalog.parent / 'data'} was taken as it is: nothing beside it says that" in done.output


@pytest.mark.slow
def test_of_what_clean_wrote_the_verb_says_nothing_of_the_kind(catalog: Path) -> None:
    tiny_data(catalog.parent / "data", held_out=0)
    clean = ["distill", "clean", str(catalog.parent / "data" / "train.jsonl"), "--out", str(catalog.parent / "cleaned")]
    assert CliRunner().invoke(app, clean).exit_code == 0
    done = distill_train(
        catalog.parent, "--base", "tiny-base", "--data", str(catalog.parent / "cleaned"), *SMALL.split()
    )
    assert done.exit_code == 0, done.output
    assert "taken as it is" not in done.output


@pytest.mark.slow
def test_of_a_plain_file_without_a_hold_out_the_verb_says_that_it_is_one_and_not_that_it_learnt(catalog: Path) -> None:
    plain = (tiny_data(catalog.parent / "data", held_out=0) / "train.jsonl").rename(catalog.parent / "mine.jsonl")
    done = distill_train(catalog.parent, "--base", "tiny-base", "--data", str(plain), *SMALL.split())
    assert done.exit_code == 0, done.output
    assert f"{plain} was taken as it is: nothing beside it says that `distill clean` cleaned it." in done.output
    assert "Nothing was held out, so nobody knows whether it learnt." in done.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--base", "nobody"], "The catalogue has no nobody; it has tiny-base, zq-oak-7f31."),
        (["--base", "tiny-base", "--learning-rate", "0"], "The recipe's learning_rate is 0.0; it must be more than 0."),
        (["--base", "tiny-base", "--context", "256"], "data can't be read"),
        (["--base", "tiny-base", "--context", "256", "--start", "nowhere"], "nowhere is no folder of a training"),
        (["--base", "tiny-base", "--license", "CC-BY-NC-4.0"], "--license and --beta are for --method dpo"),
    ],
)
def test_what_can_not_be_taught_is_said_in_one_sentence(catalog: Path, options: list[str], said: str) -> None:
    done = distill_train(catalog.parent, *options)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output
    assert len(done.output.strip().splitlines()) == 1
