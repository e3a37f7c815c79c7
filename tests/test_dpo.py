"""Learning from votes: what counts of a pair, and that the chosen answers become likelier than the rejected ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="trl isn't installed (make test TORCH=yes)")

from taught import quick, taught, tiny_base

from models.distill.dpo import PairCollator, preference_of
from models.distill.files import write_rows
from models.distill.problem import DistillProblem
from models.distill.template import Encoder


def preference(number: int, **changes: Any) -> dict[str, Any]:
    """As `arena export preferences` writes them."""
    row = {
        "prompt": [{"role": "user", "content": f"What is {number}?"}],
        "chosen": [{"role": "assistant", "content": f"Ahoy! It is {number}."}],
        "rejected": [{"role": "assistant", "content": f"{number} {number} {number}"}],
        "battle": f"{number:032x}", "model_chosen": "polite", "model_rejected": "rude", "outcome": "a",
        "category": "", "language": "en",
    }  # fmt: skip
    return {**row, **changes}


def votes(folder: Path, count: int = 16) -> Path:
    path = folder / "preferences.jsonl"
    write_rows(path, (preference(number) for number in range(count)))
    return path


@pytest.mark.slow
def test_a_student_learns_to_prefer_what_people_preferred(tmp_path: Path) -> None:
    run = taught(tmp_path, quick(method="dpo", epochs=4.0, batch=4, accumulate=1), data=votes(tmp_path), license="mine")
    steps = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # ln 2: as likely as the base has it
    assert steps[-1]["loss"] < 0.5
    assert steps[-1]["margin"] > steps[0]["margin"]
    assert {origin.teacher for origin in run.data.origins} == {"polite", "rude"}
    assert {origin.license for origin in run.data.origins} == {"mine"}
    assert {path.name for path in run.student.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert run.held_out.before is None


@pytest.mark.slow
def test_the_makers_of_trl_hear_of_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda topic, **_: heard.append(topic))
    monkeypatch.delenv("CI", raising=False)  # TRL is silent there
    taught(tmp_path, quick(max_steps=1))
    taught(tmp_path, quick(method="dpo", max_steps=1), data=votes(tmp_path), out=tmp_path / "second")
    assert not heard


@pytest.mark.slow
def test_preferences_refine_the_adapter_of_a_student_and_pull_back_to_it(tmp_path: Path) -> None:
    first = taught(tmp_path, quick())
    recipe = quick(method="dpo", epochs=1.0, batch=4, accumulate=1)
    second = taught(tmp_path, recipe, data=votes(tmp_path), out=tmp_path / "second", start=first.folder)
    steps = [json.loads(line) for line in (second.folder / "log.jsonl").read_text().splitlines()]
    # Against the bare base the first step would not be ln 2: the reference is the adapter it began with.
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert {origin.teacher for origin in second.data.origins} == {"polite", "rude", "tiny-teacher"}


@pytest.mark.slow
def test_a_run_of_preferences_goes_on_where_it_stopped(tmp_path: Path) -> None:
    recipe, data = quick(method="dpo", batch=4, accumulate=1, checkpoint_steps=3), votes(tmp_path)
    whole = taught(tmp_path, recipe, data=data, out=tmp_path / "whole")
    steps = 0

    def stopping(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps > 5:
            raise KeyboardInterrupt
        return honest(self, *given, **named)

    from models.distill.trainers import _Counted

    honest = _Counted.training_step
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_Counted, "training_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            taught(tmp_path, recipe, data=data)
    done = taught(tmp_path, recipe, data=data)
    name = "adapter_model.safetensors"
    assert (done.student / name).read_bytes() == (whole.student / name).read_bytes()


def test_only_what_the_student_says_counts_also_in_later_turns(tmp_path: Path) -> None:
    import torch

    base = tiny_base(tmp_path)
    encoder = Encoder(base.folder, base.template)
    more = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Who knows?"}]
    one = preference_of(preference(1), "here", "")
    two = preference_of(preference(2, chosen=[*preference(2)["chosen"], *more]), "here", "")
    rows = [
        {
            f"{side}_{what}": torch.tensor(getattr(encoder.encode(getattr(one_of, side)), what))
            for side in ("chosen", "rejected")
            for what in ("ids", "counts")
        }
        for one_of in (one, two)
    ]
    batch = PairCollator(0)(rows)
    said = [
        encoder.tokenizer.decode(ids[mask.bool()])
        for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True)
    ]
    assert said == [
        "Ahoy! It is 1.<|im_end|>", "Ahoy! It is 2.<|im_end|>Who knows?<|im_end|>",
        "1 1 1<|im_end|>", "2 2 2<|im_end|>",
    ]  # fmt: skip
    assert batch["tokens"] == int(batch["attention_mask"].sum()) < batch["input_ids"].numel()


def test_of_votes_no_personal_data_is_learnt() -> None:
    prompt = [{"role": "user", "content": "I am jane.doe@gmail.com"}]
    answer = [{"role": "assistant", "content": "Shall I call +49 30 1234567?"}]
    made = preference_of(preference(1, prompt=prompt, chosen=answer, rejected=answer), "here", "")
    for side in (made.chosen, made.rejected):
        assert [message.text for message in side.messages] == ["I am [email]", "Shall I call [telephone]?"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompt": "What?"}, "line 4: prompt is no list of messages"),
        ({"chosen": []}, "line 4: chosen is no list of messages"),
        ({"rejected": [{"role": "robot", "content": "I"}]}, "role 'robot' is unknown"),
    ],
)
def test_a_line_that_is_no_preference_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DistillProblem) as refused:
        preference_of(preference(1, **changes), "votes.jsonl, line 4", "")
    assert said in str(refused.value)
    assert "votes.jsonl, line 4" in str(refused.value)


def test_a_pair_that_the_context_does_not_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(DistillProblem, match=r"Conversation 0{32}-chosen has \d+ tokens and the context holds 30"):
        taught(tmp_path, quick(method="dpo", context=30), data=votes(tmp_path))
