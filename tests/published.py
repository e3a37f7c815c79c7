"""Vicuna's published reviews, and what its announcement and our facts say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

# Baseline → both totals, and the wins of baseline and Vicuna and the ties.
TABLE: Mapping[str, tuple[float, float, int, int, int]] = {
    "llama-13b": (513.0, 694.0, 3, 77, 0),
    "alpaca-13b": (583.0, 704.0, 3, 76, 1),
    "bard": (664.0, 655.5, 30, 40, 10),
    "gpt-3.5-turbo": (693.0, 638.0, 44, 14, 22),
}
# The same against ChatGPT by category.
CATEGORIES: Mapping[str, tuple[float, float, int, int, int]] = {
    "generic": (89, 86.5, 5, 1, 4),
    "knowledge": (87, 87.5, 5, 3, 2),
    "roleplay": (88, 86, 4, 1, 5),
    "common-sense": (88, 88, 3, 2, 5),
    "fermi": (82, 65, 10, 0, 0),
    "counterfactual": (84, 86, 4, 5, 1),
    "coding": (56, 40.5, 6, 0, 1),
    "math": (30, 11, 3, 0, 0),
    "writing": (89, 87.5, 4, 2, 4),
}


def folder_of(path: Path, **changes: object) -> Path:
    """A folder of two models, one question and one review; `changes` are fields of the review."""
    review = {
        "question_id": 1, "answer1_id": "x", "answer2_id": "y", "reviewer_id": "owl-1-coding",
        "text": "8 7\nThe first is better.", "score": [8, 7],
    } | changes  # fmt: skip
    write(path / "question.jsonl", {"question_id": 1, "text": "Why?", "category": "coding"})
    write(
        path / "model.jsonl", {"model_id": "ant:v1", "model_name": "ant"}, {"model_id": "bee:v1", "model_name": "bee"}
    )
    write(path / "answer" / "ant.jsonl", {"answer_id": "x", "model_id": "ant:v1", "question_id": 1, "text": "So."})
    write(path / "answer" / "bee.jsonl", {"answer_id": "y", "model_id": "bee:v1", "question_id": 1, "text": "Thus."})
    write(path / "review" / "ant_bee.jsonl", {name: value for name, value in review.items() if value is not None})
    return path


def write(path: Path, *rows: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
