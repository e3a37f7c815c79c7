"""How long a visitor waits for the page, and for two contestants, after `app.py` is started.

    python tests/bench/bench_start.py [--runs N]

The default catalogue from a warm cache, each start in a process and a folder of its own, beside a bare
`import gradio` of the same run. The models are real; nothing is fetched.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from measured import machine, ratio
from support import environment, free_port, start, stop

PATIENCE = 300.0


def bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True)
    return time.perf_counter() - began


def until(url: str, path: str, enough: int) -> None:
    """Wait until the address answers, and a health check tells of `enough` contestants."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(url + path, timeout=10)
            if answer.status_code == 200 and (not enough or answer.json()["ready"] >= enough):
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"{url}{path} did not answer in {PATIENCE:.0f} s")


def started() -> tuple[float, float]:
    """Seconds until the page answers, and until two contestants are ready."""
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as name:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        began = time.perf_counter()
        process = start(Path(name), environment(Path(name), PORT=port))
        try:
            until(url, "/", 0)
            page = time.perf_counter() - began
            until(url, "/healthz", 2)
            return page, time.perf_counter() - began
        finally:
            stop(process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(machine())
    bare()  # the files' first reading warms the disk's cache for all
    imports, pages, pairs = [], [], []
    for _ in range(arguments.runs):
        imports.append(bare())
        page, pair = started()
        pages.append(page)
        pairs.append(pair)
    for name, seconds in (("import gradio", imports), ("page answers", pages), ("two contestants ready", pairs)):
        print(f"{name:<24} s: {', '.join(f'{one:.2f}' for one in seconds)}")
    gradio = statistics.median(imports)
    print(ratio("page answers / import gradio", statistics.median(pages), gradio))
    print(ratio("two contestants ready / import gradio", statistics.median(pairs), gradio))


if __name__ == "__main__":
    main()
