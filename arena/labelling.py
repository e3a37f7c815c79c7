"""Labels for turns that have none: old ones, imported ones, and all of them after a change of rules."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial

from arena.labels import category_of, language_of, style_of
from db.labels import TurnLabels, UnlabelledTurn, forget_labels, label_turns, turns_without_labels
from db.session import Database

log = logging.getLogger("paddock.labels")

# Turns in a transaction: the writer, whom voters wait for, is held for a few milliseconds at a time.
PAGE = 100
REPORTED = 10_000


def label_missing(database: Database) -> int:
    """Label every finished turn that waits for it, and its vote along; how many there were.

    Where it is interrupted, the next call goes on. Raises `DatabaseProblem`.
    """
    done = 0
    while True:
        with database.read() as session:
            turns = turns_without_labels(session, PAGE)
        if not turns:
            return done
        labels = [_labels(turn) for turn in turns]
        database.write(partial(label_turns, labels=labels))
        done += len(turns)
        if done % REPORTED == 0:
            log.info("%d turns from before are labelled", done)


def label_again(database: Database) -> int:
    """Label every finished turn anew, as a change of the rules asks for; how many there were."""
    database.write(forget_labels)
    return label_missing(database)


def _labels(turn: UnlabelledTurn) -> TurnLabels:
    a, b = asdict(style_of(turn.answer_a)), asdict(style_of(turn.answer_b))
    return TurnLabels(
        turn.battle_id,
        turn.position,
        turn.attempt,
        category_of(turn.prompt),
        language_of(turn.prompt),
        **{f"{name}_a": value for name, value in a.items()},
        **{f"{name}_b": value for name, value in b.items()},
    )
