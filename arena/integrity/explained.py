"""What there is against a voter, as text."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

from arena.integrity.review import Explanation
from arena.integrity.rules import Rules

_MOST = 1e9


def explained(explanation: Explanation, names: Mapping[str, str], rules: Rules | None = None) -> str:
    """A line about the voter, one about its votes, and one a contestant, the strongest evidence first."""
    alpha = (rules or Rules()).alpha
    verdict = "biased" if explanation.biased else "no bias is shown"
    lines = [
        f"Evidence {shown(explanation.evidence)}, of {1 / alpha:g} needed: {verdict}.",
        "Votes: " + ", ".join(f"{count} {reason}" for reason, count in explanation.votes.most_common()) + ".",
    ]
    for fingerprint, one in explanation.parts:
        selection = f"; voted on {one.voted} battles with it, left {one.left}" if one.voted + one.left else ""
        lines.append(
            f"{names.get(fingerprint, fingerprint[:12])}: won {one.won}, lost {one.lost}, "
            f"{one.expected:.1f} wins expected{selection}; evidence {shown(one.total)}"
        )
    return "\n".join(lines) + "\n"


def shown(logarithm: float) -> str:
    """An e-value by its natural logarithm, with two digits."""
    return f"more than {_MOST:g}" if logarithm > log(_MOST) else f"{exp(logarithm):.2g}"
