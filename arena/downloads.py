"""The files people take away, by name; the page's buttons and the command line write the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from arena.exports import TEXT_FIELD, VOTE_FIELDS, votes_rows, write_csv, write_jsonl, write_text
from arena.leaderboard import Leaderboard
from arena.listings import leaderboard_text, speed_text
from arena.speed import Speeds
from db.session import Database
from models.catalog import ModelSpec


@dataclass(frozen=True)
class Downloads:
    """`pseudonym_key` is the key voters' pseudonyms are made with; it is in no file."""

    database: Database
    catalog: Sequence[ModelSpec]
    leaderboard: Leaderboard
    speeds: Speeds
    pseudonym_key: bytes

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._writers)

    def write(self, name: str, path: Path) -> None:
        """Write the download `name` to `path`. Raises `KeyError` for another name, `ExportError` for a bad path."""
        self._writers[name](path)

    def write_votes(self, path: Path, *, texts: bool) -> int:
        """All votes, as CSV or JSONL by the path's ending; `texts` adds prompts and answers. The number of votes."""
        rows = votes_rows(self.database, self.catalog, self.pseudonym_key, texts=texts)
        if path.suffix == ".csv":
            return write_csv(path, (*VOTE_FIELDS, TEXT_FIELD) if texts else VOTE_FIELDS, rows)
        return write_jsonl(path, rows)

    @property
    def _writers(self) -> dict[str, Callable[[Path], object]]:
        return {
            "leaderboard.csv": lambda path: write_text(path, leaderboard_text(self.leaderboard.refresh(), "csv")),
            "leaderboard.json": lambda path: write_text(path, leaderboard_text(self.leaderboard.refresh(), "json")),
            "speed.csv": lambda path: write_text(path, speed_text(self.speeds.refresh(), "csv")),
            "votes.csv": lambda path: self.write_votes(path, texts=False),
            "votes.jsonl": lambda path: self.write_votes(path, texts=False),
        }
