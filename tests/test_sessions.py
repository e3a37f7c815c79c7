"""What Gradio keeps of sessions, by our classes alone; test_flood.py has the whole under a real server."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import gradio as gr
import pytest
from gradio import queueing, state_holder
from gradio_client import Client
from support import free_port

from arena.ui.sessions import (
    MOST_SESSIONS,
    STUCK_SECONDS,
    UNREAD_SECONDS,
    Mailbox,
    Mailboxes,
    Post,
    Session,
    bound_sessions,
)

pytestmark = pytest.mark.integrity


@pytest.fixture
def moment() -> list[float]:
    return [0.0]


@pytest.fixture
def post(moment: list[float]) -> Post:
    return Post(most=10, clock=lambda: moment[0])


def put(mailbox: Mailbox, count: int) -> None:
    for number in range(count):
        mailbox.put_nowait(number)


def test_what_nobody_reads_for_long_goes_first(post: Post, moment: list[float]) -> None:
    old, read, new = Mailbox(post), Mailbox(post), Mailbox(post)
    put(old, 4)
    put(read, 4)
    moment[0] = UNREAD_SECONDS
    assert read.get_nowait() == 0
    put(new, 4)
    assert [old.qsize(), read.qsize(), new.qsize(), len(post)] == [0, 3, 4, 7]
    assert read.get_nowait() == 1


def test_who_read_before_is_waited_for_while_others_make_up_sessions(post: Post, moment: list[float]) -> None:
    """A phone in a tunnel does not lose its battle to sessions that never read."""
    phone = Mailbox(post)
    put(phone, 5)
    assert phone.get_nowait() == 0
    moment[0] = 1.0
    made_up = [Mailbox(post) for _ in range(3)]
    for mailbox in made_up:
        put(mailbox, 4)
    moment[0] = 1.0 + UNREAD_SECONDS
    put(Mailbox(post), 4)
    assert [phone.qsize(), *(mailbox.qsize() for mailbox in made_up)] == [4, 0, 0, 0]
    moment[0] = STUCK_SECONDS - 0.1
    put(Mailbox(post), 20)
    assert phone.qsize() == 4
    moment[0] = STUCK_SECONDS
    put(Mailbox(post), 1)
    assert phone.qsize() == 0, "not for ever"


def test_what_came_lately_stays_however_much_it_is(post: Post, moment: list[float]) -> None:
    """Two hundred visitors may open the page in the same second."""
    boxes = [Mailbox(post) for _ in range(100)]
    for mailbox in boxes:
        put(mailbox, 3)
        moment[0] += UNREAD_SECONDS / 101
    assert {mailbox.qsize() for mailbox in boxes} == {3}
    moment[0] += 2 * UNREAD_SECONDS
    put(Mailbox(post), 1)
    assert len(post) <= 10
    assert len(post) == 1 + sum(mailbox.qsize() for mailbox in boxes)


def test_one_session_that_joins_and_never_reads_keeps_little(post: Post, moment: list[float]) -> None:
    mailbox = Mailbox(post)
    for _ in range(1000):
        moment[0] += 0.1
        put(mailbox, 3)
    assert mailbox.qsize() <= 3 * UNREAD_SECONDS / 0.1 + 10


def test_who_waits_for_an_answer_gets_it(post: Post) -> None:
    async def waiting() -> Any:
        mailbox = Mailbox(post)
        task = asyncio.create_task(mailbox.get())
        await asyncio.sleep(0)
        mailbox.put_nowait("answer")
        return await task

    assert asyncio.run(waiting()) == "answer"
    assert len(post) == 0


def test_the_session_that_was_looked_into_longest_ago_goes(post: Post) -> None:
    gone: list[str] = []
    boxes = Mailboxes(3, post, gone.append)
    for session in "abc":
        boxes[session] = Mailbox(post)
        put(boxes[session], 2)
    assert boxes["a"].get_nowait() == 0
    boxes["d"] = Mailbox(post)
    assert (sorted(boxes), gone, len(post)) == (["a", "c", "d"], ["b"], 3)
    del boxes["c"]
    assert (sorted(boxes), len(post)) == (["a", "d"], 1)
    with pytest.raises(KeyError):
        boxes["c"]


def test_gradio_s_own_would_let_go_of_who_still_listens() -> None:
    boxes = queueing.LRUCache(3)
    for session in "abc":
        boxes[session] = session
    assert boxes["a"] == "a"
    boxes["d"] = "d"
    assert "a" not in boxes


@pytest.fixture
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((state_holder, "SessionState"), (queueing, "AsyncQueue"), (queueing, "traceback")):
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("bound", [True, False])
def test_no_table_is_made_of_the_last_events(bound: bool) -> None:
    """Gradio's own makes one after each event, of ever more."""
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Button("Vote").click(lambda: None, api_name="vote")
    demo.queue()
    if bound:
        bound_sessions(demo)
    demo.launch(server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True, ssr_mode=False)
    with closing(Client(demo.local_url, verbose=False, analytics_enabled=False)) as client:
        for _ in range(3):
            client.predict(api_name="/vote")
    demo.close(verbose=False)
    queue = demo._queue
    assert (len(queue.event_analytics), bool(queue.cached_event_analytics_summary["functions"])) == (
        (1, False) if bound else (3, True)
    )


@pytest.mark.usefixtures("_as_it_was")
def test_a_session_keeps_what_its_components_hang_on() -> None:
    with gr.Blocks(analytics_enabled=False) as demo:
        state, button, other = gr.State({"a": 1}), gr.Button("Vote"), gr.Button("Other")
        choice = gr.Dropdown([], label="choice")
    demo.queue()
    whole = state_holder.SessionState(demo)
    bound_sessions(demo)
    session = state_holder.SessionState(demo)
    assert isinstance(session, Session)
    assert len(list(whole.components)) >= 3
    assert not list(session.components)
    session[state._id] = {"b": 2}
    for one in (other, button):
        session[one._id] = gr.Button("Voted", render=False)
        assert session[one._id].value == "Voted"
    session[choice._id] = gr.Dropdown(["x"], render=False)
    session._update_value_in_config(choice._id, "x")
    assert session[state._id] == {"b": 2}
    assert session[other._id] is other
    assert session[choice._id].choices == [("x", "x")]
    assert not list(session.components)
    assert demo._queue.pending_messages_per_session.max_size == MOST_SESSIONS
