"""Checkpoints: folders of safetensors, from the Hugging Face Hub or on this machine; no pickles, no programs.

<cache>/checkpoints/<id, / as -->/<revision>/      a snapshot of the Hub; this name appears only when it is whole
<cache>/checkpoints/<id, / as -->/<revision>.json  size, time and SHA-256 of each of its files
<cache>/checkpoints/<id, / as -->/<revision>.part  what is on its way; kept between starts, removed after success
<cache>/checkpoints/<id, / as -->/<revision>.lock  one process fetches, the others wait for it
<cache>/digests/<SHA-256 of the path>.json         size, time and SHA-256 of the files of a folder elsewhere
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from models.fetch import REMEDIES, FetchError, Report, locked
from models.origin import FolderCheckpoint, HubCheckpoint
from models.sources import SourceFailed, Trouble, ask_hub, check_space, disk_is_full

# Weights, configuration, templates, tokenizers: data only, and right in the folder, where transformers looks.
_PART = re.compile(r"[\w-][\w .+-]*\.(safetensors|json|jinja|model|txt)")
_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
HUB_SECONDS = 20.0  # to wait for an answer; there is no other source
_REMEDIES: dict[Trouble, str] = {
    **REMEDIES,
    "network": "connect this machine to the internet, or copy the files here and name them as a folder",
    "hash": "start again, and if it says so again, correct the revision in the catalogue",
    "absent": "correct its id or revision in the catalogue, or set HF_TOKEN to a token that may read it",
}

log = logging.getLogger("paddock.checkpoint")


class Fact(NamedTuple):
    """What is known of a file: with the same size and time it is not read again."""

    size: int
    mtime_ns: int
    sha256: str


class Offer(NamedTuple):
    """What the Hub says of a file: its size in bytes; its SHA-256, or git's SHA-1 of a small one."""

    size: int
    hash: str


def bring(checkpoint: HubCheckpoint | FolderCheckpoint, cache: Path, report: Report) -> Path:
    """Return the folder of `checkpoint`, verified; what comes from the Hub is brought into `cache` first.

    `report` gets the fraction done, 0 to 1, from the calling thread; what it raises stops the download,
    and what has come so far stays for the next call. Safe to call from several processes at once; what is
    there once needs no network. Raises `FetchError`.
    """
    if isinstance(checkpoint, FolderCheckpoint):
        folder = _confirm(checkpoint, cache, report)
    else:
        folder = _from_hub(checkpoint, cache, report)
    report(1.0)
    return folder


def digest(folder: Path, cache: Path | None = None, report: Report = lambda _: None) -> str:
    r"""Name a folder of safetensors by what is in it; with a `cache` each file is read once.

    SHA-256 in hex over a line `<SHA-256 of the contents in hex>  <name>\n` (UTF-8) for each file of the folder
    itself, links followed, that ends in .safetensors, .json, .jinja, .model or .txt, sorted by name. It is what
    `sha256sum -- $(ls | grep -E '\.(safetensors|json|jinja|model|txt)$' | LC_ALL=C sort) | sha256sum` prints.
    Raises `FetchError` for a folder that can't be read or holds no safetensors.
    """
    what = f"The checkpoint {folder}"
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
        _check_names(names, what)
        parts = [name for name in names if _PART.fullmatch(name)]
        _check_shards(folder, parts, what)
        marker = cache and cache / "digests" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()}.json"
        facts = _facts(folder, parts, _recall(marker) if marker else {}, report)
    except OSError as error:
        raise FetchError(f"{what} can't be read ({error.strerror}); correct its path.") from error
    if marker:
        _remember(marker, facts)
    return hashlib.sha256("".join(f"{facts[name].sha256}  {name}\n" for name in parts).encode()).hexdigest()


def _confirm(checkpoint: FolderCheckpoint, cache: Path, report: Report) -> Path:
    folder = Path(checkpoint.path)
    if (found := digest(folder, cache, report)) != checkpoint.digest:
        raise FetchError(
            f"The checkpoint {folder} has the digest {found} and not the catalogue's {checkpoint.digest[:12]}…; "
            "bring back the files that were meant, or correct the digest in the catalogue."
        )
    return folder


def _from_hub(checkpoint: HubCheckpoint, cache: Path, report: Report) -> Path:
    folder = cache.absolute() / "checkpoints" / checkpoint.id.replace("/", "--") / checkpoint.revision
    if _is_whole(folder, report):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(_beside(folder, "lock"), report):
            if not _is_whole(folder, report):
                _fetch_anew(checkpoint, folder, report)
    except SourceFailed as failure:
        remedy = _REMEDIES[failure.trouble].format(home=folder.parent)
        raise FetchError(f"{_name(checkpoint)} can't be fetched ({failure}); {remedy}.") from failure
    except OSError as error:
        remedy = _REMEDIES["disk full" if disk_is_full(error) else "unwritable"].format(home=folder.parent)
        raise FetchError(f"{_name(checkpoint)} can't be fetched ({error.strerror}); {remedy}.") from error
    return folder


