"""The journal of one process: new votes as lines, in files that go to the data set once and never change."""

from __future__ import annotations

import secrets

from arena.keeping.remote import DataSet
from arena.keeping.snapshots import JOURNALS
from db.journal import Line, lines_after
from db.session import Database

# And at most LINES_AT_ONCE more: the Hub takes a file of less than 10 MB within the commit itself.
FILE_BYTES = 5_000_000
LINES_AT_ONCE = 200


class Journal:
    """Files `START-PROCESS-PART.jsonl` of the data set, PROCESS by chance: no name is ever used twice.

    `told` is the newest vote up to which the data set holds all, `names` are the files that this process has added.
    """

    def __init__(self, database: Database, dataset: DataSet, start: int, told: int) -> None:
        self.told = told
        self.names: list[str] = []
        self._database, self._dataset = database, dataset
        self._process = f"{start:08d}-{secrets.token_hex(4)}"
        self._part = 0

    def tell_new(self) -> None:
        """Let the data set hold every vote there is, in a commit for each file. Raises `DatabaseProblem`."""
        while lines := self._next_lines():
            self._part += 1  # a part that seemed to fail may be there all the same
            name = f"{JOURNALS}/{self._process}-{self._part:06d}.jsonl"
            content = "".join(f"{line.text}\n" for line in lines).encode()
            newest = lines[-1].sequence
            self._dataset.change({name: content}, (), f"Votes up to number {newest}")
            self.names.append(name)
            self.told = newest

    def _next_lines(self) -> list[Line]:
        """As many of the votes that are not told yet as make a file."""
        lines: list[Line] = []
        size, told = 0, self.told
        while size < FILE_BYTES:
            with self._database.read() as session:
                found = lines_after(session, told, LINES_AT_ONCE)
            if not found:
                break
            lines += found
            told = found[-1].sequence
            size += sum(len(line.text.encode()) for line in found)
        return lines
