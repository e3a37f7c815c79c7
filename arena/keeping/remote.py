"""The data set on the Hub: who it belongs to, what is in it, and how files go there and come back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]  # of httpx, or of httpx2
from huggingface_hub.utils._http import default_client_factory
from huggingface_hub.utils.tqdm import disable_progress_bars
from pydantic import SecretStr

from db.session import DatabaseProblem

OWNER = "owner.json"
REQUEST_SECONDS = 30.0
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_ATTEMPTS = 3
T = TypeVar("T")


class KeepingProblem(DatabaseProblem):
    """Votes can't be kept, or what was kept can't be had; one sentence without the token."""


@dataclass(frozen=True)
class Listing:
    """What the data set holds at one commit."""

    commit: str
    files: tuple[str, ...]


class DataSet:
    """A private data set of one arena.

    Every method raises `KeepingProblem`; none waits longer than `REQUEST_SECONDS` for a word from the Hub.
    """

    def __init__(self, name: str, token: SecretStr | None, *, public: bool = False) -> None:
        if not _NAME.fullmatch(name):
            raise KeepingProblem(f"ARENA_DATASET={name} is no name of a data set; it has the form USER/NAME.")
        if token is None:
            raise KeepingProblem(
                f"There is no token for the data set {name}; set HF_TOKEN to one that may write to it "
                "(https://huggingface.co/settings/tokens), or leave ARENA_DATASET empty."
            )
        disable_progress_bars()
        huggingface_hub.set_client_factory(_impatient)
        self.name, self.public = name, public
        self.api = HfApi(token=token.get_secret_value())

    def claim(self, owner: str) -> tuple[int, Listing]:
        """Make the data set if need be, and note in it that `owner` starts; how often it has, and what is there.

        Nothing but that note is written. It also raises where the data set is public and need not be, where it is
        another arena's, and where the token may not write.
        """
        with explained(self.name):
            self.api.create_repo(self.name, repo_type="dataset", private=not self.public, exist_ok=True)

        def start() -> int:
            there = self.listing()
            named, before = self._owner(there)
            if OWNER in there.files and named != owner:
                raise KeepingProblem(
                    f"The data set {self.name} is kept by another arena ({named}); give this one ({owner}) its own, or "
                    f"delete {OWNER} there if the other is gone."
                )
            starts = before + 1
            note = CommitOperationAdd(OWNER, json.dumps({"owner": owner, "starts": starts}).encode())
            self._commit([note], f"Start {starts}", there.commit)
            return starts

        return _tried(start), self.listing()

    def starts(self, there: Listing) -> int:
        """How often its arena had started: whoever claimed it last was told the same number."""
        return self._owner(there)[1]

    def listing(self) -> Listing:
        with explained(self.name):
            info = self.api.dataset_info(self.name, timeout=REQUEST_SECONDS)
        if not info.private and not self.public:
            raise KeepingProblem(
                f"The data set {self.name} is public and would show everybody's prompts; make it private on the Hub, "
                "or set ARENA_DATASET_PUBLIC=true."
            )
        return Listing(str(info.sha), tuple(sorted(file.rfilename for file in info.siblings or ())))

    def fetch(self, paths: Sequence[str], commit: str, folder: Path) -> list[Path]:
        """These files as they were at a commit, below `folder`, in the same order."""
        with explained(self.name):
            if paths:
                self.api.snapshot_download(
                    self.name, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=list(paths),
                    etag_timeout=REQUEST_SECONDS,
                )  # fmt: skip
        missing = [path for path in paths if not (folder / path).is_file()]
        if missing:
            raise KeepingProblem(f"The data set {self.name} did not give its file {missing[0]}; try again later.")
        return [folder / path for path in paths]

    def change(self, added: dict[str, Path | bytes], removed: Sequence[str], message: str) -> None:
        """Add and remove files in one commit."""

        def commit() -> None:
            adding = [CommitOperationAdd(path, content) for path, content in added.items()]
            self._commit([*adding, *(CommitOperationDelete(path) for path in removed)], message)

        _tried(commit)

    def _commit(
        self, operations: list[CommitOperationAdd | CommitOperationDelete], message: str, parent: str | None = None
    ) -> None:
        with explained(self.name):
            self.api.create_commit(
                self.name, operations, commit_message=message, repo_type="dataset", parent_commit=parent
            )

    def _owner(self, there: Listing) -> tuple[str, int]:
        """Whose it is and how often that arena has started; nobody's, and 0, where no note says so."""
        if OWNER not in there.files:
            return "", 0
        with TemporaryDirectory() as folder:
            written = self.fetch([OWNER], there.commit, Path(folder))[0].read_bytes()
        try:
            note = json.loads(written)
            return str(note["owner"]), int(note["starts"])
        except (ValueError, TypeError, KeyError) as error:
            raise KeepingProblem(
                f"The file {OWNER} of the data set {self.name} can't be understood; delete it there if the data set "
                "is this arena's alone."
            ) from error


class Passing(KeepingProblem):
    """Trouble of the Hub or of the way to it, which may be over in a moment."""


class _Overtaken(KeepingProblem):
    """Somebody else changed the data set at the same moment."""


def _tried(commit: Callable[[], T]) -> T:
    """What a commit gives, tried again where it was overtaken. Raises `_Overtaken` when that happens all the time."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(_Overtaken):
            return commit()
    return commit()


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Our own sentence, and no cause, for whatever the Hub or the way to it says: it may repeat what was sent."""
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 412:
            raise _Overtaken(f"Others change the data set {name} all the time; stop them, and start again.") from None
        said = {
            401: "the Hub does not take this HF_TOKEN; make one that may write to it",
            403: "the Hub does not let this HF_TOKEN write to it; give it the permission",
            404: "the Hub shows this HF_TOKEN no such data set; check the name and the token's permissions",
        }.get(status, f"the Hub answered {status}; try again later")
        kind = Passing if status == 429 or status >= 500 else KeepingProblem
        raise kind(f"The data set {name} can't be used: {said}.") from None
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        what = type(error).__name__
        raise Passing(f"The data set {name} can't be reached ({what}); try again later.") from None


def _impatient() -> Any:  # a client of httpx, or of httpx2
    client = default_client_factory()
    client.timeout = REQUEST_SECONDS
    return client
