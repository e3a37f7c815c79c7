"""Everything people voted as a folder ready for the Hugging Face Hub: Parquet files and their card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from arena.boards.board import Board
from arena.exchange.card import Contents, card_text
from arena.exchange.exports import battle_rows
from arena.exchange.fields import BATTLE, LEADERBOARD, PREFERENCE, VOTE
from arena.exchange.files import ExportError, write_parquet, write_text
from arena.exchange.leaderboard_files import leaderboard_records
from arena.exchange.preferences import Wanted, preference_rows
from arena.privacy.scan import Scan

CARD = "README.md"
FILES = ("votes.parquet", "leaderboard.parquet", "battles.parquet", "preferences.parquet")
LICENSE = "CC-BY-4.0"

Votes = Callable[[bool], Iterable[Mapping[str, Any]]]


def write_dataset(
    folder: Path, votes: Votes, board: Board, *, texts: bool, license_id: str = LICENSE, scan: Scan | None = None
) -> Contents:
    """Write the data set into `folder`, which is made, or is empty; what is in it.

    `votes` gives the votes' records, with texts for True, each time it is called; those that do not count stay out.
    With `texts` whole battles and preference pairs come along; `scan` is what `votes` hides personal data with, which
    the card tells. Raises `ExportError`.
    """
    _claim(folder)
    voters: set[object] = set()
    languages: Counter[str] = Counter()

    def counted(*, texts: bool) -> Iterator[Mapping[str, Any]]:
        return (vote for vote in votes(texts) if vote["status"] == "counted")

    def seen() -> Iterator[Mapping[str, Any]]:
        for vote in counted(texts=False):
            voters.add(vote["voter"])
            languages[vote["language"] or ""] += 1
            yield vote

    rows = {
        "votes": write_parquet(folder / "votes.parquet", VOTE, seen()),
        "leaderboard": write_parquet(folder / "leaderboard.parquet", LEADERBOARD, leaderboard_records(board.rows)),
    }
    if texts:
        # The reasons why votes are left out stand in the documentation; how many follows from the counts.
        told = battle_rows(counted(texts=True), Counter())
        rows["battles"] = write_parquet(folder / "battles.parquet", BATTLE, told)
        pairs = preference_rows(counted(texts=True), Wanted(), Counter())
        rows["preferences"] = write_parquet(folder / "preferences.parquet", PREFERENCE, pairs)
    masked = scan.found if scan else None
    contents = Contents(rows, len(voters), languages, [row for row in board.rows if row.votes], license_id, masked)
    write_text(folder / CARD, card_text(contents))
    return contents


def _claim(folder: Path) -> None:
    """An old export must not lie beside a new one: its texts would be uploaded with a data set that has none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ExportError(f"The folder {folder} is not empty; choose another.")
    except OSError as error:
        raise ExportError(f"The folder {folder} can't be made ({error.strerror}); choose another.") from error
