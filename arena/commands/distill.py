"""`python -m arena distill <what>`: a small model learns from a large one, step by step, each of plain files."""

from __future__ import annotations

import typer

from arena.commands import (
    distill_clean,
    distill_collect,
    distill_compare,
    distill_demo,
    distill_price,
    distill_register,
    distill_train,
)

app = typer.Typer(help="Teach a small model: collect, clean, train, register, compare; and what it costs.")


@app.callback()
def distill() -> None:
    """Teach a small model from a large one's conversations; every verb goes on where it was stopped."""


distill_collect.register(app)
distill_clean.register(app)
distill_price.register(app)
distill_compare.register(app)
distill_register.register(app)
distill_train.register(app)
distill_demo.register(app)
