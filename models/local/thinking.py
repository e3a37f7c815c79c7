"""Reasoning that a prompt template begins: the model writes on behind its `<think>`, and writes none itself."""

from __future__ import annotations

from collections.abc import Callable

THINK = "<think>"


def opens_reasoning(prompt: str) -> bool:
    """Whether this prompt, as the template wrote it, ends in `<think>`; one further up is closed, or a visitor's."""
    return prompt.rstrip()[-len(THINK) :].lower() == THINK


def marked(emit: Callable[[str], None]) -> Callable[[str], None]:
    """`emit`, with `<think>` before its first text: kept and hidden as the reasoning of any other model."""
    # Not sooner: that text also tells when an answer began, and an answer may fail before it.
    marks = iter((THINK,))
    return lambda text: emit(next(marks, "") + text)
