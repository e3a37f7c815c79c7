"""`python -m arena space <what>`: this arena as a Space on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arena.commands.opened import say, stop

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from pydantic import SecretStr

    from arena.space_found import Found, Wanted

app = typer.Typer(help="Run this arena as a Space on the Hugging Face Hub.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `create` a verb of its own: typer would drop the name of an only one."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="USER/NAME", help="The Space, made or updated.")],
    hardware: Annotated[str, typer.Option(help="zero-a10g (default), cpu-basic, l4x1, …")] = "",
    dataset: Annotated[str, typer.Option(help="Keeps the votes; default: USER/NAME-votes.")] = "",
    lineup: Annotated[str, typer.Option(help="auto, cpu, zerogpu, gpu-8gb or gpu-24gb.")] = "",
    private: Annotated[bool, typer.Option("--private", help="Show a new Space to nobody but you.")] = False,
    variable: Annotated[str, typer.Option("--token-env", help="The variable of your token.")] = "HF_TOKEN",
    space_variable: Annotated[
        str,
        typer.Option(
            "--space-token-env",
            help="The variable of a token for the Space itself, which should do no "
            "more than write the data set; default: yours.",
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print every step and change nothing.")] = False,
) -> None:
    """Create or update a Space, its private data set for votes, its secrets, and push the code of this clone."""
    from huggingface_hub import HfApi

    from arena.settings import hub_token
    from arena.space_files import SpaceProblem, space_files
    from arena.space_found import Wanted, check_names, hardware_of

    mine = hub_token(variable)
    token = _token(space_variable) if space_variable else mine
    try:
        if lineup:
            _check_lineup(lineup)
        wanted = Wanted(
            name, token or _nobody(), replace_token=bool(space_variable),
            dataset=dataset, lineup=lineup, hardware=hardware, private=private,
        )  # fmt: skip
        check_names(wanted)
        hub = HfApi(token=mine.get_secret_value() if mine else False)
        found = _found(hub, wanted, dry_run=dry_run, known=mine is not None, variable=variable)
        files = space_files(Path(__file__).parents[2], hardware_of(wanted, found))
        _do(hub, wanted, found, files, dry_run=dry_run)
    except SpaceProblem as problem:
        stop(str(problem))


def _found(hub: HfApi, wanted: Wanted, *, dry_run: bool, known: bool, variable: str) -> Found:
    """What the Hub has; a dry run without a token or a way to the Hub shows how a new Space would be made."""
    from arena.space_found import Found, OutOfReach, look

    if not known and not dry_run:
        stop(f"There is no token for the Hub; set {variable} to one from https://huggingface.co/settings/tokens.")
    if not known:
        say("Without a token the Hub is not asked; these are the steps for a Space that is not there yet:")
        return Found()
    try:
        return look(hub, wanted)
    except OutOfReach as problem:
        if not dry_run:
            raise
        say(f"{problem} These are the steps for a Space that is not there yet:")
        return Found()


def _do(hub: HfApi, wanted: Wanted, found: Found, files: dict[str, bytes], *, dry_run: bool) -> None:
    from arena.space import ADMIN_TOKEN, steps
    from arena.space_found import explained

    for step in steps(hub, wanted, found, files):
        typer.echo(step.said)
        if dry_run:
            continue
        with explained(wanted.name, hub.endpoint):
            step.do()
        if ADMIN_TOKEN in step.sets:  # at once: should a later step fail, the next run knows it no more
            say(f"The token of the page /admin, shown only now: {wanted.admin_token.get_secret_value()}")
    if dry_run:
        say("Nothing was changed.")
        return
    say(f"{hub.endpoint}/spaces/{wanted.name} builds now, which takes some minutes.")


def _token(variable: str) -> SecretStr:
    from arena.settings import hub_token

    token = hub_token(variable) if variable != "HF_TOKEN" else hub_token()
    if token is None:
        stop(f"--space-token-env {variable}: that variable is empty.")
    return token


def _nobody() -> SecretStr:
    from pydantic import SecretStr

    return SecretStr("")


def _check_lineup(lineup: str) -> None:
    from typing import get_args

    from arena.settings import Settings

    known = get_args(Settings.model_fields["lineup"].annotation)
    if lineup not in known:
        stop(f"--lineup {lineup}: there are {', '.join(known)}.")
