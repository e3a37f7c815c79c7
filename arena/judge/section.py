"""A part of a report as people read it, and how figures are written in it."""

from __future__ import annotations

from dataclasses import dataclass

from arena.judge.bootstrap import Estimate

UNKNOWN = "–"


@dataclass(frozen=True)
class Section:
    """A heading of `level` 1 to 3, sentences, and perhaps a table, whose columns `numbers` stand to the right."""

    level: int
    title: str
    sentences: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    numbers: tuple[int, ...] = ()

    def markdown(self) -> str:
        """In GitHub's Markdown, where no name can break out of its place; ends with a newline."""
        text = f"{'#' * self.level} {_plain(self.title)}\n"
        text += "".join(f"\n{_plain(sentence)}\n" for sentence in self.sentences)
        if self.lines:
            rules = ["---:" if column in self.numbers else "---" for column in range(len(self.headers))]
            head, *lines = ([_plain(cell) for cell in line] for line in (self.headers, *self.lines))
            text += "\n" + "".join(f"| {' | '.join(line)} |\n" for line in (head, rules, *lines))
        return text


def percent(share: float | None) -> str:
    """A share as "92.1 %"."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def percents(found: Estimate | None) -> str:
    """An interval of a share in percent, as "87.7–95.9": tables are wide enough without spaces."""
    return UNKNOWN if found is None else f"{100 * found.low:.1f}–{100 * found.high:.1f}"


def sure(found: Estimate | None) -> str:
    """A share with its interval, as "92.1 % (87.7–95.9)"."""
    return UNKNOWN if found is None else f"{percent(found.value)} ({percents(found)})"


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    return UNKNOWN if low is None or high is None else f"{low:.{digits}f} … {high:.{digits}f}"


def score(total: float | None) -> str:
    """Halves are common, and the mean of two orders makes quarters."""
    return UNKNOWN if total is None else f"{total:.{1 if total % 0.5 == 0 else 2}f}"


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing but text."""
    for mark in "\\|*_`[]<>~$#":
        text = text.replace(mark, f"\\{mark}")
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
