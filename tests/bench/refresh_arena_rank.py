"""arena-rank's refresh, in a Python that has it; run by bench_ratings.py, which says what for.

    python refresh_arena_rank.py VOTES.npz CONTESTANTS NEW RUNS RESULT.json

Of the votes in the file, the last NEW · RUNS are new, NEW at a time; the first fit is of the others.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry  # type: ignore[import-not-found]
from arena_rank.utils.data_utils import PairDataset  # type: ignore[import-not-found]


def rated(votes: pd.DataFrame, contestants: int, **options: float) -> dict[str, Any]:
    data = PairDataset.from_pandas(votes)
    found = BradleyTerry(contestants, **options).compute_ratings_and_cis(data)
    # JAX hands numbers over when they are asked for, not before.
    return {name: np.asarray(found[name]).tolist() for name in ("ratings", "rating_lower", "rating_upper")} | {
        "competitors": found["competitors"]
    }


def main() -> None:
    file, contestants, new, runs, result = sys.argv[1:]
    columns = np.load(file)
    names = np.array([f"c{code:04d}" for code in range(int(contestants))])
    outcomes = np.array(["model_b", "tie", "model_a"])
    votes = pd.DataFrame(
        {
            "model_a": names[columns["a"]],
            "model_b": names[columns["b"]],
            "winner": outcomes[(2 * columns["points"]).astype(int)],
        }
    )
    seconds: list[float] = []
    found: dict[str, Any] = {}
    for run in range(int(runs) + 1):
        began = time.perf_counter()
        found = rated(votes.iloc[: len(votes) - int(new) * (int(runs) - run)], int(contestants))
        seconds.append(time.perf_counter() - began)
    # It adds 1e-5 for every vote to the Hessian's diagonal, which makes intervals of the seldom compared narrower.
    plain = rated(votes, int(contestants), hessian_reg=1e-9)
    Path(result).write_text(json.dumps({"seconds": seconds, "found": found, "without_ridge": plain}))


if __name__ == "__main__":
    main()
