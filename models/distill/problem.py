"""What stops a verb of distillation."""

from __future__ import annotations


class DistillProblem(Exception):
    """It can't be done as asked; the message is one sentence that names the input and the remedy."""
