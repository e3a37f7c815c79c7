from __future__ import annotations

import gradio as gr
import pytest

from arena.ui.schemas import remember_schema


def test_every_instance_shares_the_schema_gradio_would_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gr.Chatbot, "api_info", gr.components.Component.api_info)  # put back after the test
    plain = gr.Chatbot(render=False).api_info()
    remember_schema(gr.Chatbot)
    first, second = (gr.Chatbot(label=label, render=False) for label in ("Model A", "Model B"))
    assert first.api_info() == plain
    assert first.api_info() is second.api_info()
    assert first.api_info_as_input() is first.api_info_as_output() is first.api_info()
