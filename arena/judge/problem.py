"""What a person can put right when a model answers or judges."""

from __future__ import annotations


class JudgeProblem(Exception):
    """The message is a sentence for the screen that names the input and the remedy; verbs print it and end."""
