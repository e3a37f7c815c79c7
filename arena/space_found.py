"""What the Hugging Face Hub has of a Space that is wanted, and why an arena can't be built upon it. Changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from huggingface_hub import HfApi, SpaceHardware
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError  # type: ignore[attr-defined]
from huggingface_hub.utils import RepositoryNotFoundError, validate_repo_id  # type: ignore[attr-defined]
from huggingface_hub.utils.tqdm import disable_progress_bars
from pydantic import SecretStr

from arena.hub_refusals import refusals
from arena.space_files import ZERO_GPU, SpaceProblem

DEFAULT_HARDWARE = ZERO_GPU
HARDWARE = tuple(str(one.value) for one in SpaceHardware)
# By these files a Space is recognised as an arena, or as one that was only just created.
_OURS = frozenset(("app.py", "arena/space.py"))
_NEW = frozenset((".gitattributes", "README.md"))


class OutOfReach(SpaceProblem):
    """The Hub could not be asked at all."""


@dataclass(frozen=True)
class Wanted:
    """What the Space shall be. Empty: `dataset`, `lineup` and `hardware` stay as they are, or begin as the default."""

    name: str
    token: SecretStr
    """What the Space writes its data set with."""
    admin_token: SecretStr = field(default_factory=lambda: SecretStr(secrets.token_urlsafe(24)))
    replace_token: bool = False
    dataset: str = ""
    lineup: str = ""
    hardware: str = ""
    private: bool = False


@dataclass(frozen=True)
class Found:
    """What the Hub has; a Space that is not there has nothing."""

    exists: bool = False
    hardware: str = ""
    files: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    variables: Mapping[str, str] = field(default_factory=dict)
    dataset_exists: bool = False


def check_names(wanted: Wanted) -> None:
    """Raise `SpaceProblem` for a name the Hub can't have or hardware it has not."""
    for name in filter(None, (wanted.name, wanted.dataset)):
        try:
            validate_repo_id(name)
        except HFValidationError as error:
            raise SpaceProblem(f"{name} is no name on the Hub; it has the form USER/NAME.") from error
        if name.count("/") != 1:
            raise SpaceProblem(f"{name} is no name on the Hub; it has the form USER/NAME.")
    if wanted.hardware and wanted.hardware not in HARDWARE:
        raise SpaceProblem(f"--hardware {wanted.hardware}: Spaces have {', '.join(HARDWARE)}.")


def look(hub: HfApi, wanted: Wanted) -> Found:
    """Ask the Hub what there is; nothing is changed. Raises `SpaceProblem` for what can't be built upon."""
    with explained(wanted.name, hub.endpoint):
        role = hub.whoami().get("auth", {}).get("accessToken", {}).get("role")
        if role == "read":
            raise SpaceProblem(
                f"{hub.endpoint} lets this token only read; make one that may write at "
                "https://huggingface.co/settings/tokens."
            )
        space = _space(hub, wanted.name)
        _check_space(wanted.name, space)
        return Found(
            space.exists, space.hardware, space.files, space.secrets, space.variables,
            dataset_exists=_dataset_exists(hub, dataset_of(wanted, space)),
        )  # fmt: skip


def hardware_of(wanted: Wanted, found: Found) -> str:
    """What the Space runs on in the end."""
    return wanted.hardware or found.hardware or DEFAULT_HARDWARE


def dataset_of(wanted: Wanted, found: Found) -> str:
    """The data set that keeps its votes: a Space that has one must not lose sight of it."""
    return wanted.dataset or found.variables.get("ARENA_DATASET") or f"{wanted.name}-votes"


def _space(hub: HfApi, name: str) -> Found:
    try:
        info = hub.space_info(name)
    except RepositoryNotFoundError:
        return Found()
    return Found(
        exists=True,
        hardware=str((info.runtime and info.runtime.requested_hardware) or ""),
        files=frozenset(file.rfilename for file in info.siblings or ()),
        secrets=frozenset(hub.get_space_secrets(name)),
        variables={key: one.value for key, one in hub.get_space_variables(name).items()},
    )


def _check_space(name: str, space: Found) -> None:
    """A Space of something else is not written over."""
    if space.exists and not (space.files >= _OURS or space.files <= _NEW):
        raise SpaceProblem(f"{name} is a Space of something else; choose another name, or delete it there first.")


def _dataset_exists(hub: HfApi, dataset: str) -> bool:
    try:
        info = hub.dataset_info(dataset)
    except RepositoryNotFoundError:
        return False
    if not info.private:
        raise SpaceProblem(
            f"The data set {dataset} is public, and votes with their prompts would be too; make it private there, "
            "or name another with --dataset."
        )
    return True


@contextmanager
def explained(name: str, endpoint: str) -> Iterator[None]:
    """Our own sentence, and no cause, for whatever the Hub or the way to it says: it may repeat what was sent."""
    disable_progress_bars()
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        unpaid = f"asks for a subscription to host {name} on this hardware; --hardware names another"
        known = refusals(name) | {402: unpaid}
        said = known.get(status, f"answered {status}; try again later, what was done stays and is not done twice")
        raise SpaceProblem(f"{endpoint} {said}.") from None
    except (HTTPError, OSError) as error:
        raise OutOfReach(f"{endpoint} is out of reach ({type(error).__name__}); try again later.") from None
    except (RuntimeError, ValueError) as error:  # a front matter that it can't read, say
        raise SpaceProblem(f"{endpoint} did not take what was sent for {name} ({type(error).__name__}).") from None
