"""What the Hugging Face Hub refuses a token, in words that say what to do."""

from __future__ import annotations


def refusals(name: str) -> dict[int, str]:
    """HTTP status → the rest of a sentence that begins with the Hub; `name` is the repository that was asked for."""
    return {
        401: "does not take this token; make one that may write at https://huggingface.co/settings/tokens",
        403: f"does not let this token write to {name}; give it the permission, or use your own name as USER",
        404: f"shows this token no {name}; check the name and the token's permissions",
    }
