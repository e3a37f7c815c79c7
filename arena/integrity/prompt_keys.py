"""What makes two prompts the same one: how they read, not how they are typed."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

KEY_BYTES = 16
# Punctuation that is more than a pause: C# is not C, 1-1 not 11, 50% not 50.
_SPOKEN = frozenset("#%&*/@\\-_")


def prompt_key(prompt: str) -> str:
    """The same 32 hex digits for prompts that differ in case, width, invisible characters, spaces and punctuation.

    A digest without a key: whoever holds it can tell whether it is that of a prompt they think of.
    """
    return hashlib.blake2b(normalised(prompt).encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).hexdigest()


def prompt_keys(prompts: Iterable[str]) -> frozenset[str]:
    """The `prompt_key` of each; of prompts that read alike there is one."""
    return frozenset(map(prompt_key, prompts))


def normalised(prompt: str) -> str:
    """The prompt's letters, digits and symbols in words; of one that has none, all of it."""
    # Folding can undo the composition, and composing the folding (Unicode 15, section 3.13): hence twice.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", prompt).casefold())
    words = " ".join("".join(map(_spoken, folded)).split())
    return words or " ".join(folded.split())


def _spoken(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cf":  # joins or splits nothing that is seen
        return ""
    return " " if kind[0] in "PZC" and character not in _SPOKEN else character
