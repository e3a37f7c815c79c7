"""What of an answer is shown before the vote: everything but the names by which it says who gives it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from arena.identity.names import Names
from arena.identity.passages import Span, named_in, passage_end, passages
from arena.identity.plain import joined, read, unfinished

MASK = "\u2588" * 5  # of one length, whatever it hides
_SPELLING = re.compile(r"(?<![a-z0-9])[a-z](?:[ .|/·-]{1,2}[a-z](?![a-z0-9])){0,60}[ .|/·-]{0,2}\Z")


class Screen:
    """One answer as it comes, and as much of it as may be seen.

    Passages that are over are settled; of the one that is being written everything is shown up to where a name may
    begin, so that nothing shown has ever to be taken back.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._before = self._settled = 0
        self._parts: list[str] = []
        self.told = False

    def show(self, text: str, *, complete: bool) -> str:
        """What of `text` is shown, which goes on where that of the last call ended."""
        while (end := passage_end(text, self._settled)) is not None:
            self._parts.append(self._masked(text, end))
            self._before, self._settled = self._settled, end
        shown = "".join(self._parts)
        if complete:
            return shown + self._masked(text, len(text), last=True)
        return shown + text[self._settled : self._held(text)]

    def _masked(self, text: str, end: int, *, last: bool = False) -> str:
        spans = named_in(self._names, text, self._before, self._settled, end, last=last)
        self.told = self.told or bool(spans)
        return _covered(text, spans, self._settled, end)

    def _held(self, text: str) -> int:
        """Up to where the passage that is being written is shown."""
        start = self._settled
        passage = text[start:]
        passage = passage[: unfinished(passage)]
        spelled = read(passage)
        begins = [len(passage)]
        if found := _SPELLING.search(spelled.text):
            begins.append(spelled.starts[found.start()])
        # Letters that are spelled out may turn out to be none: "a b c" and "a b claude".
        for seen in (joined(spelled, so_far=True), joined(spelled), spelled):
            begins += [seen.starts[hit.start] for hit in self._names.find(seen)[:1]]
            if (place := self._names.beginning(seen)) is not None:
                begins.append(seen.starts[place])
        return start + min(begins)


def named(text: str, names: Names) -> list[Span]:
    """The names by which a complete text says who gives it, in order."""
    found: list[Span] = []
    before = 0
    for start, end in passages(text):
        found += named_in(names, text, before, start, end, last=end == len(text))
        before = start
    return found


def sides_that_tell(a: str, b: str, names: Names) -> str | None:
    """Which of two complete answers say who gives them: "a", "b", "ab" or None, as the database has it."""
    return "".join(side for side, text in (("a", a), ("b", b)) if named(text, names)) or None


def masked(text: str, names: Names, *, complete: bool) -> str:
    """What of a text is shown: its names as blocks, and while it is not complete nothing that may become one."""
    return Screen(names).show(text, complete=complete)


def _covered(text: str, spans: Sequence[Span], start: int, end: int) -> str:
    parts = []
    for span in spans:
        parts += [text[start : span.start], MASK]
        start = span.end
    return "".join([*parts, text[start:end]])
