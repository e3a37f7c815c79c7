from __future__ import annotations

import gradio as gr
import pytest
from gradio import http_server
from support import free_port

from arena.ui.site import refuse_code


@pytest.mark.parametrize("refused", [False, True])
def test_on_a_space_gradio_s_server_that_takes_code_is_not_started(
    refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where we do not refuse it, Gradio starts it: else nothing would be proven."""
    started: list[object] = []
    monkeypatch.setattr(http_server, "watchfn_spaces", started.append)
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "us/arena")
    if refused:
        refuse_code()
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Markdown("A page.")
    demo.launch(server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True, ssr_mode=False)
    demo.close(verbose=False)
    assert bool(started) is not refused
