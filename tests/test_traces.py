from __future__ import annotations

from types import ModuleType

import pytest
from gradio import queueing, route_utils, routes

from arena.ui.traces import log_traces

pytestmark = pytest.mark.integrity

PROMPT = "my key is ghp_0123456789"


@pytest.mark.parametrize("module", [queueing, routes, route_utils])
def test_the_trace_of_a_failed_event_is_one_line_of_the_log_without_what_was_sent(
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        try:
            int(PROMPT)
        except ValueError:
            module.traceback.print_exc()

    fail()
    assert PROMPT in capsys.readouterr().err, "the control: so it is without us"
    for one in (queueing, routes, route_utils):
        monkeypatch.setattr(one, "traceback", one.traceback)
    log_traces()
    fail()
    assert capsys.readouterr().err == ""
    (line,) = caplog.messages
    assert line.startswith("An event failed. ValueError at test_traces.py:")
    assert PROMPT not in line
