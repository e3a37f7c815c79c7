"""Votes → records, read while they are consumed. A vote carries a keyed pseudonym, never an id, address or cookie."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from arena.boards.standings import entrants, model_labels
from arena.exchange.fields import CONVERSATION, TURN, VOTE, names
from arena.exchange.preferences import conversation_of
from arena.integrity.rules import BIASED, NETWORK_BIASED
from arena.privacy.scan import Scan
from db.exports import sources_between, voted_contestants
from db.queries import contestants
from db.session import Database
from db.votes import VoteRow, texts_of, votes_after
from models.spec import ModelSpec

VOTE_FIELDS = names(VOTE)
TEXT_FIELD = CONVERSATION.name

# What an import keeps of voters: pseudonyms stay what they are, names of others get one of ours.
PSEUDONYM = "pseudonym:"

_VOTES_AT_ONCE = 5000
_TEXTS_AT_ONCE = 500
_TURN_FIELDS = names(TURN)
_WRITTEN = ("prompt", "answer_a", "answer_b")


def votes_rows(
    database: Database, catalog: Sequence[ModelSpec], key: bytes, *, texts: bool = False, scan: Scan | None = None
) -> Iterator[dict[str, object]]:
    """Every vote, counted or not, in the order of the commits, with the fields of `fields.VOTE`; read while consumed.

    `voter` is the first 16 hex digits of HMAC-SHA256(`key`, voter id). Models are named as on the
    leaderboard. With `texts` also `conversation`: one object a turn, with the fields of `arena.exchange.fields.TURN`,
    its prompt and answers as `scan` leaves them.
    """
    models, watermark = labels_of_voted(database, catalog), 0
    while True:
        # A session for each part: one held open all along would keep the log from being checkpointed.
        with database.read() as session:
            part = votes_after(session, watermark, _TEXTS_AT_ONCE if texts else _VOTES_AT_ONCE)
            if not part:
                return
            sources = sources_between(session, part[0].sequence, part[-1].sequence)
            conversations = texts_of(session, [vote.battle_id for vote in part]) if texts else {}
        watermark = part[-1].sequence
        if not models.keys() >= {side for vote in part for side in (vote.a, vote.b)}:
            models = labels_of_voted(database, catalog)  # somebody got a first vote meanwhile
        for vote in part:
            record = _vote_record(vote, models, key, sources.get(vote.battle_id))
            if texts:
                turns = conversations[vote.battle_id]
                record[TEXT_FIELD] = [_turn_record(turn, scan) for turn in turns]
            yield record


def battle_rows(votes: Iterable[Mapping[str, Any]], left_out: Counter[str]) -> Iterator[dict[str, object]]:
    """One record a battle with the fields of `arena.exchange.fields.BATTLE`, from `votes_rows` with texts.

    Answers are whole, as the models gave them, with the reasoning that visitors did not see. Votes that were
    imported without texts, and those whose texts were forgotten, are left out and counted.
    """
    for vote in votes:
        turns = vote[TEXT_FIELD]
        if not turns:
            left_out["imported without texts"] += 1
            continue
        if not any(turn["prompt"] for turn in turns):
            left_out["forgotten"] += 1
            continue
        record = {name: vote[name] for name in VOTE_FIELDS if name != "turns"}
        sides = {f"messages_{side}": conversation_of(turns, side, visible=False) for side in ("a", "b")}
        yield {**record, **sides}


def labels_of_voted(database: Database, catalog: Sequence[ModelSpec]) -> dict[str, str]:
    """Fingerprint → model, as the leaderboard names those in the catalogue and those with votes."""
    with database.read() as session:
        known, voted = entrants(catalog, contestants(session)), voted_contestants(session)
    return model_labels(who for who in known if who.current or who.fingerprint in voted)


def pseudonym(voter: str, key: bytes) -> str:
    """What files call a voter: 16 hex digits that nobody can trace without `key`."""
    if voter.startswith(PSEUDONYM):
        return voter.removeprefix(PSEUDONYM)
    return hmac.new(key, voter.encode(), hashlib.sha256).hexdigest()[:16]


def _turn_record(turn: Mapping[str, Any], scan: Scan | None) -> dict[str, object]:
    told = {name: turn[name] for name in _TURN_FIELDS}
    return told | {name: scan(turn[name]) for name in _WRITTEN} if scan else told


def _vote_record(vote: VoteRow, models: Mapping[str, str], key: bytes, source: str | None) -> dict[str, object]:
    return {
        "battle": vote.battle_id,
        "time": vote.created_at.astimezone(UTC).isoformat(timespec="seconds"),
        "voter": pseudonym(vote.voter, key),
        "model_a": models[vote.a],
        "model_b": models[vote.b],
        "outcome": vote.outcome.value,
        "turns": vote.turns,
        "category": vote.category,
        "language": vote.language,
        "source": source,
        "status": vote.status,
        # Which of the two it was would tell whose pseudonyms shared a network that day.
        "reason": BIASED if vote.reason == NETWORK_BIASED else vote.reason,
        "verified": vote.verified,
    }
