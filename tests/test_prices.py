"""What tokens cost, from the file the user edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.prices import DEFAULT_PRICES, FREE, Prices, PricesError, is_ours, load_prices
from models.spec import ModelSpec

ENTRY = """
[[tokens]]
model = "gpt-4o"
host = "api.openai.com"
input = 2.5
output = 10
as_of = 2026-05-27
source = "the invoice"
"""

DEVICE = """
[[device]]
name = "L4"
also = ["NVIDIA L4"]
dollars_per_hour = 0.8
flops = 121e12
as_of = 2026-05-07
source = "the invoice"
"""


def spec(url: str = "", model: str = "gpt-4o") -> ModelSpec:
    """A model behind `url`, or a scripted one without."""
    engine = {"engine": "endpoint", "endpoint": {"url": url, "model": model}} if url else {"engine": "scripted"}
    return ModelSpec.model_validate(
        {"id": "judge", "name": "Judge", "quantization": "none", "license": "x", "makers": ["x"], **engine}
    )


def read(folder: Path, text: str) -> Prices:
    file = folder / "prices.toml"
    file.write_text(text, encoding="utf-8")
    return load_prices(file)


def test_a_price_is_found_by_host_and_name_and_multiplied_out(tmp_path: Path) -> None:
    price = read(tmp_path, ENTRY).of(spec("https://API.openai.com/v1", "GPT-4o"))
    assert price is not None
    assert price.cost(1_000_000, 0) == 2.5
    assert price.cost(2_000, 300) == pytest.approx(0.008)
    assert str(price.as_of) == "2026-05-27"


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("https://api.openai.com/v1", "gpt-4o-2024-05-13"),  # a dated version has a price of its own
        ("https://openrouter.ai/api/v1", "gpt-4o"),
        ("https://api.openai.com.example.org/v1", "gpt-4o"),
        ("http://localhost:8000/v1", "gpt-4o"),
    ],
)
def test_another_host_or_version_has_no_price_that_is_known(tmp_path: Path, url: str, model: str) -> None:
    assert read(tmp_path, ENTRY).of(spec(url, model)) is None


def test_a_model_on_this_machine_costs_no_dollars(tmp_path: Path) -> None:
    assert read(tmp_path, "").of(spec()) == FREE
    assert FREE.cost(10**9, 10**9) == 0


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("", True),
        ("http://localhost:1/v1", True),
        ("http://127.0.0.2:1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://10.0.0.1:1/v1", False),
        ("http://127.0.0.1.example.org/v1", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_only_engines_and_loopback_addresses_are_ours(url: str, ours: bool) -> None:
    assert is_ours(spec(url)) is ours


def test_the_prices_that_come_with_paddock_are_whole_and_say_where_they_come_from() -> None:
    prices = load_prices(DEFAULT_PRICES)
    for model in ("gpt-4", "gpt-4o", "gpt-4.1"):
        price = prices.of(spec("https://api.openai.com/v1", model))
        assert price is not None
        assert price.as_of is not None
        assert price.source
        assert 0 < price.input < price.output
    assert "YOURS TO CHECK" in DEFAULT_PRICES.read_text()


def test_a_device_is_found_by_its_name_and_by_what_its_driver_calls_it(tmp_path: Path) -> None:
    prices = read(tmp_path, ENTRY + DEVICE)
    device = prices.device("nvidia L4")
    assert device is not None
    assert device == prices.device(" l4 ")
    assert (device.dollars_per_hour, device.flops, device.watts) == (0.8, 121e12, None)
    assert prices.device("L40S") is None
    assert load_prices(DEFAULT_PRICES).device("CPU, 2 threads") == load_prices(DEFAULT_PRICES).device("cpu") is not None
    assert prices.devices == ("L4",)


def test_a_device_is_found_however_its_name_is_written() -> None:
    prices = load_prices(DEFAULT_PRICES)
    for asked, name in (
        ("RTX 4090", "RTX-4090"), ("rtx4090", "RTX-4090"), ("a100-80gb", "A100-80GB"), ("A100 80 GB", "A100-80GB"),
    ):  # fmt: skip
        device = prices.device(asked)
        assert device is not None, asked
        assert device.name == name
    assert prices.device("A100") is None, "which of the two is not for us to say"


def test_a_device_without_bf16_is_priced_by_what_it_does_in_fp32() -> None:
    device = load_prices(DEFAULT_PRICES).device("Tesla T4")
    assert device is not None
    assert device.flops == 8.1e12
    assert "fp32" in device.source


def test_the_devices_that_come_with_paddock_say_what_they_can_do_and_where_that_is_from() -> None:
    prices = load_prices(DEFAULT_PRICES)
    assert set(prices.devices) >= {"A100-80GB", "A100-40GB", "H100", "L4", "A10G", "T4", "RTX-3090", "RTX-4090", "CPU"}
    for name in prices.devices:
        device = prices.device(name)
        assert device is not None
        assert device.dollars_per_hour > 0
        assert device.as_of is not None
        assert len(device.source) > 20
        assert name == "CPU" or (1e12 < device.flops < 1e16 and device.memory and device.watts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DEVICE + DEVICE, "hold the device l4 twice"),
        (DEVICE + DEVICE.replace('name = "L4"', 'name = "L-4"').replace("NVIDIA L4", "X"), "hold the device l-4 twice"),
        (
            DEVICE.replace('also = ["NVIDIA L4"]', 'also = ["H100", "h100"]') + DEVICE.replace("L4", "H100"),
            "h100 twice",
        ),
        (DEVICE.replace("121e12", "0"), "device number 1 flops"),
        (DEVICE.replace("0.8", "-1"), "device number 1 dollars_per_hour"),
        (ENTRY + ENTRY, "hold gpt-4o at api.openai.com twice"),
        (ENTRY.replace("2.5", "-1"), "tokens number 1 input"),
        (ENTRY.replace("2.5", "nan"), "tokens number 1 input"),
        (ENTRY.replace('source = "the invoice"', ""), "tokens number 1 source"),
        (ENTRY + "cached = 1\n", "tokens number 1 cached"),
        ("[[token]]\nmodel = 'x'\n", "token"),
        ("tokens = \n", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_entry(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PricesError, match=said) as problem:
        read(tmp_path, text)
    assert str(tmp_path / "prices.toml") in str(problem.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PricesError, match="can't be read"):
        load_prices(tmp_path / "none.toml")
