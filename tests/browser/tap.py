"""What a page sends and receives, in order, taken down inside the browser itself."""

from __future__ import annotations

import json
from typing import Any, cast

from playwright.sync_api import Page
from support import Reply

PANE_A, PANE_B = 0, 1  # the only outputs of the event that streams

# Runs before the page's own scripts. A response is copied, so that the page reads its own undisturbed.
TAP = """
(() => {
  const seen = window.__seen = [];
  const plain = window.fetch;
  const note = (kind, url, text) => seen.push([kind, url, text]);
  window.fetch = async (...given) => {
    const url = String(given[0]?.url ?? given[0]);
    note('sent', url, String(given[1]?.body ?? ''));
    const response = await plain(...given);
    note('status', url, String(response.status));
    note('headers', url, JSON.stringify([...response.headers]));
    if (response.body) (async () => {
      const reader = response.clone().body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const {done, value} = await reader.read();
        if (done) return;
        note('received', url, decoder.decode(value, {stream: true}));
      }
    })().catch((error) => note('cut', url, String(error)));
    return response;
  };
})();
"""

# Every event that was let into the queue is over. While one is running, Gradio drops the same button's next.
SETTLED = """() => {
  const joins = window.__seen.filter(([, url]) => url.includes('/queue/join'));
  const of = (wanted, text) => joins.filter((one) => one[0] === wanted && (!text || one[2] === text)).length;
  const streams = window.__seen.filter(([kind, url]) => kind === 'received' && url.includes('/queue/data'));
  const over = streams.map((one) => one[2]).join('').split('"process_completed"').length - 1;
  return of('sent') === of('status') && of('status', '200') === over;
}"""

Entry = tuple[str, str, str]


def received(page: Page) -> list[Entry]:
    """Everything so far, as (sent, status, headers or received; address; text)."""
    return [cast(Entry, tuple(entry)) for entry in page.evaluate("() => window.__seen")]


def replies(entries: list[Entry]) -> list[Reply]:
    """The events' messages, put together event by event in the order they began."""
    body = "".join(text for kind, url, text in entries if kind == "received" and "/queue/data" in url)
    found: dict[str, Reply] = {}
    for line in body.splitlines():
        if line.startswith("data:"):
            message = json.loads(line.removeprefix("data:"))
            if message.get("event_id"):
                found.setdefault(message["event_id"], Reply()).messages.append(message)
    return list(found.values())


def answer(pane: Any) -> str:
    """The text of the last message in a pane's value."""
    messages = pane["value"] if isinstance(pane, dict) else pane
    return str(messages[-1]["content"][0]["text"])
