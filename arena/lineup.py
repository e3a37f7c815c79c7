"""Who plays: the catalogue's models of the line-up that the settings name, or that this hardware suggests."""

from __future__ import annotations

import logging

from arena.settings import Settings
from models.catalog import CatalogError, load_catalog
from models.lineup import choose_lineup, has_torch
from models.nvml import gpu_bytes
from models.spec import ModelSpec

log = logging.getLogger("paddock.lineup")


def load_contestants(settings: Settings) -> tuple[ModelSpec, ...]:
    """The line-up without those that only judge.

    Raises `CatalogError` as `load_catalog` does, and where fewer than two are left.
    """
    seen = 0
    if settings.lineup == "auto" and not settings.zero_gpu:
        seen = gpu_bytes(settings.visible_devices)
    if seen and not has_torch():
        log.info("A GPU is there, but torch and transformers are not; the line-up is that for CPUs.")
        seen = 0
    lineup = choose_lineup(settings.lineup, settings.zero_gpu, seen)
    log.info("line-up %s", lineup)
    playing = tuple(spec for spec in load_catalog(settings.catalog, lineup, settings.students) if spec.plays)
    if len(playing) < 2:
        raise CatalogError(
            f"The catalogue {settings.catalog} lets {len(playing)} of its models play, and a battle takes two; "
            "remove plays = false from more of them."
        )
    return playing