def _fetch_anew(checkpoint: HubCheckpoint, folder: Path, report: Report) -> None:
    staging, what = _beside(folder, "part"), _name(checkpoint)
    staged = staging / "files"
    staged.mkdir(parents=True, exist_ok=True)
    offers = _wanted(ask_hub("list", staging, checkpoint, HUB_SECONDS, lambda _: report(0.0)), what)
    total = sum(offer.size for offer in offers.values())
    check_space(staging, total)
    wished = [word for name, offer in offers.items() for word in (name, offer.hash)]

    def tell(size: int) -> None:
        report(min(size / max(total, 1), 0.99))

    ask_hub("get", staging, checkpoint, HUB_SECONDS, tell, *wished)
    facts = _facts(staged, list(offers), {}, lambda _: report(0.99))
    for name, offer in offers.items():
        _check_file(staged / name, offer, facts[name])
    _check_shards(staged, list(offers), what)
    _settle(staged, facts, folder)
    shutil.rmtree(staging, ignore_errors=True)


def _wanted(files: Sequence[Mapping[str, object]], what: str) -> dict[str, Offer]:
    """The files worth bringing, by name; a name that leads elsewhere is none of them."""
    _check_names([str(file["name"]) for file in files], what)
    parts = {str(file["name"]): file for file in files if _PART.fullmatch(str(file["name"]))}
    # transformers reads model.safetensors or the shards model-…; Mistral's consolidated.safetensors is all once more.
    weights = [name for name in parts if name.endswith(".safetensors")]
    read = [_WHOLE] if _WHOLE in weights else [name for name in weights if name.startswith("model-")] or weights
    offers = {}
    for name, file in parts.items():
        if name in read or name not in weights:
            match file:
                case {"size": int(size), "hash": str(content)}:
                    offers[name] = Offer(size, content)
                case _:
                    raise SourceFailed("hash", f"does not say what is in {name}")
    return offers


def _check_names(names: Collection[str], what: str) -> None:
    if "config.json" not in names:
        raise FetchError(f"{what} holds no config.json, so transformers can't read it; name a checkpoint that does.")
    if _WHOLE in names or (_INDEX in names and any(_PART.fullmatch(n) and n.endswith(".safetensors") for n in names)):
        return
    others = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".gguf"))]
    found = f" but {others[0]}, which is not loaded here" if others else ""
    raise FetchError(f"{what} holds no {_WHOLE}{found}; name a revision or another checkpoint with safetensors.")


def _check_shards(folder: Path, names: Collection[str], what: str) -> None:
    """Every file the index names must be one of `names`: none may be missing, or lie outside of the folder."""
    if _WHOLE in names:
        return
    try:
        shards = set(json.loads((folder / _INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FetchError(f"{what} has a damaged {_INDEX}; bring a whole one.") from error
    if missing := sorted(str(shard) for shard in shards - set(names)):
        raise FetchError(f"{what} lacks {missing[0]}, which {_INDEX} names; bring all files into the folder itself.")


def _check_file(path: Path, offer: Offer, fact: Fact) -> None:
    content = fact.sha256
    if len(offer.hash) == 40:
        with path.open("rb") as file:
            git = hashlib.sha1(f"blob {fact.size}\0".encode(), usedforsecurity=False)
            content = hashlib.file_digest(file, lambda: git).hexdigest()
    if (fact.size, content) != offer:
        path.unlink()
        raise SourceFailed("hash", f"brought another {path.name} than it lists")


def _settle(staged: Path, facts: Mapping[str, Fact], folder: Path) -> None:
    """Give the verified files their name; a kill between any two lines leaves nothing half."""
    for name in facts:
        with (staged / name).open("rb+") as file:
            os.fsync(file.fileno())
    shutil.rmtree(folder, ignore_errors=True)  # what is there was not whole
    _remember(_beside(folder, "json"), facts)
    staged.rename(folder)


def _is_whole(folder: Path, report: Report) -> bool:
    """Whether every file is what it was when it was verified."""
    known = _recall(_beside(folder, "json"))
    try:
        facts = _facts(folder, list(known), known, report)
    except OSError:
        return False
    if any(fact.sha256 != known[name].sha256 for name, fact in facts.items()):
        log.warning("%s is not what was fetched and is fetched again", folder)
        return False
    if facts != known:
        _remember(_beside(folder, "json"), facts)
    return bool(known)


def _facts(folder: Path, names: Sequence[str], known: Mapping[str, Fact], report: Report) -> dict[str, Fact]:
    facts = {}
    for number, name in enumerate(names):
        report(number / len(names))
        path, before = folder / name, known.get(name)
        stat = path.stat()
        if before is not None and before[:2] == (stat.st_size, stat.st_mtime_ns):
            facts[name] = before
        else:
            with path.open("rb") as file:
                facts[name] = Fact(stat.st_size, stat.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest())
    return facts


def _recall(marker: Path) -> dict[str, Fact]:
    try:
        return {name: Fact(*fact) for name, fact in json.loads(marker.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        log.info("nothing is remembered in %s; the files are read", marker)
        return {}


def _remember(marker: Path, facts: Mapping[str, Fact]) -> None:
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps(facts), encoding="utf-8")
    except OSError as error:  # a cache that can't be written is fine, only slower
        log.info("no marker %s: %s", marker, error.strerror)


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f"{folder.name}.{kind}")


def _name(checkpoint: HubCheckpoint) -> str:
    return f"The checkpoint {checkpoint.id} (revision {checkpoint.revision[:12]})"
