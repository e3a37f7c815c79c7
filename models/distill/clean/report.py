"""What cleaning chose, what it dropped and why: for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from models.distill.clean.cleaning import EXACT, NEARLY, Cleaned
from models.distill.clean.judging import Gone
from models.distill.clean.minhash import GRAM, MINIMA
from models.distill.clean.quoted import QUOTED
from models.distill.clean.rounds import LONG_ROUND
from models.distill.clean.standard import HELD_OUT, RULES
from models.distill.conversation import Conversation, Origin

# How many dropped ones the report shows for each reason.
EXAMPLES: Final = 3
_CELL = 160
# Markdown's own signs, which a stranger's text must not be read by.
_SIGNS = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>#|~"})


def report_json(cleaned: Cleaned, settings: Mapping[str, object]) -> dict[str, object]:
    """Everything countable; `settings`: what was asked for, names and JSON-ready values."""
    return {
        "settings": dict(settings),
        "read": cleaned.read,
        "train": _size(cleaned.train),
        "held_out": _size(cleaned.held_out),
        "rules": {
            rule: {
                "changed": cleaned.changed.get(rule, 0),
                "dropped": dict(Counter(one.reason for one in cleaned.dropped if one.rule == rule)),
            }
            for rule in RULES
        },
        "origins": [{**vars(origin), "rows": rows} for origin, rows in _origins(cleaned)],
        "clusters": {"count": len(cleaned.clusters), "largest": max(cleaned.clusters, default=0)},
    }


def summary(cleaned: Cleaned) -> str:
    """One sentence."""
    rounds = sum(one.reason == LONG_ROUND for one in cleaned.dropped)
    long = f", {rounds} single rounds were too long" if rounds else ""
    return (
        f"{cleaned.read} conversations gave {len(cleaned.train)} to train on and {len(cleaned.held_out)} held out; "
        f"{len(cleaned.dropped) - rounds} were dropped{long}."
    )


def report_markdown(cleaned: Cleaned, settings: Mapping[str, object], off: Sequence[str] = ()) -> str:
    """The same with examples; `off`: the rules that were turned off."""
    chosen = (("To train on", cleaned.train), ("Held out", cleaned.held_out))
    sizes = [(name, *_size(some).values()) for name, some in chosen]
    return "\n".join(
        [
            "# What cleaning chose and dropped", "", summary(cleaned), "",
            *_table(("", "Conversations", "Rounds", "Characters"), sizes),
            "## By rule, in their order", "", *_rules(cleaned, off),
            "## Why, with examples", "", *_reasons(cleaned.dropped),
            "## How", "", *_how(cleaned, settings, off),
            "## Where it comes from", "",
            *_table(("Source", "Teacher", "License", "Conversations"), [
                (*(quoted(said) or "not known" for said in (origin.source, origin.teacher, origin.license)), rows)
                for origin, rows in _origins(cleaned)
            ]),
        ]
    )  # fmt: skip


def quoted(text: str) -> str:
    """A stranger's text on one line of Markdown, cut to some length, that shows as it is."""
    line = " ".join(text.split())
    return (line[:_CELL] + "…" if len(line) > _CELL else line).translate(_SIGNS)


def _rules(cleaned: Cleaned, off: Sequence[str]) -> list[str]:
    dropped = Counter(one.rule for one in cleaned.dropped)
    rows = [
        (f"{rule} (off)" if rule in off else rule, meaning, cleaned.changed.get(rule, 0), dropped[rule])
        for rule, meaning in RULES.items()
    ]
    return _table(("Rule", "What it does", "Changed", "Dropped"), rows)


def _reasons(dropped: Sequence[Gone]) -> Iterator[str]:
    reasons = Counter((one.rule, one.reason) for one in dropped)
    if not reasons:
        yield "Nothing was dropped."
        yield ""
    for (rule, reason), times in sorted(reasons.items(), key=lambda told: (-told[1], told[0])):
        yield f"**{reason}** ({rule}): {times}"
        yield ""
        some = (one for one in dropped if (one.rule, one.reason) == (rule, reason))
        for one, _ in zip(some, range(EXAMPLES), strict=False):
            told = [quoted(one.id), quoted(one.detail)] + ([f"“{quoted(one.begins)}”"] if one.begins else [])
            yield f"- {': '.join(part for part in told if part)}"
        yield ""


def _how(cleaned: Cleaned, settings: Mapping[str, object], off: Sequence[str]) -> Iterator[str]:
    for name, value in settings.items():
        yield f"- {name}: {'–' if value is None else quoted(str(value))}"
    if NEARLY not in off:
        yield (
            f"- nearly the same: by the share of {GRAM}-grams of words in common (Jaccard; of Chinese, Japanese and "
            f"Korean of letters), estimated from {MINIMA} minima with a standard error of 0.035 at 0.8; of 20 million "
            "pairs that are 0.8 alike one is never compared"
        )
    if HELD_OUT not in off:
        largest = max(cleaned.clusters, default=0)
        yield (
            "- held out: whole groups of conversations that share a first prompt, or have half of the 3-grams in "
            "common of the whole, of the first prompt or of an answer; none with an answer that another group "
            f"quotes ({QUOTED:.0%} of its 3-grams); "
            f"{len(cleaned.clusters)} groups, the largest has {largest}"
        )
        if not cleaned.held_out:
            yield "- nothing could be held out: all are of one group, so each would give another one away"
    if EXACT in off and NEARLY in off:
        yield "- duplicates stay: both rules about them are off"
    yield ""


def _size(conversations: Sequence[Conversation]) -> dict[str, int]:
    messages = [message for one in conversations for message in one.messages]
    return {
        "conversations": len(conversations),
        "rounds": sum(message.role == "assistant" for message in messages),
        "characters": sum(len(message.text) for message in messages),
    }


def _origins(cleaned: Cleaned) -> list[tuple[Origin, int]]:
    """Where the rows come from, the most frequent first."""
    told = Counter(one.origin for one in (*cleaned.train, *cleaned.held_out))
    return sorted(told.items(), key=lambda one: (-one[1], one[0].source, one[0].teacher, one[0].license))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = (head, ["---"] * len(head), *rows)
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]
