"""Signing in, where one can: under which name one votes, and on a Space the button."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio import oauth, utils

from arena.settings import SettingsError
from arena.ui.markup import plain
from arena.ui.services import Services
from arena.ui.texts import language_of, say


def build_sign_in(page: gr.Blocks, services: Services) -> None:
    """A line of the Battle page; nothing where nobody can sign in.

    Raises `SettingsError` where Gradio would not ask Hugging Face who it is, but believe everybody.
    """
    if not services.sign_in.possible:
        return
    with gr.Row(elem_id="sign-in"):
        line = gr.Markdown(elem_id="signed-in")
        if services.settings.oauth_client_id:
            check_oauth()
            words = say("en", "sign_in"), say("en", "sign_out", name="{}")
            # Without its icon, which would come by a path for anybody's files that the guard keeps shut.
            gr.LoginButton(*words, icon=None, size="sm", scale=0, min_width=240, variant="secondary")

    async def who(request: gr.Request) -> Any:
        language = language_of(str(request.headers.get("accept-language", "")))
        account = services.sign_in.account_of(request.request)
        if account is None:
            days = services.settings.verified_days
            return gr.update(
                value=say(language, "sign_in_invite", days=days), visible=bool(services.settings.oauth_client_id)
            )
        verified = await services.sign_in.verified(account)
        key = "signed_in_verified" if verified else "signed_in"
        return gr.update(value=say(language, key, name=plain(account.name)), visible=True)

    page.load(who, None, line, api_visibility="private", show_progress="hidden", concurrency_limit=None)


def check_oauth() -> None:
    """Raise `SettingsError` where Gradio would sign in everybody as its host, or with a session that all can forge."""
    if utils.get_space() is None:
        raise SettingsError(
            "OAUTH_CLIENT_ID and SPACE_HOST are set, but SYSTEM=spaces and SPACE_ID are not: this is no Space, "
            "and signing in by Hugging Face exists there alone."
        )
    if not oauth.OAUTH_CLIENT_SECRET:
        raise SettingsError("OAUTH_CLIENT_SECRET is empty: anybody could forge who they are; set hf_oauth anew.")
