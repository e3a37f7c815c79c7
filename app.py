"""The web door, for Spaces and for `make serve`: settings → database → catalogue → pages → launch."""

from __future__ import annotations

import logging
import sys

from arena.address import check_address
from arena.connections import hurry
from arena.logs import Mask, adopt_server_logs, secrets_of, set_up_logs
from arena.settings import SettingsError, load_settings
from arena.stopping import finish, orderly_signals
from arena.ui.services import open_services
from arena.ui.site import build_site
from db.session import DatabaseProblem
from models.catalog import CatalogError

log = logging.getLogger("paddock")


def main() -> None:
    settings = load_settings()
    set_up_logs(settings.log_format, Mask(secrets_of(settings)))
    check_address(settings)
    settings.reach_ourselves_directly()
    settings.name_real_peers()
    with open_services(settings) as services:
        demo, options = build_site(services)
        try:
            demo.launch(**options, prevent_thread_lock=True)
            hurry(demo.server.config)
            adopt_server_logs()
            services.pool.start()
            log.info("%s is open at %s", settings.title, demo.local_url)
            demo.block_thread()
        finally:
            try:
                services.keeper.begin_flush()
                finish(services.battles, settings.stop_seconds)
            finally:
                demo.close(verbose=False)


if __name__ == "__main__":
    try:
        with orderly_signals():
            main()
    except (SettingsError, CatalogError, DatabaseProblem) as error:
        sys.exit(str(error))
