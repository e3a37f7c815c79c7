"""docs/api.md: its examples run, and what it says of the answers is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from support import REPO, Server, Visitor, canary, serving, write_catalog

from arena.api import ANSWERS
from arena.boards.selection import Selection
from arena.exchange.fields import LEADERBOARD, names

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DOCUMENT = (REPO / "docs/api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7860"
VOTES = ("a", "b", "tie", "both_bad", "a")


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An arena with five votes of one voter."""
    folder = tmp_path_factory.mktemp("arena")
    catalog = write_catalog(folder / "catalog.toml", canary("alder"), canary("birch"))
    with serving(folder, catalog, PACE_CHARS=0) as server:
        voter = Visitor(server.url)
        for vote in VOTES:
            voter.call("new-battle.click")
            voter.ask("Write a Python function that adds two numbers.")
            assert voter.vote(vote).success
        yield server


@pytest.fixture(scope="module")
def client(arena: Server) -> Client:
    return Client(arena.url, verbose=False, analytics_enabled=False)


def get(arena: Server, name: str, **query: str) -> Any:
    answer = httpx.get(f"{arena.url}/api/{name}", params=query, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL))
def test_the_examples_in_python_run(arena: Server, tmp_path: Path, code: str) -> None:
    program = tmp_path / "example.py"
    program.write_text(code.replace(ADDRESS, arena.url), encoding="utf-8")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_addresses_given_to_curl_answer(arena: Server) -> None:
    addresses = re.findall(rf"^curl '{ADDRESS}(.*)'$", DOCUMENT, re.MULTILINE)
    assert len(addresses) >= 4
    for address in addresses:
        answer = httpx.get(arena.url + address, timeout=30)
        assert answer.status_code == 200, address
        assert answer.content


def test_the_leaderboard_is_the_command_lines(arena: Server) -> None:
    printed = json.loads(arena.arena("leaderboard", "--format", "json"))
    answered = get(arena, "leaderboard")
    assert [row["model"] for row in answered] == [row["model"] for row in printed]
    assert set(answered[0]) == set(names(LEADERBOARD))
    assert answered[0]["votes"] == len(VOTES)


def test_the_matrix_has_a_row_and_a_column_a_model_and_no_number_where_there_is_none(arena: Server) -> None:
    matrix = get(arena, "matrix")
    assert matrix["models"] == [row["model"] for row in get(arena, "leaderboard")]
    assert matrix["battles"] == [[0, len(VOTES)], [len(VOTES), 0]]
    assert matrix["observed"][0][0] is None
    assert matrix["observed"][0][1] + matrix["observed"][1][0] == pytest.approx(1)
    assert matrix["predicted"][0][1] + matrix["predicted"][1][0] == pytest.approx(1)


def test_counts_say_what_may_be_selected(arena: Server) -> None:
    counts = get(arena, "counts")
    assert (counts["votes"], counts["voters"], counts["contestants"]) == (len(VOTES), 1, 2)
    assert set(counts["votes_by_model"].values()) == {len(VOTES)}
    assert (counts["categories"], counts["languages"]) == (["coding"], ["en"])
    assert get(arena, "counts", category="coding")["votes"] == len(VOTES)
    assert get(arena, "counts", ties="left_out", both_bad="left_out")["votes"] == 3
    assert get(arena, "counts", until="2020-01-01")["votes"] == 0


def test_gradios_client_gets_the_same(arena: Server, client: Client) -> None:
    for name in ANSWERS:
        assert client.predict(api_name=f"/{name}") == get(arena, name)
    assert client.predict(ties="left_out", api_name="/counts") == get(arena, "counts", ties="left_out")


def test_gradios_client_is_told_what_is_wrong(client: Client) -> None:
    with pytest.raises(AppError, match="ties='maybe': must be one of half, left_out"):
        client.predict(ties="maybe", api_name="/counts")


def test_nothing_but_the_three_is_offered_and_nobody_is_named_who_voted(arena: Server, client: Client) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert set(offered["named_endpoints"]) == {f"/{name}" for name in ANSWERS}
    assert offered["unnamed_endpoints"] == {}
    [(voter,)] = arena.rows("select distinct voter from vote")
    for name in ANSWERS:
        answer = json.dumps(get(arena, name))
        assert voter not in answer
        assert "Python function" not in answer


def test_every_parameter_is_documented() -> None:
    for name in vars(Selection()):
        assert re.search(rf"^\| .*`{name}`", DOCUMENT, re.MULTILINE), name
    for name in (*ANSWERS, *names(LEADERBOARD)[:3]):
        assert f"`{name}`" in DOCUMENT or f"/{name}" in DOCUMENT
