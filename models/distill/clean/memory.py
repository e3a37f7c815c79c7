"""What the rules have judged so far, on disk, so that a cleaning that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from models.distill.clean.judging import Chunk, Gone, Judged
from models.distill.conversation import conversation_of, record
from models.distill.files import Lines, line_of, read_rows


class Remembered:
    """Judged chunks by what is in them and by the rules (`settings`, any text that tells them apart).

    A line of JSON for each chunk: a kill loses the one that was being written. Use it as a context.
    """

    def __init__(self, path: Path, settings: str) -> None:
        """Raises `DistillProblem`."""
        self._settings = settings
        self._lines = Lines(path)
        self._where = {str(row["chunk"]): row for _, row in read_rows(path)}

    def recall(self, chunk: Chunk) -> Judged | None:
        """What was made of the chunk; it is given once."""
        row = self._where.pop(self._key(chunk), None)
        if row is None:
            return None
        kept = tuple(conversation_of(one, f"{self._lines.path}") for one in row["kept"])
        return Judged(kept, tuple(Gone(**one) for one in row["gone"]), Counter(row["changed"]))

    def keep(self, chunk: Chunk, judged: Judged) -> None:
        """Raises `DistillProblem` where the disk is full."""
        gone = [vars(one) for one in judged.gone]
        kept = [record(one) for one in judged.kept]
        self._lines.add({"chunk": self._key(chunk), "kept": kept, "gone": gone, "changed": dict(judged.changed)})

    def _key(self, chunk: Chunk) -> str:
        told = hashlib.sha256(self._settings.encode())
        for one in chunk:
            told.update(line_of(record(one)).encode())
        return told.hexdigest()

    def close(self) -> None:
        self._lines.close()

    def __enter__(self) -> Remembered:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
