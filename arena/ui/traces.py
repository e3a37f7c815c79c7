"""Gradio prints the trace of an event that fails past the log, and with it what the visitor sent. Here it is logged."""

from __future__ import annotations

import logging
import sys
import traceback
from types import SimpleNamespace

from gradio import queueing, route_utils, routes

log = logging.getLogger("paddock.web")

FRAMES = 4


def log_traces() -> None:
    """From here on: one line with the kind of error and where it came from, without its message or any value."""
    instead = SimpleNamespace(print_exc=_log_trace)
    for module in (queueing, routes, route_utils):
        module.traceback = instead


def _log_trace() -> None:
    kind, _, trace = sys.exc_info()
    frames = traceback.extract_tb(trace)[-FRAMES:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    log.error("An event failed. %s at %s", kind.__name__ if kind else "nothing", places)
