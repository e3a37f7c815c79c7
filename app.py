"""The web door, for Spaces and for `make serve`: settings → database → catalogue → pages → launch."""

from __future__ import annotations

import logging
import signal
import sys

from arena.settings import SettingsError, load_settings
from arena.ui.services import open_services
from arena.ui.site import build_site
from db.session import DatabaseProblem
from models.catalog import CatalogError


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for talkative in ("httpx", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    # An orderly stop: what was submitted is written, and the engines' processes end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = load_settings()
    settings.check_address()
    settings.reach_ourselves_directly()
    with open_services(settings) as services:
        demo, options = build_site(services)
        demo.launch(**options, prevent_thread_lock=True)
        services.pool.start()
        print(f"{settings.title} is open at {demo.local_url}", flush=True)  # noqa: T201
        try:
            demo.block_thread()
        finally:
            demo.close(verbose=False)


if __name__ == "__main__":
    try:
        main()
    except (SettingsError, CatalogError, DatabaseProblem) as error:
        sys.exit(str(error))
