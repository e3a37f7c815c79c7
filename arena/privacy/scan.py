"""Personal data in texts that are about to leave the arena: masked where their form tells them, and counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

Mask = Callable[[str], tuple[str, Collection[str]]]
"""A text → the text with every find masked, and the kinds that were found."""


class Scan:
    """Masks texts. `found` says of how many different texts each kind was masked in; nothing of the finds is kept."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._texts: dict[str, set[int]] = {}

    def __call__(self, text: str) -> str:
        masked, kinds = self._mask(text)
        for kind in kinds:
            self._texts.setdefault(kind, set()).add(hash(text))
        return masked

    @property
    def found(self) -> Mapping[str, int]:
        return {kind: len(texts) for kind, texts in sorted(self._texts.items())}


def sentence(found: Mapping[str, int]) -> str:
    """What was masked: "email in 3 texts, key in 1"; empty: nothing."""
    told = [f"{kind} in {count:,}" for kind, count in found.items()]
    return ", ".join([f"{told[0]} texts", *told[1:]]) if told else ""
