"""All pages together, and how Gradio is told to serve them."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from arena.ui.about_page import build_about_page
from arena.ui.battle_page import build_battle_page
from arena.ui.leaderboard_page import build_leaderboard_page
from arena.ui.services import Services
from arena.ui.texts import TEXTS, say
from arena.ui.theme import CSS, HEAD, theme
from arena.web import Guard, Site, routes

MOST_EVENTS = 1000
SPARE_EVENTS = 64


def build_site(services: Services) -> tuple[gr.Blocks, dict[str, Any]]:
    """The Blocks and the arguments of its `launch`; a test may change them before it calls it."""
    i18n = gr.I18n(**TEXTS)
    title = services.settings.title
    # Gradio takes the names of pages as plain strings: they are not translated.
    with gr.Blocks(title=title, analytics_enabled=False) as demo:
        gr.Navbar(main_page_name=say("en", "battle"))
        gr.Markdown(f"# {title}")
        build_battle_page(demo, services, i18n)
    with demo.route(say("en", "leaderboard"), "/leaderboard"):
        gr.Navbar(main_page_name=say("en", "battle"))
        gr.Markdown(f"# {title}")
        build_leaderboard_page(demo, services, i18n)
    with demo.route(say("en", "about"), "/about"):
        gr.Navbar(main_page_name=say("en", "battle"))
        gr.Markdown(f"# {title}")
        build_about_page(demo, services)
    # Who waits for a place stands in our own line (arena/gate.py): Gradio's would turn votes away with it.
    demo.queue(max_size=MOST_EVENTS, api_open=False)
    return demo, _launch_options(services, i18n)


def _launch_options(services: Services, i18n: gr.I18n) -> dict[str, Any]:
    settings = services.settings
    space = (f"https://{settings.space_host}",) if settings.on_space else ()
    site = Site((*settings.origins, *space), settings.on_space, settings.listen)
    return {
        "server_name": settings.listen,
        "server_port": settings.port,
        "app_kwargs": {
            "middleware": [Middleware(Guard, voters=services.voters, site=site)],
            "routes": routes(services.downloads, lambda: len(services.pool.ready())),
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        "theme": theme(),
        "css": CSS,
        "head": HEAD,
        "i18n": i18n,
        "footer_links": [],
        # What a public page must not offer: history, monitoring, uploads, other people's files, node.
        "run_history": False,
        "enable_monitoring": False,
        "max_file_size": 1,
        "allowed_paths": [],
        "blocked_paths": [str(settings.data)],
        "share": False,
        "ssr_mode": False,
        "mcp_server": False,
        "show_error": False,
        "strict_cors": True,
        # Gradio counts every running event, those in our line too.
        "max_threads": settings.max_battles + settings.max_waiting + SPARE_EVENTS,
        "quiet": True,
    }
