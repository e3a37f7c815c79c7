"""`python -m arena integrity <what>`: judge votes by the rules, and say what there is against a voter."""

from __future__ import annotations

from typing import Annotated

import typer

from arena.commands.opened import hand_out, kindly, reading, say, stop, writing

app = typer.Typer(help="Review which votes count, and why.", no_args_is_help=True)


@app.command()
def review(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
) -> None:
    """Judge all votes that were cast here; the arena is stopped, unless nothing is written."""
    with kindly():
        from arena.integrity.prompt_keys import prompt_keys
        from arena.integrity.review import Review
        from arena.integrity.rules import RULES_VERSION
        from arena.settings import load_settings
        from arena.ui.texts import examples

        offered = prompt_keys(examples())
        if dry_run:
            with reading(load_settings().database) as database:
                findings = Review(database, offered=offered).everybody(write=False)
        else:
            with writing() as (database, _):
                findings = Review(database, offered=offered).everybody()
        for reason, count in findings.votes.most_common():
            typer.echo(f"{reason}\t{count}")
        done = "nothing was written" if dry_run else f"{findings.changed} votes have another status"
        say(
            f"Judged {findings.votes.total()} votes by version {RULES_VERSION} of the rules; {done}. "
            f"Voters that there is evidence against: {len(findings.biased)}."
        )


@app.command()
def show(voter: Annotated[str, typer.Argument(help="A voter's id, as the page /admin has it.")]) -> None:
    """Say what there is against a voter, contestant by contestant; beside a running arena too."""
    with kindly():
        from arena.integrity.appeals import Appeals
        from arena.integrity.explained import explained
        from arena.settings import load_settings

        with reading(load_settings().database) as database:
            explanation, names = Appeals(database).evidence(voter)
        if not explanation.votes:
            stop(f"Nobody by the name {voter!r} has voted here; the page /admin has the ids of voters.")
        hand_out(explained(explanation, names), None)
