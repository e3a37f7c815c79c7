"""All pages together, and how Gradio is told to serve them."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
from gradio import http_server
from starlette.middleware import Middleware

from arena.admin_routes import admin_routes
from arena.desk import Desk
from arena.figures.plots import Plots
from arena.health import Checkup, health
from arena.metrics import metrics_route
from arena.peers import Peers
from arena.routes import routes
from arena.throttle import Throttle
from arena.ui.about_page import build_about_page
from arena.ui.admin_page import build_admin_page
from arena.ui.battle_page import build_battle_page
from arena.ui.endpoints import build_endpoints
from arena.ui.evaluation.evaluations import Evaluations
from arena.ui.evaluation.look import CSS as EVALUATION_CSS
from arena.ui.evaluation.page import build_evaluation_page
from arena.ui.evaluation.routes import evaluation_routes
from arena.ui.leaderboard_page import build_leaderboard_page
from arena.ui.schemas import remember_schema
from arena.ui.services import Services
from arena.ui.sessions import MOST_SESSIONS, bound_sessions
from arena.ui.tables import JudgeRatings
from arena.ui.texts import TEXTS, say
from arena.ui.theme import CSS, HEAD, theme
from arena.ui.traces import log_traces
from arena.web import Guard, Site

MOST_EVENTS = 1000
SPARE_EVENTS = 320  # a vote that may be taken back is a running event for seconds: 50 votes a second are 150


def build_site(services: Services) -> tuple[gr.Blocks, dict[str, Any]]:
    """The Blocks and the arguments of its `launch`; a test may change them before it calls it."""
    remember_schema(gr.Chatbot)
    refuse_code()
    i18n = gr.I18n(**TEXTS)
    # Whoever asks for files or data in great numbers waits in line for them: votes come first.
    desk = Desk(places=1, waiting=16)
    evaluations = Evaluations(services.database, services.leaderboard)
    title = services.settings.title
    # Gradio takes the names of pages as plain strings: they are not translated.
    with gr.Blocks(title=title, analytics_enabled=False) as demo:
        gr.Navbar(main_page_name=say("en", "battle"))
        gr.Markdown(f"# {title}")
        build_battle_page(demo, services, i18n)
        build_endpoints(services.leaderboard, desk)
    with demo.route(say("en", "leaderboard"), "/leaderboard"):
        gr.Navbar(main_page_name=say("en", "battle"))
        gr.Markdown(f"# {title}")
        build_leaderboard_page(demo, services, i18n, JudgeRatings(evaluations.rates, evaluations.column))
    with demo.route(say("en", "evaluation"), "/evaluation"):
        gr.Navbar(main_page_name=say("en", "battle"))
        gr.Markdown(f"# {title}")
        build_evaluation_page(demo, services, evaluations, i18n)
    with demo.route(say("en", "about"), "/about"):
        gr.Navbar(main_page_name=say("en", "battle"))
        gr.Markdown(f"# {title}")
        build_about_page(demo, services)
    if services.admission.possible:
        with demo.route(say("en", "admin_title"), "/admin", show_in_navbar=False):
            gr.Navbar(main_page_name=say("en", "battle"))
            gr.Markdown(f"# {title}")
            build_admin_page(demo, services, i18n)
    # Who waits for a place stands in our own line (arena/gate.py): Gradio's would turn votes away with it.
    demo.queue(max_size=MOST_EVENTS, api_open=False)
    bound_sessions(demo)
    log_traces()
    return demo, _launch_options(services, i18n, desk, evaluations)


def refuse_code() -> None:
    """Start no second server of Gradio's that takes code.

    On a Space, and by no setting, Gradio 6.31 opens port 7887 to all addresses: whoever reaches it, asked for nothing,
    reads files of ours, the voters' secret among them, and writes others in the place of our code.
    """

    def watch_nothing(_reloader: object) -> None:
        """What Gradio runs in a thread beside the pages."""

    http_server.watchfn_spaces = watch_nothing


def _launch_options(services: Services, i18n: gr.I18n, desk: Desk, evaluations: Evaluations) -> dict[str, Any]:
    settings = services.settings
    # With a domain of its own a Space has several hosts.
    space = tuple(f"https://{host.strip()}" for host in settings.space_host.split(",") if host.strip())
    plots = Plots(services.leaderboard, services.downloads.speeds)
    peers = Peers(settings.trusted_proxies)
    site = Site(
        (*settings.origins, *space),
        settings.on_space,
        settings.listen,
        peers=peers,
        user_header=settings.user_header,
        signs_in=bool(settings.oauth_client_id),
        admin=services.admission.possible,
        metrics=settings.metrics,
    )
    guard = Middleware(Guard, voters=services.voters, site=site, throttle=Throttle() if settings.guarded else None)
    return {
        "server_name": settings.listen,
        "server_port": settings.port,
        "app_kwargs": {
            "middleware": [guard],
            "routes": [
                *evaluation_routes(evaluations, desk),
                *routes(services.downloads, plots, desk, Checkup(partial(health, services))),
                *admin_routes(services.admission, on_space=settings.on_space),
                *([metrics_route(services.metrics, services, peers)] if services.metrics else []),
            ],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        "theme": theme(),
        "css": CSS + EVALUATION_CSS,
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
        "state_session_capacity": MOST_SESSIONS,
        "quiet": True,
    }
