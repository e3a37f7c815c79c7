from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.distill.packing import IGNORED, pack
from models.distill.problem import DistillProblem
from models.distill.template import Row

LENGTHS = st.lists(st.integers(1, 40), max_size=60)


def rows(lengths: list[int], seed: int = 0) -> list[Row]:
    """Rows of words that mean nothing; about half of their tokens count, never the first."""
    rng = random.Random(seed)
    return [
        Row(
            f"r{n}",
            [rng.randrange(3, 97) for _ in range(length)],
            [p > 0 and rng.random() < 0.5 for p in range(length)],
        )
        for n, length in enumerate(lengths)
    ]


@settings(max_examples=200, deadline=None)
@given(LENGTHS, st.integers(40, 90))
def test_every_row_is_in_one_pack_whole_and_no_pack_is_longer_than_the_context(
    lengths: list[int], context: int
) -> None:
    given_rows = rows(lengths)
    found = []
    for one in pack(given_rows, context):
        assert 0 < len(one.ids) == len(one.labels) == len(one.positions) <= context
        starts = [place for place, position in enumerate(one.positions) if position == 0] + [len(one.ids)]
        for begin, end in pairwise(starts):
            assert one.positions[begin:end] == list(range(end - begin))
            found.append((one.ids[begin:end], one.labels[begin:end]))
    wanted = [(row.ids, labels(row)) for row in given_rows]
    assert sorted(found) == sorted(wanted)


def labels(row: Row) -> list[int]:
    return [token if counts else IGNORED for token, counts in zip(row.ids, row.counts, strict=True)]


@settings(max_examples=100, deadline=None)
@given(LENGTHS, st.integers(40, 90))
def test_no_two_packs_would_have_fitted_in_one_and_all_comes_out_the_same_again(
    lengths: list[int], context: int
) -> None:
    packs = pack(rows(lengths), context)
    sizes = sorted(len(one.ids) for one in packs)
    assert len(sizes) < 2 or sizes[0] + sizes[1] > context
    assert pack(rows(lengths), context) == packs


def test_conversations_of_usual_lengths_leave_hardly_a_token_of_a_batch_empty() -> None:
    rng = random.Random(5)
    lengths = [min(2048, round(rng.lognormvariate(6, 0.8))) for _ in range(3000)]
    packs = pack(rows(lengths), 2048)
    assert sum(lengths) / (2048 * len(packs)) > 0.98


def test_a_row_longer_than_the_context_is_named_and_never_cut() -> None:
    with pytest.raises(
        DistillProblem, match=r"^Conversation r1 has 41 tokens and the context holds 40; clean the data"
    ):
        pack(rows([3, 41]), 40)


def test_the_first_token_of_a_row_never_counts_since_another_row_would_foretell_it() -> None:
    (one,) = pack([Row("a", [5, 6], [True, True]), Row("b", [7, 8], [True, True])], 8)
    assert one.labels == [IGNORED, 6, IGNORED, 8]


def tensors(one: Any) -> dict[str, Any]:
    import torch

    return {"input_ids": torch.tensor([one.ids]), "position_ids": torch.tensor([one.positions])}


@pytest.mark.parametrize("family", ["llama", "gemma"])
@pytest.mark.parametrize(("attention", "near"), [("sdpa", 1e-10), ("eager", 1e-5)])  # eager's softmax is in fp32
def test_rows_in_a_pack_are_read_as_if_each_were_alone(family: str, attention: str, near: float) -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
    import tiny_models

    model = getattr(tiny_models, family)().double().eval()
    model.set_attn_implementation(attention)
    given_rows = rows([13, 9, 21, 1, 12])
    (one,) = pack(given_rows, 64)
    with torch.inference_mode():
        together = model(**tensors(one), use_cache=False).logits[0]
        unmarked = model(input_ids=torch.tensor([one.ids]), use_cache=False).logits[0]
        for row in given_rows:
            begin = next(
                n for n in range(len(one.ids)) if one.positions[n] == 0 and one.ids[n:][: len(row.ids)] == row.ids
            )
            alone = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0]
            torch.testing.assert_close(together[begin : begin + len(row.ids)], alone, rtol=near, atol=near)
    # Without positions that begin again each row would have seen the ones before it.
    assert not torch.allclose(together, unmarked)


def test_the_loss_of_a_pack_and_its_gradient_are_the_mean_over_the_tokens_that_count() -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
    import tiny_models

    model = tiny_models.llama().double()
    given_rows = rows([13, 9, 21])
    (one,) = pack(given_rows, 64)
    model(**tensors(one), labels=torch.tensor([one.labels]), use_cache=False).loss.backward()
    packed = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    counted = sum(sum(row.counts) for row in given_rows)
    for row in given_rows:
        logits = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0].log_softmax(-1)
        for place, counts in enumerate(row.counts):
            if counts:
                (-logits[place - 1, row.ids[place]] / counted).backward(retain_graph=True)
    for parameter, gradient in zip(model.parameters(), packed, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)  # its loss is in fp32


def test_what_does_not_count_teaches_nothing() -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
    import tiny_models

    model = tiny_models.llama().double()
    (one,) = pack(rows([13, 9, 21]), 64)
    logits = model(**tensors(one), use_cache=False).logits
    logits.retain_grad()
    model.loss_function(logits=logits, labels=torch.tensor([one.labels]), vocab_size=logits.shape[-1]).backward()
    taught = logits.grad[0].abs().sum(-1) > 0
    assert taught.tolist() == [label != IGNORED for label in one.labels[1:]] + [False]
