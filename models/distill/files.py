"""Plain files: lines of JSON that a killed verb can go on with, and files that are whole or not there."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from models.distill.conversation import Conversation, conversation_of, record
from models.distill.problem import DistillProblem

Made = TypeVar("Made")


def read_conversations(path: Path) -> Iterator[Conversation]:
    """Every conversation of a file in our form, in its order. Raises `DistillProblem` naming the file and the line."""
    for number, row in read_rows(path):
        yield conversation_of(row, f"{path}, line {number}")


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every JSON object of a file of lines with the number of its line; blank lines are passed over.

    Raises `DistillProblem` for a file that can't be read, and for a line that is cut off or no JSON object.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(line, f"{path}, line {number}")
    except OSError as error:
        raise DistillProblem(f"{path} can't be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DistillProblem(f"{path} is no UTF-8 text; save it as UTF-8.") from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        cut = "is cut off" if not line.endswith("\n") else "is no JSON"
        raise DistillProblem(f"{where} {cut} ({error.msg}); mend or remove that line.") from error
    if not isinstance(row, dict):
        raise DistillProblem(f"{where} is no JSON object; each line is one, in braces.")
    return row


def write_conversations(path: Path, conversations: Iterable[Conversation]) -> int:
    """All of them in our form; returns how many. Raises `DistillProblem`."""
    return write_rows(path, (record(one) for one in conversations))


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """One JSON object a line; returns how many. Raises `DistillProblem`."""

    def fill(draft: Path) -> int:
        with draft.open("w", encoding="utf-8") as file:
            return sum(1 for row in rows if file.write(line_of(row)))

    return replace_whole(path, fill)


def write_text(path: Path, text: str) -> None:
    """Raises `DistillProblem`."""
    replace_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def line_of(row: Mapping[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def replace_whole(path: Path, fill: Callable[[Path], Made]) -> Made:
    """Let `fill` write a draft that takes the place of `path` only when it is whole and on the disk.

    Raises `DistillProblem` where the disk is full or the place can't be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = fill(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise DistillProblem(cannot_write(path, error)) from error
    finally:
        draft.unlink(missing_ok=True)
    return made


def cannot_write(path: Path, error: OSError) -> str:
    """The sentence for a file or folder that can't be written."""
    if error.errno in (ENOSPC, EDQUOT):
        return f"{path} can't be written: the disk is full; make room and run it again, it goes on where it was."
    return f"{path} can't be written ({error.strerror})."


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other runs from `path` while the block lasts: what is left to do is read first, and written much later.

    Raises `DistillProblem` where another process is at it; that of a dead one is no hindrance.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = FileLock(path.with_name(f".{path.name}.lock"), timeout=0).acquire()
    except Timeout as error:
        raise DistillProblem(
            f"{path} is being written by another process; wait until it ends, or give another --out."
        ) from error
    except OSError as error:
        raise DistillProblem(cannot_write(path, error)) from error
    with taken:
        yield


class Lines:
    """A file of lines that grows while a verb works: each line is on the disk before the next is asked for.

    What a kill cut off at its end is removed when the file is opened again. Close it, or use it as a context.
    """

    def __init__(self, path: Path) -> None:
        """Raises `DistillProblem`."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._drop_cut_line()
        except OSError as error:
            raise DistillProblem(cannot_write(path, error)) from error

    def _drop_cut_line(self) -> None:
        self._file.seek(0)
        whole = 0
        for line in self._file:
            whole += len(line) if line.endswith(b"\n") else 0
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)

    def add(self, row: Mapping[str, object]) -> None:
        """Raises `DistillProblem`."""
        try:
            self._file.write(line_of(row).encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise DistillProblem(cannot_write(self.path, error)) from error

    def close(self) -> None:
        # It tries once more to write a line that found no room, of which `add` has told.
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
