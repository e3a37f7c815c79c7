"""What the rules make of each conversation by itself, whatever the others are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from models.distill.clean.rounds import Count, Parts, split
from models.distill.clean.rule import Dropped, Rule
from models.distill.conversation import Conversation
from models.distill.problem import DistillProblem

VOTES, PERSONAL, SPLIT = "votes", "personal", "split"
_AT_ONCE = 64
_BEGINNING = 120


@dataclass(frozen=True)
class Rules:
    """What each conversation is put to, in this order, by names; then it is parted to `context` tokens.

    Without `count`, which counts tokens, nothing is parted.
    """

    texts: tuple[tuple[str, Rule], ...] = ()
    count: Count | None = None
    context: int = 2048


@dataclass(frozen=True)
class Gone:
    """What was dropped: a conversation, or of a long one a part or a single round; `begins`: its first words."""

    id: str
    rule: str
    reason: str
    detail: str = ""
    begins: str = ""


@dataclass(frozen=True)
class Judged:
    """What the rules made of some conversations; `changed` counts by rule those that it changed and nobody dropped."""

    kept: tuple[Conversation, ...] = ()
    gone: tuple[Gone, ...] = ()
    changed: Mapping[str, int] = field(default_factory=Counter)


Chunk: TypeAlias = tuple[Conversation, ...]
# Makes the rules in whichever process needs them, since some hold what can't be sent there.
Make: TypeAlias = Callable[[], Rules]


def judge(rules: Rules, conversation: Conversation) -> Judged:
    """Put one conversation to each rule until one drops it; part what is left where it is too long."""
    changed: list[str] = []
    for name, rule in rules.texts:
        verdict = rule(conversation)
        if isinstance(verdict, Dropped):
            return Judged(gone=(gone(conversation, name, verdict),))
        if verdict.messages != conversation.messages:
            changed.append(name)
        conversation = verdict
    if rules.count is None:
        return Judged((conversation,), changed=Counter(changed))
    try:
        parts = split(conversation, rules.count, rules.context)
    except DistillProblem as problem:
        # The base's template can't show it, say, since it knows no system message.
        return Judged(gone=(gone(conversation, SPLIT, Dropped("refused by the template", str(problem))),))
    if parts.kept == (conversation,):
        return Judged(parts.kept, changed=Counter(changed))
    return _parted(rules, conversation, parts, changed)


def _parted(rules: Rules, whole: Conversation, parts: Parts, changed: Sequence[str]) -> Judged:
    """Each part is judged once more, as the conversation that it is now: another cleaning would do so too."""
    if not parts.kept:
        told = "; ".join(dropped.detail for dropped in parts.too_long)
        return Judged(gone=(gone(whole, SPLIT, Dropped("every round longer than the context", told)),))
    again = [judge(rules, part) for part in parts.kept]
    return Judged(
        tuple(one for each in again for one in each.kept),
        (*(gone(whole, SPLIT, dropped) for dropped in parts.too_long), *(one for each in again for one in each.gone)),
        Counter([*changed, SPLIT]),
    )


def judge_all(make: Make, chunk: Chunk) -> Judged:
    """The same for many."""
    rules = make()
    found = [judge(rules, one) for one in chunk]
    return Judged(
        tuple(one for each in found for one in each.kept),
        tuple(one for each in found for one in each.gone),
        total(found),
    )


def total(found: Iterable[Judged]) -> Counter[str]:
    """How many each rule changed."""
    changed: Counter[str] = Counter()
    for each in found:
        changed.update(each.changed)
    return changed


def gone(conversation: Conversation, rule: str, dropped: Dropped) -> Gone:
    """What is noted of a dropped conversation: of its words none that a rule against personal data has not seen."""
    if rule in (VOTES, PERSONAL):
        return Gone(conversation.id, rule, dropped.reason, dropped.detail)
    said = next((message.text for message in conversation.messages if message.role == "user"), "")
    return Gone(
        conversation.id, rule, dropped.reason, dropped.detail, " ".join(said[: 4 * _BEGINNING].split())[:_BEGINNING]
    )


def chunks(conversations: Iterable[Conversation]) -> Iterator[Chunk]:
    """Some at a time, as many as a process is given at once."""
    rest = iter(conversations)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some
