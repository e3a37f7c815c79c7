"""What of a stored answer people were shown: it is kept with a model's reasoning, which nobody sees."""

from __future__ import annotations

import re

# Upper and lower case of ASCII alone: a dotless "ı" would match too, after it had been shown.
_REASONING = re.compile(r"(?ai:<think>).*?(?:(?ai:</think>)\s*|\Z)", re.DOTALL)


def without_reasoning(answer: str) -> str:
    """The answer without its `<think>` blocks; one without an end goes on to the answer's."""
    return _REASONING.sub("", answer).lstrip()
