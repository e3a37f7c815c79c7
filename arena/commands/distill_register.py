"""`python -m arena distill register`: what a training made becomes a contestant of the arena."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.opened import kindly, say, stop

if TYPE_CHECKING:
    from models.prices import DevicePrice
    from models.spec import ModelSpec


def register_student(
    run: Annotated[Path, typer.Argument(help="The folder of a finished training.", show_default=False)],
    student: Annotated[str, typer.Option("--id", help="Its id: small letters, digits, dots, dashes.")],
    name: Annotated[str, typer.Option(help="Its name, shown after a vote.")],
    merge: Annotated[bool, typer.Option("--merge", help="Merge the adapter into the weights.")] = False,
    quantization: Annotated[
        Literal["", "none", "nf4", "int8"],
        typer.Option(help="How it and its base are served; default: as it was trained, none if merged."),
    ] = "",
    maker: Annotated[list[str] | None, typer.Option(help="Who made it, beside its base's makers; repeatable.")] = None,
    url: Annotated[str, typer.Option(help="Where more is said of it.")] = "",
    device: Annotated[str, typer.Option(help="The device of models/prices.toml that it was trained on.")] = "",
) -> None:
    """Keep a student's weights with a model card, and enter it in the catalogue beside its base."""
    with kindly():
        from arena.commands.progress import bar
        from arena.settings import load_settings
        from models.catalog import load_catalog
        from models.distill.base import bring_base
        from models.distill.entries import Wish
        from models.distill.register import register as register_run
        from models.distill.run import read_run

        loaded, trained = load_settings(), read_run(run)
        specs = load_catalog(loaded.catalog, students=loaded.students)
        spec = next((spec for spec in specs if spec.id == trained.base.id), None)
        if spec is None:
            stop(
                f"{run} taught {trained.base.id}, which is not in the catalogue {loaded.catalog}; bring its entry back."
            )
        priced = _priced(trained.spent.device, device)
        with bar("The base is read") as told:
            base = bring_base(spec, loaded.cache, told)
        wish = Wish(student, name, merge, quantization, tuple(maker or ()), url)
        made = register_run(trained, base, wish, loaded.students, load_catalog(loaded.catalog), priced)
        if made.new:
            _tell(made.student, made.base, made.weights, loaded.students)
        else:
            say(f"{made.student.name} is registered already, from this same training, as {made.student.id}.")


def register(app: typer.Typer) -> None:
    app.command("register")(register_student)


def _priced(used: str, named: str) -> DevicePrice | None:
    """What an hour of the training cost: of the device that is named, else of the one its driver named."""
    from models.prices import load_prices

    prices = load_prices()
    found = prices.device(named or ("CPU" if used.startswith("CPU") else used))
    if found is None and named:
        stop(f"models/prices.toml has no device '{named}'; it has {', '.join(prices.devices)}.")
    return found


def _tell(student: ModelSpec, base: ModelSpec, weights: Path, students: Path) -> None:
    say(f"{student.name} is {student.id} in {students}. Its license: {student.license}.")
    say(f"Its weights and its card are in {weights}.")
    say(f"It is served by engine {student.engine}, quantization {student.quantization}; so is its base, {base.id}.")
    say("A running arena offers it within seconds, another one from its next start on.")
