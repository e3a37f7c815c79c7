"""The files people take away, by name; the page's buttons and the command line write the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from arena.boards.board import Board
from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection
from arena.boards.speed import Speeds
from arena.boards.standings import Standing
from arena.exchange import dataset
from arena.exchange.card import Contents
from arena.exchange.exports import battle_rows, votes_rows
from arena.exchange.fields import BATTLE, CONVERSATION, PREFERENCE, VOTE
from arena.exchange.files import write_rows, write_text
from arena.exchange.leaderboard_files import Method, TextForm, leaderboard_text, lmarena_text, write_leaderboard
from arena.exchange.listings import speed_text
from arena.exchange.preferences import Wanted, preference_rows
from arena.privacy.scan import Scan
from db.session import Database
from models.spec import ModelSpec

EVERYTHING = Selection()
OVERALL = "full"  # what LMArena's catalogue calls all prompts


@dataclass(frozen=True)
class Downloads:
    """`pseudonym_key` is the key voters' pseudonyms are made with; it is in no file.

    Without `scan` texts are written as they are.
    """

    database: Database
    catalog: Sequence[ModelSpec]
    leaderboard: Leaderboard
    speeds: Speeds
    pseudonym_key: bytes
    scan: Scan | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._writers(EVERYTHING))

    def write(self, name: str, path: Path, selection: Selection = EVERYTHING) -> None:
        """Write the download `name` to `path`; `selection` is the leaderboard's, other files hold everything.

        Raises `KeyError` for another name, `ExportError` for a bad path, `SelectionError` for what can't be selected.
        """
        self._writers(selection)[name](path)

    def leaderboard_text(self, form: TextForm, selection: Selection = EVERYTHING, method: Method = "bt") -> str:
        return leaderboard_text(self._board(selection).rows, form, method)

    def lmarena_text(self, selection: Selection = EVERYTHING) -> str:
        """The form of LMArena's catalogue: everything as "full" and each category with votes; or the one selected."""
        return lmarena_text(self._by_category(selection))

    def write_leaderboard(self, path: Path, selection: Selection = EVERYTHING, method: Method = "bt") -> None:
        """The leaderboard as Parquet."""
        write_leaderboard(path, self._board(selection).rows, method)

    def write_votes(self, path: Path, *, texts: bool) -> int:
        """All votes, by the path's ending; `texts` adds prompts and answers. The number of votes."""
        return write_rows(path, (*VOTE, CONVERSATION) if texts else VOTE, self._votes(texts))

    def write_battles(self, path: Path, left_out: Counter[str]) -> int:
        """All voted battles with both conversations, by the path's ending; their number."""
        return write_rows(path, BATTLE, battle_rows(self._votes(texts=True), left_out))

    def write_preferences(self, path: Path, wanted: Wanted, left_out: Counter[str]) -> int:
        """Preference pairs, by the path's ending; their number."""
        return write_rows(path, PREFERENCE, preference_rows(self._votes(texts=True), wanted, left_out))

    def write_dataset(self, folder: Path, *, texts: bool, license_id: str = dataset.LICENSE) -> Contents:
        """Everything as a folder for the Hugging Face Hub."""
        return dataset.write_dataset(
            folder, self._votes, self._board(), texts=texts, license_id=license_id, scan=self.scan
        )

    def _votes(self, texts: bool) -> Iterator[dict[str, object]]:
        return votes_rows(self.database, self.catalog, self.pseudonym_key, texts=texts, scan=self.scan)

    def _board(self, selection: Selection = EVERYTHING) -> Board:
        return self.leaderboard.board(selection)

    def _by_category(self, selection: Selection) -> Iterator[tuple[str, Sequence[Standing]]]:
        yield selection.category or OVERALL, self._board(selection).rows
        for category in () if selection.category else filter(None, self.leaderboard.categories):
            yield category, self._board(replace(selection, category=category)).rows

    def _writers(self, selection: Selection) -> dict[str, Callable[[Path], object]]:
        def board(form: TextForm) -> Callable[[Path], object]:
            return lambda path: write_text(path, self.leaderboard_text(form, selection))

        def votes(path: Path) -> object:
            return self.write_votes(path, texts=False)

        return {
            "leaderboard.csv": board("csv"),
            "leaderboard.json": board("json"),
            "leaderboard.parquet": lambda path: self.write_leaderboard(path, selection),
            "leaderboard.md": board("markdown"),
            "leaderboard-lmarena.json": lambda path: write_text(path, self.lmarena_text(selection)),
            "speed.csv": lambda path: write_text(path, speed_text(self.speeds.refresh(), "csv")),
            "votes.csv": votes,
            "votes.jsonl": votes,
            "votes.parquet": votes,
        }
