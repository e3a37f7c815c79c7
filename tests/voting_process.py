"""An arena without pages whose voters never rest, as a process that can be killed; what it says is a protocol.

    PYTHONPATH=.:tests python tests/voting_process.py VOTERS

`begun N` when N votes are back and it takes new ones, `vote ID OUTCOME SEQUENCE` for each once it is acknowledged,
`flushed N` when the data set is said to hold all votes up to N, and `done` after an orderly stop.
"""

from __future__ import annotations

import signal
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

from arenas import ANT, BEE, ready_battle

from arena.enrolment import enrol_all
from arena.keeping.keeper import Keeper
from arena.keeping.restore import restore_if_empty
from arena.settings import load_settings
from db.outcome import Outcome
from db.schema import open_database
from db.session import Database, Session, writer_lock
from db.votes import newest_vote, record_vote, vote_on

_over = threading.Event()
_speaking = threading.Lock()


def tell(line: str) -> None:
    with _speaking:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def vote_on_and_on(database: Database, number: int) -> None:
    outcomes, voter = list(Outcome), f"voter {number}"
    while not _over.is_set():
        battle_id, outcome = uuid.uuid4().hex, outcomes[number % len(outcomes)]
        now = datetime.now(UTC)

        def vote(session: Session, battle_id: str = battle_id, now: datetime = now, outcome: Outcome = outcome) -> int:
            record_vote(session, battle_id, voter, outcome, now, timedelta(hours=1))
            stored = vote_on(session, battle_id)
            assert stored is not None
            return stored.sequence

        def begin(session: Session, battle_id: str = battle_id, now: datetime = now) -> None:
            ready_battle(session, battle_id, voter, now)

        database.write(begin)
        tell(f"vote {battle_id} {outcome} {database.write(vote)}")


def tell_flushes(keeper: Keeper) -> None:
    known = None
    while not _over.wait(0.01):
        flushed = keeper.status().flushed_sequence
        if flushed != known:
            known = flushed
            tell(f"flushed {flushed}")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: _over.set())
    settings, voters = load_settings(), int(sys.argv[1])
    with writer_lock(settings.database):
        restored = restore_if_empty(settings)
        with closing(open_database(settings.database)) as database:
            keeper = Keeper(database, settings, restored)
            enrol_all(database, [ANT, BEE], datetime.now(UTC))
            with keeper, ThreadPoolExecutor(voters + 1) as threads, database.read() as session:
                tell(f"begun {newest_vote(session)}")
                session.close()
                working = [threads.submit(vote_on_and_on, database, number) for number in range(voters)]
                working.append(threads.submit(tell_flushes, keeper))
                _over.wait()
                for one in working:
                    one.result()
    tell("done")


if __name__ == "__main__":
    main()
