from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from test_wording import bytewise
from tiny_models import VOCABULARY, llama, logits, of_family, torch

from models.chat import Done, Failed, Sampling
from models.local.answering import Answering
from models.local.batch import Batch, _Reading
from models.local.sampler import Chance
from models.local.timeline import Timeline
from models.local.wording import Wording

PATIENCE = 60.0
CPU = torch.device("cpu")


@dataclass
class Arithmetic:
    """A forward that needs no weights: the next token is the last one plus one. Counts, waits and fails as told."""

    calls: list[tuple[int, int]] = field(default_factory=list)
    before: Callable[[int], None] = lambda _number: None

    def __call__(self, tokens: Any, timeline: Timeline) -> Any:
        self.calls.append(tuple(tokens.shape))
        self.before(len(self.calls))
        timeline.advance(tokens.shape[1])
        return torch.nn.functional.one_hot((tokens[:, -1] + 1) % VOCABULARY, VOCABULARY).float()


def waits_at(number: int, go_on: threading.Event) -> Callable[[int], None]:
    def before(call: int) -> None:
        if call == number:
            go_on.wait(PATIENCE)

    return before


def batch(forward: Any, layers: int = 0, prompt_tokens: int = 8) -> Batch:
    made = Batch(forward, layers=layers, vocabulary=VOCABULARY, device=CPU, prompt_tokens=prompt_tokens)
    made.start()
    return made


def through(model: Any) -> Callable[[Any, Timeline], Any]:
    """A forward through a tiny model."""

    def forward(tokens: Any, timeline: Timeline) -> Any:
        query = tokens.shape[1]
        said = model(
            input_ids=tokens, attention_mask=timeline.mask(query, CPU), position_ids=timeline.positions(query, CPU),
            past_key_values=timeline, logits_to_keep=1,
        )  # fmt: skip
        timeline.advance(query)
        return said.logits[:, -1]

    return forward


@dataclass
class Asked:
    """A request in a thread of its own; `pieces` is what it was told so far."""

    at: Batch
    prompt: list[int]
    limit: int = 5
    ends: frozenset[int] = frozenset()
    stops: tuple[str, ...] = ()
    told: Callable[[str], None] = lambda _text: None

    def __post_init__(self) -> None:
        self.pieces: list[str] = []
        self.end: Done | Failed | None = None
        self.gone = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        def emit(text: str) -> None:
            self.pieces.append(text)
            self.told(text)

        chance, wording = Chance(Sampling(temperature=0), 0, self.prompt), Wording(bytewise(), self.stops)
        request = Answering(self.prompt, self.limit, self.ends, chance, wording, emit, self.gone.is_set)
        self.end = self.at.answer(request)

    def wait(self) -> Done | Failed | None:
        self.thread.join(PATIENCE)
        return self.end


def test_an_answer_ends_by_its_length_and_tells_what_it_took() -> None:
    end = Asked(batch(Arithmetic()), [40, 41, 42], limit=4).wait()
    assert end == Done("length", 4)
    assert isinstance(end, Done)
    assert end.prompt_tokens == 3


def test_an_end_token_and_a_stop_string_end_it_too() -> None:
    at = batch(Arithmetic())
    by_token = Asked(at, [40], ends=frozenset([43]), limit=50)
    assert by_token.wait() == Done("stop", 3)
    by_words = Asked(at, [40], stops=(bytewise().decode([44, 45]),), limit=50)
    assert by_words.wait() == Done("stop", 5)
    assert "".join(by_words.pieces) == bytewise().decode([41, 42, 43])


def test_real_attention_gives_everyone_the_answer_of_plain_generate() -> None:
    model, rng = llama(), Random(3)
    prompts = [[rng.randrange(3, VOCABULARY) for _ in range(rng.randint(1, 40))] for _ in range(12)]

    at = batch(through(model), layers=3, prompt_tokens=16)
    told: dict[int, list[int]] = {}

    def ask(number: int) -> None:
        prompt, ids = prompts[number], told.setdefault(number, [])

        class Ids(Wording):
            def take(self, token: int) -> str:
                ids.append(token)
                return ""

        chance = Chance(Sampling(temperature=0), 0, prompt)
        ends = frozenset([1])
        at.answer(Answering(prompt, 20, ends, chance, Ids(bytewise(), ()), lambda _text: None, lambda: False))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(prompts))]
    for thread in threads:
        thread.start()
        thread.join(0.01)  # some come while others are answered
    for thread in threads:
        thread.join(PATIENCE)
    for number, prompt in enumerate(prompts):
        ids = torch.tensor([prompt])
        made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20)
        alone = made[0, len(prompt) :].tolist()
        assert told[number] == [token for token in alone if token != 1]


