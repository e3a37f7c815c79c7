"""The benches of engines run and print their ratios; on so little work the figures themselves mean nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPO

pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def bench(program: str, *options: str) -> str:
    """What the program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, str(REPO / "tests" / "bench" / program), *options],
        capture_output=True, text=True, timeout=1100, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ratios(printed: str) -> dict[str, float]:
    """Every printed ratio by its name."""
    lines = re.findall(r"^(\S.*? / .*?) +(\d+\.\d\d)$", printed, re.MULTILINE)
    return {name.strip(): float(value) for name, value in lines}


def test_the_bench_of_engines_prints_every_ratio_and_writes_its_figures(tmp_path: Path) -> None:
    found = ratios(bench("bench_engines.py", "--quick", "--out", str(tmp_path)))
    assert found.keys() >= {
        "worker / llama.cpp's server, 2 streams",
        "llama.cpp / generate, fp32, 2 streams",
        "batch / one after another, 2 streams",
        "batch / threads, 2 streams",
        "llama.cpp: memory after 24 / 8 requests",
        "transformers: memory after 24 / 8 requests",
    }
    assert all(value > 0 for value in found.values())
    written = json.loads((tmp_path / "cpu.json").read_text())
    assert {"versions", "machine", "processor", "date", "figures"} <= written["bench_engines transformers"].keys()
    batch = written["bench_engines transformers"]["figures"]["none, 2 streams"]["batch"]
    assert batch["tokens_per_second"] > 0
    assert batch["peak_mb"] > 100
    assert 0 < batch["first_token_p50"] <= batch["first_token_p95"]


def test_the_bench_for_a_gpu_runs_on_a_cpu_with_a_tiny_model(tmp_path: Path) -> None:
    options = shlex.split("--device cpu --shape tiny --quantization nf4 --streams 1 4 --few 1 --tokens 8 --runs 1")
    printed = bench("bench_gpu.py", *options, "--out", str(tmp_path))
    assert "random weights, for speed only" in printed
    assert ratios(printed).keys() >= {
        "our engine / one after another, 4 streams",
        "our engine / threads, 4 streams",
        "our engine / the memory's limit, 4 streams",
    }
    figures = json.loads((tmp_path / "cpu.json").read_text())["bench_gpu"]["figures"]
    assert figures["tiny, training"]["tokens_per_second"] > 0
    assert figures["tiny, training"]["flops_per_second"] > 0
    case = figures["tiny, nf4"]
    assert 0 < case["our engine"]["around_share"] < 1
    assert 0 < case["our engine"]["by_streams"]["4"]["of_the_limit"] < 1


def test_the_bench_of_training_prints_its_ratios_and_writes_its_figures(tmp_path: Path) -> None:
    found = ratios(bench("bench_training.py", "--quick", "--steps", "2", "--runs", "1", "--out", str(tmp_path)))
    assert found["our training / SFTTrainer alone, tokens per second"] > 0
    written = json.loads((tmp_path / "cpu.json").read_text())["bench_training"]["figures"]
    assert 0 < written["masking_and_packing_share"] < 1
