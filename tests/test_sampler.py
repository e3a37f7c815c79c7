from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from tiny_models import torch

from models.chat import Sampling
from models.local.sampler import Chance, Sampler

CPU = torch.device("cpu")
WORDS = 50


def logits(rows: int, seed: int = 0, spread: float = 2.0) -> torch.Tensor:
    return torch.randn(rows, WORDS, generator=torch.Generator().manual_seed(seed)) * spread


def allowed(sampling: Sampling, prompt: list[int], at: torch.Tensor) -> torch.Tensor:
    """The probabilities by transformers' own rules, in `generate`'s order: what ours must be."""
    from transformers.generation import logits_process as rules

    chain = rules.LogitsProcessorList()
    if sampling.repeat_penalty != 1:
        chain.append(rules.RepetitionPenaltyLogitsProcessor(sampling.repeat_penalty))
    chain.append(rules.TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        chain.append(rules.TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        chain.append(rules.TopPLogitsWarper(sampling.top_p))
    return chain(torch.tensor([prompt]), at[None]).softmax(-1)[0]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.7, top_p=0.9, top_k=0),
        Sampling(temperature=1.3, top_p=1.0, top_k=7),
        Sampling(temperature=0.5, top_p=0.8, top_k=12, repeat_penalty=1.4),
        Sampling(temperature=1.0, top_p=1.0, top_k=0, repeat_penalty=0.8),
        Sampling(temperature=1.0, top_p=0.01, top_k=0),
    ],
)
def test_tokens_are_drawn_as_often_as_generate_would(sampling: Sampling) -> None:
    prompt, at, draws = [3, 4, 5, 5], logits(1)[0], 4000
    right = allowed(sampling, prompt, at)
    drawn: Counter[int] = Counter()
    rows = 500
    for batch in range(draws // rows):
        sampler = Sampler([Chance(sampling, batch * rows + row, prompt) for row in range(rows)], WORDS, CPU)
        drawn.update(sampler.draw(at.expand(rows, -1)).tolist())
    assert all(right[token] > 0 for token in drawn), "a token that generate would never draw"
    expected = right * draws
    common = expected > 5
    counts = torch.tensor([drawn[token] for token in range(WORDS)], dtype=torch.float)
    chi = ((counts - expected)[common] ** 2 / expected[common]).sum().item()
    # Far beyond the 99.9 % point for this many degrees of freedom (mean d, variance 2d).
    degrees = int(common.sum())
    assert chi < degrees + 5 * (2 * degrees) ** 0.5 + 5


def test_greedy_takes_the_best_after_the_penalty() -> None:
    at = torch.zeros(1, WORDS)
    at[0, 7], at[0, 8] = 2.0, 1.9
    assert Sampler([Chance(Sampling(temperature=0), 1, [])], WORDS, CPU).draw(at).tolist() == [7]
    assert Sampler([Chance(Sampling(temperature=0, repeat_penalty=1.2), 1, [7])], WORDS, CPU).draw(at).tolist() == [8]


def test_what_was_drawn_counts_as_seen() -> None:
    at = torch.zeros(1, WORDS)
    at[0, 7], at[0, 8] = 2.0, 1.9
    sampler = Sampler([Chance(Sampling(temperature=0, repeat_penalty=1.2), 1, [])], WORDS, CPU)
    assert [sampler.draw(at).item() for _ in range(3)] == [7, 8, 7]


def test_a_negative_logit_is_penalized_downwards() -> None:
    at = torch.full((1, WORDS), -9.0)
    at[0, 7], at[0, 8] = -1.0, -1.1
    assert Sampler([Chance(Sampling(temperature=0, repeat_penalty=1.2), 1, [7])], WORDS, CPU).draw(at).tolist() == [8]


RULES = [
    Sampling(temperature=0),
    Sampling(temperature=0.8, top_k=5),
    Sampling(temperature=1.2, top_p=0.7, top_k=0, repeat_penalty=1.3),
    Sampling(temperature=1.0, top_p=1.0, top_k=0),
]


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_that_come_and_go_change_nothing_of_what_is_drawn(seed: int) -> None:
    rng = Random(seed)
    steps = {number: logits(30, seed=number) for number in range(12)}
    alone: dict[int, list[int]] = {}
    for number, at in steps.items():
        sampler = Sampler([Chance(RULES[number % 4], number, [number])], WORDS, CPU)
        alone[number] = [int(sampler.draw(at[step : step + 1])) for step in range(30)]
    sampler, told = Sampler([], WORDS, CPU), {number: list[int]() for number in steps}
    rows: list[int] = []
    waiting = list(steps)
    while waiting or rows:
        if waiting and rng.random() < 0.3:
            count = rng.randint(1, 3)
            new, waiting = waiting[:count], waiting[count:]
            sampler.join(Sampler([Chance(RULES[number % 4], number, [number]) for number in new], WORDS, CPU))
            rows += new
        if not rows:
            continue
        drawn = sampler.draw(torch.stack([steps[number][len(told[number])] for number in rows])).tolist()
        for number, token in zip(rows, drawn, strict=True):
            told[number].append(token)
        for row in reversed(range(len(rows))):
            if len(told[rows[row]]) == 30 or rng.random() < 0.02:
                sampler.remove(row)
                rows[row] = rows[-1]
                rows.pop()
    for number, tokens in told.items():
        assert tokens == alone[number][: len(tokens)]
    assert sum(map(len, told.values())) > 100


def test_the_seed_decides() -> None:
    at = logits(1, spread=0.1)

    def drawn(seed: int) -> list[int]:
        sampler = Sampler([Chance(Sampling(temperature=1, top_p=1, top_k=0), seed, [])], WORDS, CPU)
        return [int(sampler.draw(at)) for _ in range(20)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_half_precision_is_enough_for_no_token_to_be_out_of_range() -> None:
    at = torch.full((1, WORDS), -40.0, dtype=torch.bfloat16)
    at[0, 3] = 40.0
    sampler = Sampler([Chance(Sampling(temperature=0.01, top_p=0.5, top_k=0), 1, [])], WORDS, CPU)
    assert {int(sampler.draw(at)) for _ in range(50)} == {3}
