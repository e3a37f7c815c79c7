"""What browsers are told of every answer: where a page may load from, who may frame it, what it may use."""

from __future__ import annotations

from collections.abc import Iterable


def security_headers(ancestors: str) -> dict[str, str]:
    """`ancestors`: who may show the page inside a frame, as the policy writes it."""
    policy: Iterable[str] = (
        "default-src 'self'",
        # Gradio writes its configuration into the page and evaluates the pages' own small functions.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "script-src-attr 'none'",  # the way in which markup that passed a sanitizer would run
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",  # an answer's image would tell its model's maker who reads it
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        f"frame-ancestors {ancestors}",
    )
    return {
        "content-security-policy": "; ".join(policy),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cross-origin-opener-policy": "same-origin",
    }
