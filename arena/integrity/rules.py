"""Every number that decides which votes count, and what each reason is called; a change raises `RULES_VERSION`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from db.votes import NEW as NEW  # a newcomer's vote has it from the start, before any review

RULES_VERSION = 1

# Why a vote is held, as the column `reason` says it. All of them are the review's to give and to take back.
BIASED = "biased"
NETWORK_BIASED = "network_biased"
TOO_FAST = "too_fast"
PROMPT_REPEATED = "prompt_repeated"
PAIR_SHARE = "pair_share"
SHARE = "share"
# They rest on networks, prompts and battles left unvoted, which nobody can read once these are forgotten.
LASTING = (BIASED, NETWORK_BIASED, PROMPT_REPEATED)
REASONS = (BIASED, NETWORK_BIASED, TOO_FAST, PROMPT_REPEATED, PAIR_SHARE, SHARE, NEW)


@dataclass(frozen=True)
class Rules:
    """The numbers of one version of the rules. Strengths, tastes and habits are in logits.

    Bias (`arena.integrity.evidence`):
        alpha: at most this share of honest voters is ever taken for biased, and of honest networks.
        taste: standard deviation of what an honest voter adds to a contestant's strength, as in docs/ratings.md.
        biases: how far a biased voter's may stand from 0, on either side, each as likely.
        habit: standard deviation of how much rather an honest voter votes where a certain contestant answered.
        leanings: how much rather one votes who waits for a contestant, each as likely.
        least_decided: decisive votes of a voter under which nothing is said.
        least_known: decisive votes of others under which a contestant's strength is not known.
    One voter's weight:
        quick_seconds, read_chars, most_seconds: a vote within min(quick_seconds + characters / read_chars,
            most_seconds) of the answers' end was not read for.
        prompts_a_day: battles on one prompt that count in a day (UTC), whoever votes.
        votes_on_a_pair: votes of one voter on one pair that count.
        share, least_share: of all votes one voter's may be this share, and in any case `least_share` votes.
    Newcomers:
        plausible: votes that nothing else speaks against, after which a voter's count.
        newcomer: the age at which fewer do.
        doubt: evidence (an e-value) as large as this keeps a newcomer one, whatever its age: one in `doubt` honest
            ones at most.
    """

    alpha: float = 0.001
    taste: float = 0.6
    biases: tuple[float, ...] = (2.0, 3.0, 4.0, 6.0)
    habit: float = 0.5
    leanings: tuple[float, ...] = (1.5, 2.5, 4.0)
    least_decided: int = 4
    least_known: int = 20
    quick_seconds: float = 2.0
    read_chars: float = 100.0
    most_seconds: float = 8.0
    prompts_a_day: int = 5
    votes_on_a_pair: int = 20
    share: float = 0.02
    least_share: int = 20
    plausible: int = 5
    newcomer: timedelta = timedelta(hours=24)
    doubt: float = 10.0
