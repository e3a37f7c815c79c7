"""Prompts that whoever runs the arena does not want: asked of a function of theirs, with a deadline.

It runs in a thread of its own. One that fails or takes too long lets nothing pass, and says so: whoever sets it up
wants no prompt answered that nobody looked at.

The deadline holds only where the function lets go of the interpreter. A regular expression of Python's `re` does not
before it is done, and the whole server waits for it: use none with nested repetitions, or ask another process.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from arena.prompts import PromptError
from arena.settings import SettingsError

log = logging.getLogger("paddock.moderation")

SECONDS = 5.0
AT_ONCE = 16  # threads that may be stuck in a function that hangs
_REASON_CHARS = 80

Check = Callable[[str], str | None]
"""A prompt → why it is refused, or None."""
Moderate = Callable[[str], Awaitable[None]]
"""Awaited with a prompt it raises `PromptError` where that is refused."""


async def unmoderated(_: str) -> None:
    """Nobody looks at prompts."""


class _Failed(Exception):
    """The function raised; only of what kind is told, for its message and trace may repeat the prompt."""


class Moderator:
    """Asks `check` about prompts. Awaited with one it raises `PromptError` where that is refused.

    The reason is "moderated" (it is told to nobody but the log, which never has the prompt), or "unchecked" where the
    function failed or did not answer within `seconds`.
    """

    def __init__(self, check: Check, seconds: float = SECONDS) -> None:
        self._check = check
        self._seconds = seconds
        self._room = threading.BoundedSemaphore(AT_ONCE)

    async def __call__(self, prompt: str) -> None:
        try:
            reason = await asyncio.wait_for(asyncio.wrap_future(self._asked(prompt)), self._seconds)
        except (_Failed, TimeoutError) as error:
            why = str(error) or f"no answer within {self._seconds:g} s"
            log.warning("A prompt was refused unchecked: ARENA_MODERATION failed (%s)", why)
            raise PromptError("unchecked") from None
        if reason:
            log.info("A prompt was refused: %s", reason[:_REASON_CHARS])
            raise PromptError("moderated")

    def _asked(self, prompt: str) -> Future[str | None]:
        """What the function says, in time. A pool's threads would be waited for when the process ends; these are not.

        Raises `TimeoutError` at once where `AT_ONCE` prompts wait for it already, `_Failed` where no thread begins.
        """
        if not self._room.acquire(blocking=False):
            raise TimeoutError
        answer: Future[str | None] = Future()

        def ask() -> None:
            try:
                if answer.set_running_or_notify_cancel():
                    answer.set_result(_checked(self._check(prompt)))
            except BaseException as error:  # SystemExit too: it would end the server
                answer.set_exception(_Failed(type(error).__name__))
            finally:
                self._room.release()

        try:
            threading.Thread(target=ask, name="moderation", daemon=True).start()
        except RuntimeError as error:  # the system has no more threads
            self._room.release()
            raise _Failed(str(error)) from None
        return answer


def _checked(said: object) -> str | None:
    if said is None or isinstance(said, str):
        return said
    raise TypeError(f"a reason is a text or None, not {type(said).__name__}")


def load_moderator(name: str) -> Moderate:
    """What `MODULE:FUNCTION` names; of an empty name nobody. Raises `SettingsError`."""
    if not name:
        return unmoderated
    module, _, function = name.partition(":")
    try:
        check = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise SettingsError(
            f"ARENA_MODERATION={name} can't be loaded ({type(error).__name__}: {error}); correct its name, or put its "
            "folder into PYTHONPATH."
        ) from error
    if not callable(check):
        raise SettingsError(f"ARENA_MODERATION={name} is no function.")
    return Moderator(check)