def test_a_newcomer_joins_at_once_and_all_go_on_together() -> None:
    go_on = threading.Event()
    forward = Arithmetic(before=waits_at(5, go_on))
    at = batch(forward)
    first = Asked(at, [10], limit=30)
    while len(forward.calls) < 5:
        threading.Event().wait(0.001)
    second = Asked(at, [20, 21], limit=5)
    while not at._waiting:
        threading.Event().wait(0.001)
    go_on.set()
    assert (first.wait(), second.wait()) == (Done("length", 30), Done("length", 5))
    assert forward.calls[5:11] == [(1, 2), *[(2, 1)] * 4, (1, 1)], "read, four steps together, then alone"


def test_a_long_prompt_is_read_in_pieces_between_the_steps_of_others() -> None:
    forward = Arithmetic()
    at = batch(forward, prompt_tokens=8)
    long: list[Asked] = []

    def told(_text: str) -> None:
        if not long:
            long.append(Asked(at, [7] * 40, limit=1))
            while not at._waiting:
                threading.Event().wait(0.001)

    Asked(at, [10], limit=12, told=told).wait()
    assert long[0].wait() == Done("length", 1)
    pieces = [number for number, shape in enumerate(forward.calls) if shape == (1, 8)]
    assert len(pieces) == 5
    assert all(forward.calls[number + 1] == (1, 1) for number in pieces[:-1]), "a step after each piece"


def test_short_prompts_are_read_together() -> None:
    go_on = threading.Event()
    forward = Arithmetic(before=waits_at(1, go_on))
    at = batch(forward, prompt_tokens=8)
    asked = [Asked(at, [1, 2])]
    while not forward.calls:
        threading.Event().wait(0.001)
    asked += [Asked(at, [number] * 2) for number in range(3, 7)]
    while len(at._waiting) < 4:
        threading.Event().wait(0.001)
    go_on.set()
    assert all(one.wait() == Done("length", 5) for one in asked)
    assert (4, 2) in forward.calls


