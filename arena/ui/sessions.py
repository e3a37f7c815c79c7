"""What Gradio remembers of each session, made small and bounded: anybody may make up sessions by the thousand.

Gradio 6.31 keeps a copy of every component's configuration for each (here 245 kB), and the answers to a session's
events until they are read, which need never be. Both are replaced by classes of ours, where Gradio has no setting.
After each event it also makes a table of its last 10,000, for a page of its own that this site does not have.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio import queueing, state_holder
from gradio.utils import LRUCache

MOST_SESSIONS = 5000
MOST_UNREAD = 1000
# What an update makes of these is read once, at once, and sent to the page; neither choices nor columns hang on it.
PLAIN = (gr.Button, gr.Markdown, gr.HTML, gr.Textbox, gr.Row, gr.Column, gr.Group)
UNREAD_SECONDS = 15.0  # a page begins to read within one, on a slow line within some
STUCK_SECONDS = 60.0  # whoever has read before may be a phone in a tunnel: as long as its connection may be stuck


class Post:
    """The unread answers of all sessions: of too many, those go that nobody has read on in for long, longest first.

    First those of sessions that have never read: to make up such sessions by the thousand costs the least.
    """

    def __init__(self, most: int = MOST_UNREAD, clock: Callable[[], float] = time.monotonic) -> None:
        self.lock = threading.RLock()  # a toast may be put in by a thread
        self._most = most
        self._clock = clock
        self._count = 0
        self._never_read: OrderedDict[Mailbox, float] = OrderedDict()  # since when it has unread ones
        self._read_before: OrderedDict[Mailbox, float] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def came(self, mailbox: Mailbox) -> None:
        now = self._clock()
        self._count += 1
        (self._read_before if mailbox.was_read else self._never_read).setdefault(mailbox, now)
        while self._count > self._most and (stale := self._stale(now)):
            self.dropped(stale[0])

    def read(self, mailbox: Mailbox) -> None:
        self._count -= 1
        self._forget(mailbox)
        mailbox.was_read = True
        if not mailbox.empty():
            self._read_before[mailbox] = self._clock()

    def dropped(self, mailbox: Mailbox) -> None:
        """Nobody will read what is in it."""
        with self.lock:
            self._forget(mailbox)
            self._count -= mailbox.empty_out()

    def _forget(self, mailbox: Mailbox) -> None:
        self._never_read.pop(mailbox, None)
        self._read_before.pop(mailbox, None)

    def _stale(self, now: float) -> list[Mailbox]:
        """Whose answers may go, first of all first."""
        kinds = ((self._never_read, UNREAD_SECONDS), (self._read_before, STUCK_SECONDS))
        longest = [(next(iter(unread.items())), seconds) for unread, seconds in kinds if unread]
        return [mailbox for (mailbox, since), seconds in longest if now - since >= seconds]


class Mailbox(asyncio.Queue[Any]):
    """One session's answers, in Gradio's queue."""

    was_read = False

    def __init__(self, post: Post) -> None:
        self._post = post
        super().__init__()

    def empty_out(self) -> int:
        """Forget what is unread; how many those were."""
        count = self.qsize()
        while not self.empty():
            super()._get()
        return count

    def _put(self, item: Any) -> None:
        with self._post.lock:
            super()._put(item)
            self._post.came(self)

    def _get(self) -> Any:
        with self._post.lock:
            item = super()._get()
            self._post.read(self)
        return item


class Mailboxes(LRUCache):  # type: ignore[misc]
    """Gradio's by session, but the one goes that was looked into longest ago, and not the one that is oldest."""

    def __init__(self, most: int, post: Post, forget: Callable[[str], object]) -> None:
        """`forget` is told which session's is gone."""
        super().__init__(most)
        self._post = post
        self._forget = forget

    def __getitem__(self, session: str) -> Mailbox:
        self.move_to_end(session)
        found: Mailbox = super().__getitem__(session)
        return found

    def __delitem__(self, session: str) -> None:
        self._post.dropped(self[session])
        super().__delitem__(session)

    def popitem(self, last: bool = True) -> tuple[str, Mailbox]:
        session, mailbox = super().popitem(last)
        self._post.dropped(mailbox)
        self._forget(session)
        return session, mailbox


class Session(state_holder.SessionState):  # type: ignore[misc]
    """Gradio's, without a configuration of each component: they are for links into a session, which nobody can make."""

    _latest: tuple[int, Any] = (-1, None)

    def __init__(self, blocks: Any) -> None:
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks=()))

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(value, PLAIN):
            self._latest = key, value
        else:
            super().__setitem__(key, value)
            self.config_values.clear()

    def __getitem__(self, key: int) -> Any:
        latest, value = self._latest
        return value if key == latest else super().__getitem__(key)

    def _update_config(self, key: int) -> None:
        """There is none."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """There is none."""


def bound_sessions(demo: gr.Blocks) -> None:
    """Have these pages, once they have a queue, keep little of each session and answers of few that nobody reads."""
    post = Post()
    state_holder.SessionState = Session
    queueing.AsyncQueue = lambda: Mailbox(post)
    queue = demo._queue
    forget = partial(_forget, queue.pending_event_ids_session)
    queue.pending_messages_per_session = Mailboxes(MOST_SESSIONS, post, forget)
    queue.ANALYTICS_MAX_EVENTS = 1
    queue.compute_analytics_summary = lambda _records: {}


def _forget(events: dict[str, Any], session: str) -> None:
    events.pop(session, None)
