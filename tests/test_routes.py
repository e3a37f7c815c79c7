from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from arenas import ANT, BEE, database_with
from starlette.applications import Starlette
from starlette.testclient import TestClient
from test_plots import fought

from arena.boards.leaderboard import Leaderboard
from arena.boards.speed import Speeds
from arena.desk import Desk
from arena.exchange.downloads import Downloads
from arena.figures.plots import PLOTS, Plots
from arena.health import Checkup
from arena.routes import routes

WELL = Checkup(lambda: {"status": "ok"})


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Downloads]:
    with closing(database_with(tmp_path, ANT, BEE)) as database:
        fought(database)
        with closing(Leaderboard(database, (ANT, BEE))) as leaderboard:
            yield Downloads(database, (ANT, BEE), leaderboard, Speeds(database, (ANT, BEE)), b"key")


@pytest.fixture
def site(downloads: Downloads) -> Iterator[TestClient]:
    plots = Plots(downloads.leaderboard, downloads.speeds)
    with TestClient(Starlette(routes=routes(downloads, plots, Desk(1, 2), WELL))) as client:
        yield client


@pytest.mark.slow
def test_every_file_of_the_page_can_be_taken_away_and_leaves_nothing_behind(
    site: TestClient, downloads: Downloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(drafts))
    names = (*downloads.names, *(f"{plot}.html" for plot in PLOTS), "matrix.csv", "history.csv")
    for name in names:
        answer = site.get(f"/download/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert answer.content
    assert list(drafts.iterdir()) == []


def test_a_download_is_of_the_selection(site: TestClient, downloads: Downloads, tmp_path: Path) -> None:
    downloads.write("leaderboard.csv", tmp_path / "all.csv")
    assert site.get("/download/leaderboard.csv").content == (tmp_path / "all.csv").read_bytes()
    assert site.get("/download/leaderboard.csv?ties=left_out").content != (tmp_path / "all.csv").read_bytes()
    assert site.get("/download/matrix.csv?ties=left_out").text.splitlines()[1].startswith('"ant","bee","6","1.0"')


def test_a_plot_speaks_the_visitors_language(site: TestClient) -> None:
    def page(language: str) -> str:
        return site.get("/download/intervals.html", headers={"accept-language": language}).text

    assert "95 % interval" in page("en-GB")
    assert "95 % 区间" in page("zh-CN")


@pytest.mark.parametrize("address", ["/api/counts", "/download/leaderboard.csv", "/download/intervals.html"])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ties=maybe", "ties='maybe': must be one of half, left_out."),
        ("since=soon", "since='soon': must be a day such as 2026-01-31."),
        ("prior=99", "prior=99.0: must be 0, or 1e-06 to 10 draws."),
        ("colour=red", "colour is not a part of a selection"),
    ],
)
def test_a_selection_that_is_none_is_answered_with_a_sentence(
    site: TestClient, address: str, query: str, said: str
) -> None:
    answer = site.get(f"{address}?{query}")
    assert answer.status_code == 400
    assert said in answer.text


@pytest.mark.parametrize("address", ["/api/secret", "/download/secret", "/download/secret.html", "/download/arena.db"])
def test_what_is_not_offered_is_not_there(site: TestClient, address: str) -> None:
    assert site.get(address).status_code == 404


def test_whoever_comes_when_the_line_is_full_is_asked_to_come_back(downloads: Downloads) -> None:
    door, plots, desk = threading.Event(), Plots(downloads.leaderboard, downloads.speeds), Desk(1, 0)

    class Slow(Leaderboard):
        def board(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
            inside.set()
            assert door.wait(30)
            return downloads.leaderboard.board(*arguments, **options)  # type: ignore[arg-type]

    inside = threading.Event()
    slow = Downloads(downloads.database, (), Slow(downloads.database, ()), downloads.speeds, b"key")
    with TestClient(Starlette(routes=routes(slow, plots, desk, WELL))) as client:
        first: list[int] = []
        asking = threading.Thread(target=lambda: first.append(client.get("/api/counts").status_code))
        asking.start()
        assert inside.wait(30)
        for address in ("/api/counts", "/download/leaderboard.csv", "/download/battles.html"):
            assert client.get(address).status_code == 503
        assert client.get("/healthz").json() == {"status": "ok"}
        door.set()
        asking.join()
        assert first == [200]


@pytest.mark.parametrize(("status", "code"), [("ok", 200), ("degraded", 200), ("down", 503), ("stopping", 503)])
def test_a_balancer_is_told_by_the_code_where_to_send_nobody(downloads: Downloads, status: str, code: int) -> None:
    plots = Plots(downloads.leaderboard, downloads.speeds)
    site = Starlette(routes=routes(downloads, plots, Desk(1, 2), Checkup(lambda: {"status": status})))
    with TestClient(site) as client:
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (code, {"status": status})
