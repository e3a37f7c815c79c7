"""Token ids in, text out: only whole characters, nothing of a stop string, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

HALF = "\ufffd"  # what `decode` makes of bytes that are no character, or not one yet
MOST_HELD = 16  # tokens; a character has four bytes at most, so what is no character by then never will be


class Wording:
    """The text of one answer as its tokens arrive. `stopped` once one of the `stops` was met.

    Tokens are decoded together with those of the last piece, since what a token says may depend on the one before
    (a leading space, say). The tokenizers library's own DecodeStream (0.23) fails on bytes that are no UTF-8.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = [stop for stop in stops if stop]
        self._told: list[int] = []
        self._new: list[int] = []
        self._before = 0
        self._held = ""
        self.stopped = False

    def take(self, token: int) -> str:
        """The text that is certain after one more token; empty while a character or a stop string may be half there."""
        self._new.append(token)
        text = self._decode([*self._told, *self._new])[self._before :]
        if not text or (text.endswith(HALF) and len(self._new) < MOST_HELD):
            return ""
        self._told, self._new = self._new, []
        self._before = len(self._decode(self._told))
        return self._past_stops(text)

    def finish(self) -> str:
        """What was held back, at the end of the answer; half a character becomes U+FFFD, as `decode` has it."""
        text = self._past_stops(self._decode([*self._told, *self._new])[self._before :])
        text, self._held, self._new = text + self._held, "", []
        return text

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _past_stops(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.stopped, self._held = True, ""
            return text[: min(places)]
        half = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - half :]
        return text[: len(text) - half]


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that begins `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
