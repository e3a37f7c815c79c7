from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from tiny_models import VOCABULARY, gemma, llama, logits, torch

from models.local import timeline
from models.local.timeline import Timeline

pytestmark = pytest.mark.slow

KINDS = pytest.mark.parametrize("kind", [llama, gemma])


class Rows:
    """A batch kept by hand: a timeline, and beside it what each row's tokens are."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.layers = model.config.num_hidden_layers
        self.timeline = Timeline(self.layers)
        self.tokens: list[list[int]] = []

    def forward(self, at: Timeline, tokens: Any) -> Any:
        query = tokens.shape[1]
        with torch.inference_mode():
            said = self.model(
                input_ids=tokens, attention_mask=at.mask(query, tokens.device),
                position_ids=at.positions(query, tokens.device), past_key_values=at, logits_to_keep=1,
            )  # fmt: skip
        at.advance(query)
        return said.logits[:, -1]

    def join(self, prompts: list[list[int]], columns: int) -> None:
        length = max(map(len, prompts))
        group = Timeline(self.layers, [length - len(prompt) for prompt in prompts])
        group.prepare(length)
        padded = torch.tensor([[0] * (length - len(prompt)) + prompt for prompt in prompts])
        for begin in range(0, length, columns):
            said = self.forward(group, padded[:, begin : begin + columns])
        self.check(prompts, said)
        with torch.inference_mode():
            self.timeline.adopt(group)
        self.tokens += [list(prompt) for prompt in prompts]

    def step(self, new: list[int]) -> None:
        with torch.inference_mode():
            self.timeline.prepare(1)
        said = self.forward(self.timeline, torch.tensor(new)[:, None])
        for row, token in zip(self.tokens, new, strict=True):
            row.append(token)
        self.check(self.tokens, said)

    def leave(self, row: int) -> None:
        with torch.inference_mode():
            self.timeline.remove(row)
        self.tokens[row] = self.tokens[-1]
        self.tokens.pop()

    def check(self, tokens: list[list[int]], said: Any) -> None:
        for row, alone in enumerate(tokens):
            torch.testing.assert_close(said[row], logits(self.model, alone), atol=1e-9, rtol=1e-9)


@KINDS
@pytest.mark.parametrize("seed", range(4))
def test_whoever_comes_and_goes_every_row_is_answered_as_if_it_were_alone(
    kind: Callable[[], Any], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "COLUMNS", 8)
    monkeypatch.setattr(timeline, "ROWS", 2)
    rng, rows = Random(seed), Rows(kind())

    def some(most: int) -> list[int]:
        return [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(1, most))]

    for _ in range(40):
        what = rng.random()
        if what < 0.2 or not rows.tokens:
            rows.join([some(rng.choice([3, 30])) for _ in range(rng.randint(1, 3))], columns=rng.choice([1, 5, 64]))
        elif what < 0.35:
            rows.leave(rng.randrange(len(rows.tokens)))
        else:
            rows.step([rng.randrange(3, VOCABULARY) for _ in rows.tokens])


@KINDS
def test_rows_of_one_length_need_no_mask_and_get_the_same_answers(kind: Callable[[], Any]) -> None:
    rows = Rows(kind())
    rows.join([[5, 6, 7], [9, 8, 7]], columns=2)
    assert rows.timeline.mask(1, torch.device("cpu")) is None
    for token in range(10, 30):
        rows.step([token, token + 1])


def test_an_idle_model_holds_no_cache() -> None:
    rows = Rows(llama())
    rows.join([[5, 6, 7], [9]], columns=8)
    assert all(layer.keys is not None for layer in rows.timeline.layers)
    rows.leave(0)
    rows.leave(0)
    assert all(layer.keys is None for layer in rows.timeline.layers)
    rows.join([[4, 4]], columns=8)
    rows.step([5])


def test_a_step_moves_nothing_that_is_there_but_once_in_a_while() -> None:
    rows = Rows(llama())
    rows.join([[5] * 10, [6] * 3], columns=64)
    before = rows.timeline.layers[0].keys.data_ptr()
    for token in range(3, 60):
        rows.step([token, token])
    assert rows.timeline.layers[0].keys.data_ptr() == before
