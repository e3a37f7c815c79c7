"""Gradio's schemas, made once: making them anew took two fifths of all the time of an arena that is full."""

from __future__ import annotations

from typing import Any


def remember_schema(component: Any) -> None:
    """Have all instances of a component's class share one schema of their values.

    Gradio builds a component anew whenever one of its properties changes, and asks each for its schema, which is the
    same every time. A class of our own could remember it, but Gradio writes a file beside each of those.
    """
    made = component(render=False).api_info()

    def api_info(_: Any) -> Any:
        return made

    component.api_info = api_info
