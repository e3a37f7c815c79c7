"""A judge's run against the shortest time there is: 160 judgments, 1 s each, 16 at a time, take 10 s.

    python tests/bench/bench_judge.py [--questions N] [--latency S] [--parallel N]

The judge is a server of our own that waits before it replies. Printed are the whole of `judge run` in a process of its
own, the asking inside it (which imports the client's library and checks the server first), and the time between the
server's first request and last reply, each by the limit, which is latency × rounds.
"""

from __future__ import annotations

import argparse
import math
import re
import tempfile
import time
from pathlib import Path

from measured import machine, ratio

from answered import Answered  # isort: skip
from judge_stub import JudgeStub  # isort: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=80)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds before each reply")
    parser.add_argument("--parallel", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, JudgeStub(latency=options.latency) as stub:
        place = Answered(Path(folder), stub, options.questions)
        began = time.monotonic()
        process = place.begin("--judge", "judge-length", "--all-pairs", "--parallel", str(options.parallel))
        _, said = process.communicate(timeout=600)
        whole = time.monotonic() - began
        asked = stub.requests()
        served = max(one.at for one in asked) - min(one.at for one in asked) + options.latency
        judged = len(place.judgments())
    inside = re.search(r"([\d.]+) s\.", said)
    if process.returncode or inside is None or judged != 2 * options.questions:
        raise SystemExit(f"the run failed: {said}")
    limit = math.ceil(2 * options.questions / options.parallel) * options.latency
    print(machine())
    print(f"{judged} judgments, {len(asked)} requests, {options.parallel} at a time, {options.latency:g} s each")
    print(
        f"served in {served:.1f} s, asking {float(inside[1]):.1f} s, whole process {whole:.1f} s, limit {limit:.1f} s"
    )
    print(ratio("first request to last reply / the limit", served, limit))
    print(ratio("asking / the limit", float(inside[1]), limit))
    print(ratio("whole process / the limit", whole, limit))


if __name__ == "__main__":
    main()
