"""What a training takes: time, energy and money follow from its FLOPs and from what a device can do."""

from __future__ import annotations

import pytest

from models.distill.flops import training_flops
from models.distill.price import Means, Work, counted, estimate, money
from models.distill.published import VICUNA, utilisation_of, work_of
from models.distill.run import Spent
from models.distill.sizes import shape_named
from models.prices import DEFAULT_PRICES, DevicePrice, load_prices

CARD = DevicePrice("card", 2.0, 100e12, memory=24, watts=500)
WORK = Work(shape_named("7B"), conversations=1000, tokens_each=500, epochs=2, context=1024, method="lora")


def a100() -> DevicePrice:
    device = load_prices(DEFAULT_PRICES).device("A100-80GB")
    assert device is not None
    return device


def test_an_hour_of_four_devices_costs_four_hours() -> None:
    assert money(3600, 4, CARD) == 8.0
    assert money(1800, 1, CARD) == 1.0


def test_an_estimate_is_flops_over_what_the_devices_reach() -> None:
    found = estimate(WORK, Means(CARD, 2, 0.25))
    assert found.tokens == 1_000_000
    assert found.flops == training_flops(shape_named("7B"), 1e6, 1024, "lora", True)
    assert found.seconds == pytest.approx(found.flops / (2 * 100e12 * 0.25))
    assert found.device_hours == pytest.approx(2 * found.seconds / 3600)
    assert found.dollars == pytest.approx(found.device_hours * 2.0)
    assert found.kilowatt_hours == pytest.approx(found.device_hours * 0.5)


def test_twice_the_devices_take_half_the_time_and_the_same_money() -> None:
    one, two = (estimate(WORK, Means(CARD, devices, 0.4)) for devices in (1, 2))
    assert two.seconds == pytest.approx(one.seconds / 2)
    assert two.dollars == pytest.approx(one.dollars)


def test_what_a_device_does_not_tell_is_not_guessed() -> None:
    found = estimate(WORK, Means(DevicePrice("plain", 1.0, 1e12), 1, 0.5))
    assert found.kilowatt_hours is None
    assert found.fits is None


@pytest.mark.parametrize(
    ("size", "method", "devices", "gigabytes", "fits"),
    [
        ("7B", "full", 1, 108, False),
        ("7B", "full", 5, 108, True),
        ("7B", "lora", 1, 14, True),
        ("13B", "lora", 1, 27, False),
        ("13B", "qlora", 1, 8.4, True),  # 6.6 of the layers in four bits, 0.7 of the tables, 1 of the adapter
        ("70B", "qlora", 1, 43, False),
    ],
)
def test_a_model_fits_where_weights_and_optimizer_find_room(
    size: str, method: str, devices: int, gigabytes: float, fits: bool
) -> None:
    work = Work(shape_named(size), 1, 1, method=method)  # type: ignore[arg-type]
    found = estimate(work, Means(CARD, devices, 0.4))
    assert found.memory == pytest.approx(gigabytes, rel=0.05)
    assert found.fits is fits


def test_pairs_are_two_conversations_each() -> None:
    dpo = Work(WORK.shape, 1000, 500, 2, 1024, "dpo")
    assert dpo.tokens == 2 * WORK.tokens


def test_what_a_run_took_is_counted_and_not_assumed() -> None:
    spent = Spent(tokens=720_000, counted_tokens=9, flops=1.8e17, seconds=3600, devices=2, device="card", joules=7.2e6)
    found = counted(spent, CARD)
    assert found.utilisation == pytest.approx(1.8e17 / (2 * 100e12 * 3600))
    assert found.tokens_per_second == 200
    assert (found.device_hours, found.dollars, found.kilowatt_hours) == (2.0, 4.0, 2.0)
    assert counted(Spent(), CARD).utilisation == 0.0


def test_an_estimate_at_the_utilisation_that_a_run_reached_is_what_the_run_took() -> None:
    guess = estimate(WORK, Means(CARD, 1, 0.37))
    spent = Spent(tokens=int(guess.tokens), flops=guess.flops, seconds=guess.seconds, devices=1)
    assert counted(spent, CARD).utilisation == pytest.approx(0.37)
    assert counted(spent, CARD).dollars == pytest.approx(guess.dollars)


def test_the_article_s_three_hundred_dollars_are_within_a_factor_of_two_of_our_reckoning() -> None:
    """70,000 conversations that fill 2,048 tokens once, three passes, all weights of LLaMA 13B, eight A100s."""
    ours = estimate(work_of(VICUNA), Means(a100(), 8, 0.4))
    assert 4.5e19 < ours.flops < 4.9e19  # 8 · 13e9 · 430e6, and a few hundredths for attention
    assert VICUNA.dollars_an_hour == pytest.approx(1.5625)
    at_their_price = ours.device_hours * VICUNA.dollars_an_hour
    assert VICUNA.dollars / 2 < at_their_price < VICUNA.dollars * 2
    assert 0.1 < utilisation_of(VICUNA, a100()) < 0.5
