"""A student is trained on a tiny base: what is written, what is refused, and that a kill changes nothing."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import REPO

pytest.importorskip("trl", reason="trl isn't installed (make test TORCH=yes)")

from taught import conversations, losses_of, quick, taught, tiny_base, tiny_data

from models.adapter import digest as adapter_digest
from models.distill.files import write_conversations
from models.distill.held_out import mean
from models.distill.loading import settle
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.run import read_held_out, read_run
from models.distill.template import Encoder
from models.distill.training import Lesson, train

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
ADAPTER = "adapter/adapter_model.safetensors"


@pytest.mark.slow
def test_a_run_tells_what_was_taught_with_what_and_what_it_took(tmp_path: Path) -> None:
    run = taught(tmp_path, quick())
    assert read_run(tmp_path / "run") == run
    assert run.finished
    assert (run.data.rows, run.base.id) == (24, "tiny-base")
    assert [origin.teacher for origin in run.data.origins] == ["tiny-teacher"]
    # two passes over every row, no token of padding among them
    encoder = Encoder(tmp_path / "base", tiny_base(tmp_path / "base").template)
    rows = [encoder.encode(one) for one in conversations(24)]
    assert run.spent.tokens == 2 * sum(len(row.ids) for row in rows)
    assert run.spent.counted_tokens == 2 * sum(sum(row.counts) for row in rows)
    assert run.spent.flops > 0
    assert run.spent.joules is None
    before, after = read_held_out(run.folder)
    assert (run.held_out.before, run.held_out.after) == (mean(before), mean(after))
    assert mean(after) < mean(before)
    made = {path.name for path in run.folder.iterdir()}
    assert made == {"adapter", "held_out.json", "log.jsonl", "loss.png", "loss.svg", "run.json", ".lock"}
    assert {path.name for path in run.student.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert run.digest == adapter_digest(run.student)
    assert json.loads((run.student / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny-base"


@pytest.mark.slow
def test_the_loss_of_a_step_is_the_mean_over_its_counted_tokens(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from models.distill.held_out import losses

    rows = 9
    tiny_data(tmp_path / "data", rows)
    run = taught(tmp_path, quick(max_steps=1, dropout=0.0, batch=2, accumulate=9))
    base = tiny_base(tmp_path / "base")
    encoder = Encoder(base.folder, base.template)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32)
    alone = losses(model, [encoder.encode(one) for one in conversations(rows)], "cpu")
    assert losses_of(run.folder) == [pytest.approx(mean(alone), rel=1e-4)]


@pytest.mark.slow
def test_without_packing_every_conversation_is_a_sequence_of_its_own(tmp_path: Path) -> None:
    packed = taught(tmp_path, quick(max_steps=1, dropout=0.0, batch=12, accumulate=2))
    alone = taught(tmp_path, quick(max_steps=1, dropout=0.0, batch=12, accumulate=2, packing=False), out=tmp_path / "b")
    assert alone.spent.counted_tokens == packed.spent.counted_tokens
    assert losses_of(alone.folder) == [pytest.approx(losses_of(packed.folder)[0], rel=1e-4)]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_student_and_another_seed_another(tmp_path: Path) -> None:
    same = [taught(tmp_path, quick(), out=tmp_path / name) for name in ("one", "two")]
    other = taught(tmp_path, quick(seed=4), out=tmp_path / "three")
    one, two, three = ((run.folder / ADAPTER).read_bytes() for run in (*same, other))
    assert one == two != three


@pytest.mark.slow
def test_a_run_killed_between_checkpoints_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"epochs": 10.0, "checkpoint_steps": 3}
    whole = trained_apart(tmp_path / "whole", recipe)
    killed = tmp_path / "killed"
    begun = start_apart(killed, recipe)
    wait_for(lambda: len(list(killed.glob("run/checkpoints/*/whole.json"))) >= 1, begun)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    assert not read_run(killed / "run").finished
    (killed / "run" / "log.jsonl").open("a").write('{"step": 99, "lo')  # a line that a kill cut off
    half = killed / "run" / "checkpoints" / "checkpoint-999"
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")

    done = trained_apart(killed, recipe)

    assert (done / ADAPTER).read_bytes() == (whole / ADAPTER).read_bytes()
    assert losses_of(done) == losses_of(whole)
    assert (done / "held_out.json").read_text() == (whole / "held_out.json").read_text()
    one, other = read_run(done).spent, read_run(whole).spent
    assert (one.tokens, one.counted_tokens, one.flops) == (other.tokens, other.counted_tokens, other.flops)


@pytest.mark.slow
def test_a_run_that_is_finished_is_found_so(tmp_path: Path) -> None:
    run = taught(tmp_path, quick())
    written = (run.folder / "run.json").stat().st_mtime_ns
    assert taught(tmp_path, quick()) == run
    assert (run.folder / "run.json").stat().st_mtime_ns == written


@pytest.mark.slow
def test_a_kill_after_the_last_step_leaves_only_the_measuring_to_do(tmp_path: Path) -> None:
    run = taught(tmp_path, quick(), out=tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("models.distill.training.settle", stopped)
        with pytest.raises(KeyboardInterrupt):
            taught(tmp_path, quick())
    done = taught(tmp_path, quick())
    assert (done.folder / ADAPTER).read_bytes() == (run.folder / ADAPTER).read_bytes()
    assert done.held_out == run.held_out


@pytest.mark.slow
def test_other_conversations_held_out_after_than_before_are_refused(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("models.distill.training.settle", stopped)
        with pytest.raises(KeyboardInterrupt):
            taught(tmp_path, quick())
    write_conversations(tmp_path / "data" / "held_out.jsonl", conversations(4, "changed"))
    with pytest.raises(DistillProblem, match=r"put the former held_out\.jsonl back"):
        taught(tmp_path, quick())
    assert not read_run(tmp_path / "run").finished


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "named"),
    [("recipe", "another recipe (seed 3, now 4)"), ("data", "another data (train"), ("base", "another base (digest")],
)
def test_going_on_with_something_else_is_refused(tmp_path: Path, changed: str, named: str) -> None:
    taught(tmp_path, quick())
    before = (tmp_path / "run" / ADAPTER).read_bytes()
    base, recipe = tiny_base(tmp_path / "base"), quick()
    if changed == "recipe":
        recipe = quick(seed=4)
    elif changed == "data":
        write_conversations(tmp_path / "data" / "train.jsonl", conversations(25))
    else:
        base = type(base)(base.spec, base.folder, base.template, "1" * 64)
    with pytest.raises(DistillProblem) as refused:
        train(Lesson(base, tmp_path / "data", tmp_path / "run", recipe), lambda what, share: None)
    assert named in str(refused.value)
    assert (tmp_path / "run" / ADAPTER).read_bytes() == before


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_at_once_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    from trl import SFTTrainer

    honest = SFTTrainer.compute_loss

    def poisoned(self: Any, *given: Any, **named: Any) -> Any:
        loss = honest(self, *given, **named)
        return loss * float("nan") if self.state.global_step == 3 else loss

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SFTTrainer, "compute_loss", poisoned)
        with pytest.raises(
            DistillProblem, match=r"loss became nan at step 4.*kept in .*checkpoint-2\. .*learning-rate"
        ):
            taught(tmp_path, quick())
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["checkpoint-2"]
    assert not read_run(tmp_path / "run").finished
    assert not (tmp_path / "run" / "adapter").exists()


@pytest.mark.slow
def test_no_space_left_at_a_checkpoint_keeps_the_one_before_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    from trl import SFTTrainer

    honest = SFTTrainer._save_checkpoint

    def on_a_small_disk(self: Any, model: Any, trial: Any) -> None:
        small = self.state.global_step == 4
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000 if small else soft, hard))
        try:
            honest(self, model, trial)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SFTTrainer, "_save_checkpoint", on_a_small_disk)
        with pytest.raises(DistillProblem, match=r"checkpoint of step 4 can't be written.*step 2 is kept.*Make room"):
            taught(tmp_path, quick())
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["checkpoint-2"]
    gone_on, undisturbed = taught(tmp_path, quick()), taught(tmp_path, quick(), out=tmp_path / "other")
    assert (gone_on.folder / ADAPTER).read_bytes() == (undisturbed.folder / ADAPTER).read_bytes()


def test_two_trainings_never_share_a_folder(tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"), pytest.raises(DistillProblem, match="being trained by another process"):
        taught(tmp_path, quick())


@pytest.mark.parametrize(
    ("rows", "recipe", "said"),
    [
        (0, {}, "train.jsonl is empty"),
        (4, {"context": 20}, "has 54 tokens and the context holds 20"),
        (4, {"context": 4096}, "reads 512 tokens at most and --context is 4096"),
        (4, {"method": "dpo"}, "line 1: method dpo learns from preferences"),
    ],
)
def test_data_that_can_not_be_used_is_told_in_a_sentence(
    tmp_path: Path, rows: int, recipe: dict[str, Any], said: str
) -> None:
    tiny_data(tmp_path / "data", rows, held_out=0)
    with pytest.raises(DistillProblem) as refused:
        taught(tmp_path, quick(**recipe))
    assert said in str(refused.value)


def test_the_student_is_on_the_disk_before_the_run_is_finished(tmp_path: Path) -> None:
    synced: list[str] = []
    honest = os.fsync

    def told(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        honest(descriptor)

    (tmp_path / "checkpoint").mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (tmp_path / "checkpoint" / name).write_text("{}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", told)
        settle(tmp_path / "checkpoint", tmp_path / "adapter", quick(), "base")
    assert {"adapter_model.safetensors", "adapter_config.json"} <= set(synced)


@pytest.mark.slow
def test_an_adapter_that_is_not_what_its_run_left_is_not_gone_on_from(tmp_path: Path) -> None:
    first = taught(tmp_path, quick(max_steps=1))
    (first.folder / ADAPTER).write_bytes(b"")
    with pytest.raises(DistillProblem, match="is not what was trained"):
        taught(tmp_path, quick(), out=tmp_path / "second", start=first.folder)


def test_a_gpu_without_memory_for_it_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from trl import SFTTrainer

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(SFTTrainer, "compute_loss", full)
    with pytest.raises(DistillProblem, match=r"does not hold this training.* --batch .* --context.*qlora"):
        taught(tmp_path, quick())


def test_what_is_learnt_can_not_be_held_out_too(tmp_path: Path) -> None:
    write_conversations(
        tiny_data(tmp_path / "data") / "held_out.jsonl", [*conversations(2, "other"), conversations(9)[8]]
    )
    with pytest.raises(DistillProblem, match=r"held_out\.jsonl, line 3 is a row to train on too"):
        taught(tmp_path, quick())


@pytest.mark.slow
def test_all_weights_can_be_trained_and_make_a_model_that_needs_no_base(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from models.distill.held_out import losses

    run = taught(tmp_path, quick(method="full", learning_rate=1e-3))
    assert run.student.name == "model"
    base = tiny_base(tmp_path / "base")
    shutil.move(base.folder, tmp_path / "elsewhere")
    model = AutoModelForCausalLM.from_pretrained(run.student)
    assert AutoTokenizer.from_pretrained(run.student)("Ahoy").input_ids
    held_out = [Encoder(run.student, base.template).encode(one) for one in conversations(4, "other")]
    assert mean(losses(model, held_out, "cpu")) == pytest.approx(run.held_out.after, rel=1e-5)


@pytest.mark.slow
def test_an_adapter_beside_a_base_in_four_bits_learns_too(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    run = taught(tmp_path, quick(method="qlora", epochs=3.0))
    assert run.recipe.nf4
    assert run.held_out.before is not None
    assert run.held_out.after is not None
    assert run.held_out.after < run.held_out.before
    assert {one.dtype for one in load_file(run.folder / ADAPTER).values()} == {torch.float32}


@pytest.mark.slow
def test_checkpointed_gradients_are_the_same_gradients(tmp_path: Path) -> None:
    plain = taught(tmp_path, quick(max_steps=2, dropout=0.0))
    again = taught(tmp_path, quick(max_steps=2, dropout=0.0, gradient_checkpointing=True), out=tmp_path / "again")
    assert losses_of(again.folder) == pytest.approx(losses_of(plain.folder), rel=1e-5)
    assert again.spent.flops > plain.spent.flops


@pytest.mark.slow
def test_a_run_can_go_on_from_the_adapter_of_another(tmp_path: Path) -> None:
    first = taught(tmp_path, quick())
    write_conversations(tmp_path / "more" / "train.jsonl", conversations(24, "more"))
    write_conversations(tmp_path / "more" / "held_out.jsonl", conversations(4, "other"))
    second = taught(tmp_path, quick(rank=2), data=tmp_path / "more", out=tmp_path / "second", start=first.folder)
    assert second.held_out.before == pytest.approx(first.held_out.after, rel=1e-5)
    assert second.recipe.rank == first.recipe.rank
    assert second.start is not None
    assert second.start.run == "run"
    with pytest.raises(DistillProblem, match="was made by lora"):
        taught(tmp_path, quick(method="qlora"), out=tmp_path / "third", start=first.folder)


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def start_apart(folder: Path, recipe: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Train in a process of its own, which can be killed."""
    environment = {**os.environ, "PYTHONPATH": f"{REPO}:{REPO / 'tests'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(REPO / "tests" / "taught.py"), str(folder), json.dumps(recipe)]
    return subprocess.Popen(command, env=environment, cwd=REPO, stderr=subprocess.DEVNULL, start_new_session=True)


def trained_apart(folder: Path, recipe: dict[str, Any]) -> Path:
    assert start_apart(folder, recipe).wait(timeout=300) == 0
    return folder / "run"


def wait_for(happened: Any, process: subprocess.Popen[bytes], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_recipe_of_numbers_that_no_training_can_use_is_refused() -> None:
    with pytest.raises(DistillProblem, match=r"recipe's learning_rate is 0\.0; it must be more than 0"):
        Recipe(learning_rate=0.0)
    with pytest.raises(DistillProblem, match=r"Method 'sft' is unknown"):
        Recipe(method="sft")  # type: ignore[arg-type]
