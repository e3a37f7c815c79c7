"""Which line-up plays: what the setting says, else what the hardware suggests."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType

import pytest

from arena.lineup import load_contestants
from arena.settings import Settings
from models.catalog import CatalogError, load_catalog
from models.lineup import choose_lineup
from models.nvml import gpu_bytes

GB = 10**9


@pytest.mark.parametrize(
    ("setting", "zero_gpu", "memory", "chosen"),
    [
        ("auto", False, 0, "cpu"),
        ("auto", False, 4 * GB, "cpu"),
        ("auto", False, 8_589_934_592, "gpu-8gb"),
        ("auto", False, 16 * GB, "gpu-8gb"),
        ("auto", False, 24_100_000_000, "gpu-24gb"),  # an A10G, which keeps a part to itself
        ("auto", False, 80 * GB, "gpu-24gb"),
        ("auto", True, 0, "zerogpu"),
        ("auto", True, 80 * GB, "zerogpu"),
        ("cpu", True, 80 * GB, "cpu"),
        ("gpu-8gb", False, 0, "gpu-8gb"),
    ],
)
def test_the_hardware_decides_unless_the_setting_does(setting: str, zero_gpu: bool, memory: int, chosen: str) -> None:
    assert choose_lineup(setting, zero_gpu, memory) == chosen


class Memory:
    def __init__(self, total: int) -> None:
        self.total = total


def driver(monkeypatch: pytest.MonkeyPatch, *sizes: int, refuses: bool = False) -> None:
    """A driver with devices of so many bytes."""

    class NvmlError(Exception):
        pass

    def start() -> None:
        if refuses:
            raise NvmlError("Driver Not Loaded")

    def by_uuid(name: str) -> int:
        if not name.startswith("GPU-"):
            raise NvmlError("Not Found")
        return int(name.removeprefix("GPU-"))

    fake = ModuleType("pynvml")
    fake.__dict__.update(
        NVMLError=NvmlError,
        nvmlInit=start,
        nvmlDeviceGetCount=lambda: len(sizes),
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetMemoryInfo=lambda number: Memory(sizes[number]),
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        (None, 24 * GB),
        ("0", 8 * GB),
        ("0,1", 24 * GB),
        ("GPU-1", 24 * GB),
        ("", 0),
        ("-1", 0),
        ("0,-1,1", 8 * GB),
        ("\u00b2", 0),
    ],
)
def test_the_largest_visible_device_counts(monkeypatch: pytest.MonkeyPatch, visible: str | None, seen: int) -> None:
    driver(monkeypatch, 8 * GB, 24 * GB)
    assert gpu_bytes(visible) == seen


def test_without_a_driver_or_its_package_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, 8 * GB, refuses=True)
    assert gpu_bytes() == 0
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_bytes() == 0


def lineup_of(settings: Settings) -> set[str]:
    return {lineup for spec in load_contestants(settings) for lineup in spec.lineups}


def test_contestants_are_those_for_the_gpu_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, 24 * GB)
    monkeypatch.setattr("arena.lineup.has_torch", lambda: True)
    assert lineup_of(Settings()) == {"gpu-24gb"}
    assert lineup_of(Settings(lineup="cpu")) == {"cpu"}
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert lineup_of(Settings()) == {"zerogpu"}


def test_a_gpu_without_torch_is_no_use_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    driver(monkeypatch, 24 * GB)
    monkeypatch.setattr("arena.lineup.has_torch", lambda: False)
    with caplog.at_level(logging.INFO):
        assert lineup_of(Settings()) == {"cpu"}
    assert "torch and transformers are not" in caplog.text


def own_catalogue(folder: Path, **plays: bool) -> Path:
    """A catalogue of scripted models by these names."""
    entry = 'id = "{0}"\nname = "{0}"\nengine = "scripted"\nquantization = "none"\nlicense = "none"\nmakers = ["us"]\n'
    entries = ["[[model]]\n" + entry.format(name) + ("" if does else "plays = false\n") for name, does in plays.items()]
    path = folder / "own.toml"
    path.write_text("".join(entries), encoding="utf-8")
    return path


def test_a_catalogue_of_one_s_own_without_line_ups_plays_everywhere(tmp_path: Path) -> None:
    path = own_catalogue(tmp_path, one=True, two=True)
    for lineup in ("cpu", "gpu-8gb", "gpu-24gb", "zerogpu"):
        assert len(load_contestants(Settings(catalog=path, lineup=lineup))) == 2


def test_who_only_judges_is_no_contestant_and_is_still_in_the_catalogue(tmp_path: Path) -> None:
    path = own_catalogue(tmp_path, one=True, two=True, judge=False)
    assert [spec.id for spec in load_contestants(Settings(catalog=path))] == ["one", "two"]
    assert [spec.id for spec in load_catalog(path)] == ["one", "two", "judge"]


def test_whether_it_plays_is_no_part_of_what_a_model_is(tmp_path: Path) -> None:
    playing = load_catalog(own_catalogue(tmp_path, one=True, two=True))
    judging = load_catalog(own_catalogue(tmp_path, one=False, two=True))
    assert [spec.fingerprint for spec in playing] == [spec.fingerprint for spec in judging]


def test_a_catalogue_with_one_contestant_and_a_judge_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = own_catalogue(tmp_path, one=True, judge=False)
    with pytest.raises(
        CatalogError, match=r"lets 1 of its models play, .* two; remove plays = false from more of them\.$"
    ):
        load_contestants(Settings(catalog=path))
