"""The address an arena listens at: whether it can be had, said before anything is opened."""

from __future__ import annotations

import errno
import socket

from arena.settings import PREFIX, Settings, SettingsError


def check_address(settings: Settings) -> None:
    """Raise `SettingsError` where the arena can't listen at its address; say what to change."""
    family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
    try:
        with socket.create_server((settings.listen, settings.port), family=family):
            pass
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"Port {settings.port} of {settings.listen} is taken; set ARENA_PORT.") from error
        reason = error.strerror or str(error)
        raise SettingsError(f"{PREFIX}HOST={settings.listen}, port {settings.port}: {reason}.") from error