@pytest.mark.parametrize("when", ["running", "reading", "waiting"])
def test_whoever_leaves_is_out_at_the_next_step_and_nobody_else_notices(when: str) -> None:
    hold, held = threading.Event(), threading.Event()

    def before(number: int) -> None:
        if number == 3:
            held.set()
            hold.wait(PATIENCE)

    at = batch(Arithmetic(before=before), prompt_tokens=8)
    stays = Asked(at, [10], limit=40)
    leaves = Asked(at, [20] * (80 if when == "reading" else 1), limit=10**6) if when != "waiting" else None
    held.wait(PATIENCE)
    leaves = leaves or Asked(at, [20], limit=10**6)
    leaves.gone.set()
    hold.set()
    assert leaves.wait() == Failed("cancelled")
    assert stays.wait() == Done("length", 40)
    for _ in range(1000):  # the last one is told before the loop cleans up behind it
        if not at._running:
            break
        threading.Event().wait(0.01)
    assert not at._running
    assert at._timeline.rows == 0


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no more"), RuntimeError("[...] can't allocate memory: 9")])
def test_out_of_memory_fails_those_inside_and_the_next_one_is_answered(error: RuntimeError) -> None:
    forward = Arithmetic()

    def before(number: int) -> None:
        if number == 4:
            raise error

    forward.before = before
    at = batch(forward)
    end = Asked(at, [10], limit=20).wait()
    assert isinstance(end, Failed)
    assert "out of memory" in end.detail
    assert Asked(at, [10], limit=5).wait() == Done("length", 5)


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("models.local.batch._Reading", _Reading),
        ("models.local.timeline.Timeline.adopt", Timeline.adopt),
        ("models.local.batch.Batch._hand_out", Batch._hand_out),
    ],
)
def test_out_of_memory_while_newcomers_join_leaves_nobody_waiting(
    place: str, right: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = batch(Arithmetic())
    Asked(at, [10]).wait()
    failing = [torch.OutOfMemoryError("no more")]

    def once(*arguments: Any, **named: Any) -> Any:
        if failing:
            raise failing.pop()
        return right(*arguments, **named)

    monkeypatch.setattr(place, once)
    end = Asked(at, [10]).wait()
    assert isinstance(end, Failed)
    assert "out of memory" in end.detail
    assert Asked(at, [10]).wait() == Done("length", 5)


def test_a_defect_in_one_answer_s_text_fails_that_answer_alone() -> None:
    class Bent(Wording):
        def take(self, token: int) -> str:
            raise ValueError("bent")

    at = batch(Arithmetic())
    other = Asked(at, [10], limit=30)
    chance = Chance(Sampling(temperature=0), 0, [5])
    request = Answering([5], 9, frozenset(), chance, Bent(bytewise(), ()), lambda _text: None, lambda: False)
    assert at.answer(request) == Failed("ValueError: bent")
    assert other.wait() == Done("length", 30)


def test_short_prompts_do_not_wait_for_the_end_of_a_long_one() -> None:
    forward = Arithmetic()
    hold = threading.Event()
    forward.before = waits_at(2, hold)
    at = batch(forward, prompt_tokens=8)
    long = Asked(at, [7] * 400, limit=1)
    while len(forward.calls) < 2:
        threading.Event().wait(0.001)
    short = Asked(at, [9], limit=1)
    while not at._waiting:
        threading.Event().wait(0.001)
    hold.set()
    assert short.wait() == Done("length", 1)
    assert long.wait() == Done("length", 1)
    assert forward.calls.index((1, 1)) < 6


def test_leaving_while_a_group_is_read_harms_nobody_in_it() -> None:
    hold, forward = threading.Event(), Arithmetic()
    forward.before = waits_at(1, hold)
    at = batch(forward, prompt_tokens=64)
    first = Asked(at, [1], limit=3)
    while not forward.calls:
        threading.Event().wait(0.001)
    group = [Asked(at, [number] * 5, limit=3) for number in range(20, 24)]
    while len(at._waiting) < 4:
        threading.Event().wait(0.001)
    taken = at._gather

    def gather_then_leave() -> None:
        taken()
        group[0].gone.set()

    at._gather = gather_then_leave  # type: ignore[method-assign]
    hold.set()
    assert [one.wait() for one in group] == [Failed("cancelled"), *[Done("length", 3)] * 3]
    assert first.wait() == Done("length", 3)


def test_what_was_read_is_given_back_at_once() -> None:
    """Not when Python happens to look for circles: on a GPU nobody would see that memory meanwhile."""
    gc.disable()
    try:
        model = llama()
        at = batch(through(model), layers=3, prompt_tokens=64)
        for number in range(10):
            Asked(at, [number + 3] * 30, limit=2).wait()
        kept = [one for one in gc.get_objects() if type(one) is Timeline]
        assert len(kept) > 5, "there is something to look at"
        assert not any(layer.is_initialized for timeline in kept for layer in timeline.layers)
    finally:
        gc.enable()


CRASH = """
import sys, threading
sys.path[:0] = ["tests", "."]
from test_batch import Arithmetic, Asked, batch
def before(number):
    raise ValueError("an illegal address")
Asked(batch(Arithmetic(before=before)), [10])
threading.Event().wait(60)
"""


@pytest.mark.slow
def test_a_defect_in_the_loop_ends_the_process_instead_of_hanging_everyone() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=PATIENCE, check=False,
        cwd=__file__.rsplit("/", 2)[0],
    )  # fmt: skip
    assert run.returncode == 1
    assert "an illegal address" in run.stderr


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("Granite", {}),
        ("Llama", {}),
        ("Olmo2", {}),
        ("Phi3", {"partial_rotary_factor": 0.75, "original_max_position_embeddings": 256}),
        ("Qwen2", {}),
        ("Qwen3", {}),
    ],
)
def test_the_families_of_the_line_ups_answer_in_a_batch_as_they_do_alone(family: str, more: dict[str, Any]) -> None:
    model = of_family(family, **more)
    at = batch(through(model), layers=3)
    prompts = [[5, 9, 30], [7] * 11, [60, 3, 88, 21, 4]]
    asked = [Asked(at, prompt, limit=8) for prompt in prompts]
    for request, prompt in zip(asked, prompts, strict=True):
        assert request.wait() == Done("length", 8)
        ids = list(prompt)
        for _ in range(8):
            ids.append(int(logits(model, ids).argmax()))
        assert "".join(request.pieces) == bytewise().decode(ids[len(prompt) :])
