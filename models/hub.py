"""A program: what a repository of the Hugging Face Hub holds, and its files. `models.sources.ask_hub` runs it.

`python -m models.hub list STAGING ID REVISION SECONDS`, or `… get STAGING ID REVISION SECONDS NAME HASH [NAME HASH]…`,
which brings each file, if it is the one with this hash, into STAGING/files under the last part of its name. SECONDS is
how long to wait for an answer.

STAGING/answer.json then holds `{"files": [{"name": …, "size": …, "hash": …}, …]}` (of `list`), `{"files": []}`,
or `{"trouble": …, "reason": …}`. The hash is what the Hub knows a file by: SHA-256, or git's SHA-1 of a small one.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

# Plain HTTP goes on where it stopped and its bytes can be watched.
os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")

Told = TypeVar("Told")


class Refused(Exception):
    def __init__(self, trouble: str, reason: str) -> None:
        super().__init__(reason)
        self.trouble = trouble


def main(verb: str, staging: str, repository: str, revision: str, seconds: str, *wished: str) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    answer, hub = Path(staging) / "answer.json", Hub(repository, revision, float(seconds))
    threading.Thread(target=give_up_later, args=(answer, hub), daemon=True).start()
    said: dict[str, object] = {"files": []}
    try:
        if verb == "list":
            said["files"] = hub.files()
        else:
            with FileLock(Path(staging) / "hub.lock"):
                for name, content in zip(wished[::2], wished[1::2], strict=True):
                    hub.bring(name, content, Path(staging) / "files" / Path(name).name)
    except Refused as refused:
        said = {"trouble": refused.trouble, "reason": str(refused)}
    answer.write_text(json.dumps(said))
    os._exit(0)  # a thread stuck in a dead name server must not hold the exit


class Hub:
    """One repository at one revision; its methods raise `Refused`. `answered` is set by the Hub's first word."""

    def __init__(self, repository: str, revision: str, patience: float) -> None:
        self.patience = patience
        self.answered = threading.Event()
        self._repository = repository
        self._revision = revision

    def files(self) -> list[dict[str, object]]:
        """Name, size in bytes and hash of every file, for a revision that is a whole commit's name."""
        from huggingface_hub import model_info

        _, info = self._ask(
            lambda token: model_info(
                self._repository, revision=self._revision, files_metadata=True, timeout=self.patience, token=token
            )
        )
        if info.sha != self._revision:
            raise Refused("hash", "has another commit under this name")
        return [
            {"name": file.rfilename, "size": file.size, "hash": file.lfs.sha256 if file.lfs else file.blob_id}
            for file in info.siblings or ()
        ]

    def bring(self, name: str, content: str, path: Path) -> None:
        """Bring one file to `path`, from where it stopped."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(self._repository, name, revision=self._revision)
        token, told = self._ask(lambda token: get_hf_file_metadata(url, token=token, timeout=self.patience))
        if told.etag != content:
            raise Refused("hash", "offers another file (its hash differs)")
        url = hf_hub_url(self._repository, name, revision=told.commit_hash or self._revision)
        try:
            go_on(url, path, token, told.size)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise Refused("disk full", "the disk became full") from error
            raise Refused("cut off", f"was cut off ({_brief(error)})") from error

    def _ask(self, request: Callable[[bool], Told]) -> tuple[bool, Told]:
        """Whether a token was needed, and what the Hub told."""
        from huggingface_hub import get_token
        from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

        try:
            try:
                return False, request(False)
            except RepositoryNotFoundError:  # gated and private ones say so too; only now is a token worth showing
                if not get_token():
                    raise
                return True, request(True)
        except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
            raise Refused("absent", "no such file there, or not without a token") from error
        except Exception as error:
            raise Refused("network", f"can't be reached ({_brief(error)})") from error
        finally:
            self.answered.set()


def go_on(url: str, path: Path, token: bool, size: int | None) -> None:
    """Download to `path` from where it stopped; `hf_hub_download` starts anew each time (2.4)."""
    from huggingface_hub import get_token
    from huggingface_hub.file_download import http_get

    headers = {"authorization": f"Bearer {get_token()}"} if token else {}
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        if size is not None and file.tell() > size:
            file.truncate(0)  # nothing of ours; asking for what follows it would fail for ever
            file.seek(0)
        http_get(url, file, resume_size=file.tell(), headers=headers, expected_size=size)


def end_with_parent() -> None:
    sys.stdin.buffer.read()  # returns when the parent's end of the pipe is closed
    os._exit(1)


def give_up_later(answer: Path, hub: Hub) -> None:
    """End the program when the Hub has said nothing in time: a dead name server obeys no timeout of HTTP."""
    if not hub.answered.wait(hub.patience):
        answer.write_text(json.dumps({"trouble": "network", "reason": "can't be reached (no answer)"}))
        os._exit(0)


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120]


if __name__ == "__main__":
    main(*sys.argv[1:])
