"""A data set's folder → a repository of the Hugging Face Hub, in one commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]  # of httpx, or of httpx2
from huggingface_hub.utils.tqdm import disable_progress_bars
from pydantic import SecretStr

from arena.exchange.dataset import FILES
from arena.hub_refusals import refusals

_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class HubProblem(Exception):
    """The Hub did not take a data set; the message is one sentence without the token."""


def push(folder: Path, name: str, token: SecretStr, *, private: bool) -> str:
    """Upload what is in `folder` to the data set `name` ("user/name"), which is made if need be; its address.

    Everything changes in one commit, and those of our `FILES` that are no longer in the folder are deleted there: a
    data set pushed without texts must not keep those of an earlier push. Raises `HubProblem`, also where `private`
    is asked for and the data set is public.
    """
    if not _NAME.fullmatch(name):
        raise HubProblem(f"{name} is no name of a data set; it has the form USER/NAME.")
    disable_progress_bars()
    hub = HfApi(token=token.get_secret_value())
    with _explained(name, hub.endpoint):
        address = hub.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        # Of one that exists the Hub keeps the visibility, whatever was asked for.
        info = hub.dataset_info(name)
        if private and not info.private:
            raise HubProblem(f"{address} is public; say --public, or make it private there first.")
        ours = sorted(path for path in folder.iterdir() if path.is_file())
        stale = {file.rfilename for file in info.siblings or ()} & set(FILES) - {path.name for path in ours}
        hub.create_commit(
            name,
            [
                *(CommitOperationDelete(path_in_repo=name) for name in sorted(stale)),
                *(CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path) for path in ours),
            ],
            commit_message="Votes of an arena, exported by Paddock",
            repo_type="dataset",
        )
    return str(address)


@contextmanager
def _explained(name: str, endpoint: str) -> Iterator[None]:
    """Our own sentence, and no cause, for whatever the Hub or the way to it says: it may repeat what was sent."""
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = refusals(name).get(status, f"answered {status}; try again later")
        raise HubProblem(f"{endpoint} {said}.") from None
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        raise HubProblem(f"The upload to {endpoint} failed ({type(error).__name__}); try again later.") from None
