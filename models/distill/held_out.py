"""What a model makes of conversations it did not learn from: nats per token of their answers, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from models.distill.problem import DistillProblem
from models.distill.template import Row

BLOCKS, BLOCK = 20, 500  # resamples of the bootstrap, made so many at a time
FEWEST = 5  # all of n go one way by chance in 2 / 2^n of cases, so that of fewer any interval is wrong too often


@dataclass(frozen=True)
class Loss:
    """The sum of -ln p over the counted tokens of one conversation."""

    id: str
    tokens: int
    nats: float


@dataclass(frozen=True)
class Change:
    """Mean losses in nats per token, `after` / `before`, and the 95 % interval of that ratio."""

    before: float
    after: float
    ratio: float
    low: float
    high: float


def losses(model: Any, rows: Sequence[Row], device: Any) -> list[Loss]:
    """The loss of every row that has counted tokens, each read alone; the model is left in the mode it was in.

    `model` is a causal model of transformers (with or without an adapter of peft) on the torch device `device`.
    """
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return [_loss(model, row, device) for row in rows if any(row.counts[1:])]
    finally:
        model.train(was_training)


def _loss(model: Any, row: Row, device: Any) -> Loss:
    import torch

    ids = torch.tensor([row.ids], device=device)
    counted = torch.tensor([place for place, counts in enumerate(row.counts) if counts and place], device=device)
    # The token at a place is foretold by the one before; of a large vocabulary only those logits are made.
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=counted - 1).logits[0]
    nats = torch.nn.functional.cross_entropy(logits.float(), ids[0, counted], reduction="sum")
    return Loss(row.id, len(counted), float(nats))


def mean(measured: Sequence[Loss]) -> float:
    """Nats per counted token over all conversations. Raises `DistillProblem` where there is none."""
    tokens = sum(loss.tokens for loss in measured)
    if not tokens:
        raise DistillProblem("No answer is held out, so there is no held-out loss; hold out more when cleaning.")
    return sum(loss.nats for loss in measured) / tokens


def change(before: Sequence[Loss], after: Sequence[Loss], seed: int = 0) -> Change:
    """How the mean loss changed, with a paired bootstrap over conversations (Efron and Tibshirani 1993, ch. 13).

    Plain percentiles are too narrow for few conversations; they are moved outwards as a t interval is wider than a
    normal one (T. Hesterberg, What teachers should know about the bootstrap, 2014, section 6.2).
    Raises `DistillProblem` where the two were not measured on the same tokens, or on fewer than `FEWEST` conversations.
    """
    if [(one.id, one.tokens) for one in before] != [(one.id, one.tokens) for one in after]:
        raise DistillProblem("The losses before and after are not of the same held-out tokens; measure both again.")
    if (n := len(before)) < FEWEST:
        raise DistillProblem(
            f"Of fewer than {FEWEST} held-out conversations, here {n}, no interval can be told; hold out more when "
            "cleaning."
        )
    first, second = mean(before), mean(after)
    nats = np.array([[one.nats for one in before], [one.nats for one in after]])
    rng, even = np.random.default_rng(seed), np.full(n, 1 / n)
    sums = np.concatenate([rng.multinomial(n, even, BLOCK) @ nats.T for _ in range(BLOCKS)])
    outwards = float(ndtr(-stdtrit(n - 1, 0.975) * np.sqrt(n / (n - 1))))
    low, high = np.quantile(sums[:, 1] / sums[:, 0], [outwards, 1 - outwards])
    return Change(first, second, second / first, float(low), float(high))
