from __future__ import annotations

import math
import random

import numpy as np
import pytest

from models.distill.held_out import Loss, change, losses, mean
from models.distill.packing import pack
from models.distill.problem import DistillProblem
from models.distill.template import Row


def measured(nats: list[float], tokens: int = 10) -> list[Loss]:
    return [Loss(f"c{n}", tokens, one) for n, one in enumerate(nats)]


def test_the_loss_of_a_row_is_the_sum_over_the_tokens_that_count_and_packs_have_the_same() -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
    import tiny_models

    model = tiny_models.gemma().double().train()
    rng = random.Random(3)
    rows = [
        Row(f"r{n}", [rng.randrange(3, 97) for _ in range(15)], [place > 6 and place != 9 for place in range(15)])
        for n in range(3)
    ]
    found = losses(model, rows, torch.device("cpu"))
    assert model.training
    assert [(loss.id, loss.tokens) for loss in found] == [("r0", 7), ("r1", 7), ("r2", 7)]
    model.eval()
    with torch.inference_mode():
        for row, loss in zip(rows, found, strict=True):
            spoken = model(input_ids=torch.tensor([row.ids])).logits[0].log_softmax(-1)
            nats = -sum(float(spoken[place - 1, row.ids[place]]) for place in range(15) if row.counts[place])
            assert loss.nats == pytest.approx(nats, rel=1e-6)
        (one,) = pack(rows, 64)
        together = model(
            input_ids=torch.tensor([one.ids]), position_ids=torch.tensor([one.positions]),
            labels=torch.tensor([one.labels]), use_cache=False,
        ).loss  # fmt: skip
    assert mean(found) == pytest.approx(float(together), rel=1e-6)


def test_a_row_in_which_nothing_counts_has_no_loss() -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
    import tiny_models

    assert losses(tiny_models.llama(), [Row("r", [5, 6], [False, False])], torch.device("cpu")) == []


def test_a_model_that_knows_nothing_loses_the_logarithm_of_its_vocabulary() -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
    import tiny_models

    model = tiny_models.llama()
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    (loss,) = losses(model, [Row("r", [5, 6, 7, 8], [False, False, True, True])], torch.device("cpu"))
    assert mean([loss]) == pytest.approx(math.log(tiny_models.VOCABULARY), rel=1e-6)


def test_the_mean_is_of_tokens_not_of_conversations() -> None:
    assert mean([Loss("a", 30, 30.0), Loss("b", 10, 50.0)]) == 2.0
    with pytest.raises(DistillProblem, match=r"^No answer is held out"):
        mean([])


def test_a_loss_that_halves_everywhere_is_half_without_doubt() -> None:
    told = change(measured([30.0, 20.0, 10.0, 22.0, 18.0]), measured([15.0, 10.0, 5.0, 11.0, 9.0]))
    assert (told.before, told.after) == (2.0, 1.0)
    assert (told.ratio, told.low, told.high) == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_is_that_of_the_ratio_of_two_paired_means() -> None:
    rng = np.random.default_rng(4)
    tokens = rng.integers(20, 200, 400)
    before = tokens * rng.normal(2.0, 0.3, 400)
    after = 0.9 * before + tokens * rng.normal(0, 0.3, 400)
    told = change(
        [Loss(str(n), int(tokens[n]), float(before[n])) for n in range(400)],
        [Loss(str(n), int(tokens[n]), float(after[n])) for n in range(400)],
    )
    # The delta method for a ratio of means (Cochran 1977, section 6.3).
    left = after - told.ratio * before
    error = math.sqrt(float(np.sum(left**2))) / float(before.sum())
    assert told.ratio == pytest.approx(after.sum() / before.sum())
    assert told.high - told.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert told.low < told.ratio < told.high
    some, others = measured([3.0, 2.0, 3.0, 4.0, 5.0]), measured([2.0, 2.0, 2.0, 3.0, 5.0])
    assert change(some, others) == change(some, others)


@pytest.mark.slow
@pytest.mark.parametrize("conversations", [5, 8])
def test_where_nothing_changed_an_interval_of_few_conversations_is_wrong_in_about_a_twentieth(
    conversations: int,
) -> None:
    rng, trials, wrong = np.random.default_rng(1), 300, 0
    for _ in range(trials):
        before = 100 * rng.lognormal(0, 0.2, conversations)
        after = before * rng.lognormal(0, 0.05, conversations)
        told = change(measured(before.tolist()), measured(after.tolist()))
        wrong += not told.low <= 1 <= told.high
    assert wrong / trials < 0.1, "plain percentiles: 0.157 and 0.103"


def test_losses_of_other_tokens_and_of_too_few_conversations_are_not_compared() -> None:
    with pytest.raises(DistillProblem, match=r"^The losses before and after are not of the same held-out tokens"):
        change(measured([1.0, 2.0]), measured([1.0, 2.0], tokens=11))
    with pytest.raises(DistillProblem, match=r"^Of fewer than 5 held-out conversations, here 4, no interval"):
        change(measured([1.0, 2.0, 3.0, 4.0]), measured([1.0, 2.0, 3.0, 4.0]))
