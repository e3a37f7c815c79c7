"""A Space on the Hugging Face Hub that runs this arena: what is left to do, step by step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, SpaceHardware

from arena.space_found import DEFAULT_HARDWARE, Found, Wanted, dataset_of

ADMIN_TOKEN = "ARENA_ADMIN_TOKEN"  # noqa: S105
_KEPT_BY_THE_HUB = frozenset((".gitattributes",))


@dataclass(frozen=True)
class Step:
    """One thing to do, as a sentence that shows no secret, and how it is done."""

    said: str
    do: Callable[[], object]
    sets: frozenset[str] = frozenset()
    """Secrets that the Space has once it is done."""


def steps(hub: HfApi, wanted: Wanted, found: Found, files: Mapping[str, bytes]) -> list[Step]:
    """What turns what was `found` into what is `wanted`, in order; `files` is the Space's code."""
    dataset = dataset_of(wanted, found)
    given = {"ARENA_DATASET": dataset} | ({"ARENA_LINEUP": wanted.lineup} if wanted.lineup else {})
    new = _new_secrets(wanted, found)
    todo = []
    if not found.dataset_exists:
        todo.append(
            Step(
                f"Create the private data set {dataset}, which keeps the votes.",
                lambda: hub.create_repo(dataset, repo_type="dataset", private=True),
            )
        )
    if not found.exists:
        todo.append(_creation(hub, wanted, new, given))
    else:
        todo += _changes(hub, wanted, found, new, given)
    todo.append(_code(hub, wanted.name, found, files))
    return todo


def _new_secrets(wanted: Wanted, found: Found) -> dict[str, str]:
    """Secrets the Space has not yet: those that are there are never replaced, but for the token on request."""
    made = {
        "HF_TOKEN": wanted.token.get_secret_value(),
        "ARENA_SECRET": secrets.token_urlsafe(32),
        ADMIN_TOKEN: wanted.admin_token.get_secret_value(),
    }
    replaced = {"HF_TOKEN"} if wanted.replace_token else set()
    return {name: value for name, value in made.items() if name not in found.secrets or name in replaced}


def _creation(hub: HfApi, wanted: Wanted, new: Mapping[str, str], variables: Mapping[str, str]) -> Step:
    """All in one call, so that the first start has everything."""
    hardware = wanted.hardware or DEFAULT_HARDWARE
    told = ", ".join(f"{name}={value}" for name, value in variables.items())
    return Step(
        f"Create the {'private' if wanted.private else 'public'} Space {wanted.name} on {hardware} "
        f"with the secrets {', '.join(new)} and the variables {told}.",
        lambda: hub.create_repo(
            wanted.name,
            repo_type="space",
            private=wanted.private,
            space_sdk="gradio",
            space_hardware=SpaceHardware(hardware),
            space_secrets=[{"key": name, "value": value} for name, value in new.items()],
            space_variables=[{"key": name, "value": value} for name, value in variables.items()],
        ),
        sets=frozenset(new),
    )


def _changes(
    hub: HfApi, wanted: Wanted, found: Found, new: Mapping[str, str], variables: Mapping[str, str]
) -> Iterator[Step]:
    name = wanted.name
    for key, value in new.items():
        said = f"Set the secret {key} of {name}."
        yield Step(said, partial(hub.add_space_secret, name, key, value), sets=frozenset((key,)))
    for key, value in variables.items():
        if found.variables.get(key) != value:
            before = f", which was {found.variables[key]}" if key in found.variables else ""
            said = f"Set the variable {key}={value} of {name}{before}."
            yield Step(said, partial(hub.add_space_variable, name, key, value))
    if wanted.hardware and wanted.hardware != found.hardware:
        said = f"Ask for {wanted.hardware} in place of {found.hardware or 'what it has'}."
        yield Step(said, partial(hub.request_space_hardware, name, SpaceHardware(wanted.hardware)))


def _code(hub: HfApi, name: str, found: Found, files: Mapping[str, bytes]) -> Step:
    stale = sorted(found.files - files.keys() - _KEPT_BY_THE_HUB)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationDelete(path_in_repo=path) for path in stale),
        *(CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()),
    ]
    also = f" and delete {len(stale)} that are no longer part of it" if stale else ""
    return Step(
        f"Push {len(files)} files ({sum(map(len, files.values())) / 1e6:.1f} MB) to {name}{also}, in one commit.",
        lambda: hub.create_commit(name, operations, commit_message="Paddock, from a clone", repo_type="space"),
    )
