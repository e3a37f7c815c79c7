"""A prompt as llama.cpp's own template engine writes it, asked at the loopback port on which its server listens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection

from models.chat import Message


class Rendering:
    """Renders with the server at `address`, which opens to `key`; takes about a millisecond.

    The wheel has no function for it, and of its events only the last one of an answer can tell the prompt.
    """

    def __init__(self, address: str, key: str) -> None:
        self._host = address.removeprefix("http://")
        self._key = key

    def prompt(self, messages: Sequence[Message]) -> str:
        """The conversation, ready for the answer. Raises `RuntimeError` where the template refuses it."""
        turns = [{"role": message.role, "content": message.text} for message in messages]
        # Without a limit of time: a template that never ends is a hang, as it is in the answer itself.
        with closing(HTTPConnection(self._host)) as connection:
            head = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request("POST", "/apply-template", json.dumps({"messages": turns}), head)
            said = json.loads(connection.getresponse().read())
        if error := said.get("error"):
            raise RuntimeError(f"llama.cpp: {error.get('type', 'error')}: {error.get('message', error)}")
        return str(said["prompt"])
