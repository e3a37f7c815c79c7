"""A program: one file from the Hugging Face Hub, if it is the file we want. `models.sources` runs it.

`python -m models.hub ID REVISION FILE SHA256 FOLDER ANSWER` writes a JSON object to ANSWER:
`{"path": …}`, or `{"trouble": …, "reason": …}`.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

# Plain HTTP goes on where it stopped and its bytes can be watched.
os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

ANSWER_SECONDS = 4.0


class Refused(Exception):
    def __init__(self, trouble: str, reason: str) -> None:
        super().__init__(reason)
        self.trouble = trouble


def main(repository: str, revision: str, file: str, sha256: str, folder: str, answer: str) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        said = {"path": download(repository, revision, file, sha256, Path(folder), Path(answer))}
    except Refused as refused:
        said = {"trouble": refused.trouble, "reason": str(refused)}
    Path(answer).write_text(json.dumps(said))
    os._exit(0)  # a thread stuck in a dead name server must not hold the exit


def download(repository: str, revision: str, file: str, sha256: str, folder: Path, answer: Path) -> str:
    """Return the path of the downloaded file; raises `Refused`."""
    import huggingface_hub

    found = threading.Event()
    threading.Thread(target=give_up_later, args=(answer, found), daemon=True).start()
    token, metadata = find(repository, revision, file)
    found.set()
    if metadata.etag != sha256:
        raise Refused("hash", "offers another file (its hash differs)")
    url = huggingface_hub.hf_hub_url(repository, file, revision=metadata.commit_hash or revision)
    path = folder / "download"
    try:
        with FileLock(folder / "hub.lock"):
            go_on(url, path, token, metadata.size)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise Refused("disk full", "the disk became full") from error
        raise Refused("cut off", f"was cut off ({_brief(error)})") from error
    return str(path)


def go_on(url: str, path: Path, token: bool, size: int | None) -> None:
    """Download to `path` from where it stopped; `hf_hub_download` starts anew each time (2.4)."""
    from huggingface_hub import get_token
    from huggingface_hub.file_download import http_get

    headers = {"authorization": f"Bearer {get_token()}"} if token else {}
    with path.open("ab") as file:
        http_get(url, file, resume_size=file.tell(), headers=headers, expected_size=size)


def end_with_parent() -> None:
    sys.stdin.buffer.read()  # returns when the parent's end of the pipe is closed
    os._exit(1)


def find(repository: str, revision: str, file: str) -> tuple[bool, HfFileMetadata]:
    """Whether a token was needed, and what the Hub says of the file. Raises `Refused`."""
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    url = hf_hub_url(repository, file, revision=revision)

    def ask(token: bool) -> HfFileMetadata:
        return get_hf_file_metadata(url, token=token, timeout=ANSWER_SECONDS)

    try:
        try:
            return False, ask(token=False)
        except RepositoryNotFoundError:  # gated and private ones say so too; only now is a token worth showing
            if not get_token():
                raise
            return True, ask(token=True)
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise Refused("absent", "no such file there, or not without a token") from error
    except Exception as error:
        raise Refused("network", f"can't be reached ({_brief(error)})") from error


def give_up_later(answer: Path, found: threading.Event) -> None:
    """End the program when the Hub has said nothing in time: a dead name server obeys no timeout of HTTP."""
    if not found.wait(ANSWER_SECONDS):
        answer.write_text(json.dumps({"trouble": "network", "reason": "can't be reached (no answer)"}))
        os._exit(0)


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120]


if __name__ == "__main__":
    main(*sys.argv[1:])
