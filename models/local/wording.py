"""Token ids in, text out: only whole characters, nothing of a stop string, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


class Wording:
    """The text of one answer as its tokens arrive. `stopped` once one of the `stops` was met."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._stops = [stop for stop in stops if stop]
        self._ids: list[int] = []
        self._decoded = 0
        self._held = ""
        self.stopped = False

    def take(self, token: int) -> str:
        """The text that is certain after one more token; empty while a character or a stop string may be half there."""
        self._ids.append(token)
        text = self._stream.step(self._tokenizer, token) or ""
        self._decoded += len(text)
        return self._past_stops(text)

    def finish(self) -> str:
        """What was held back, at the end of the answer; half a character becomes U+FFFD, as `decode` has it."""
        whole = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        text = self._past_stops(whole[self._decoded :])
        text, self._held = text + self._held, ""
        return text

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
