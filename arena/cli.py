"""`python -m arena <verb>`. Whatever is heavy is imported inside the verb that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from arena.commands import database, distill, export, forget, integrity, judge, space
from arena.commands.opened import downloads, hand_out, kindly, pseudonym_key, publishing, say, stop, writing

app = typer.Typer(
    help="Paddock, a self-hosted blind arena for language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(export.app, name="export")
app.add_typer(database.app, name="db")
app.add_typer(integrity.app, name="integrity")
app.add_typer(space.app, name="space")
app.add_typer(judge.app, name="judge")
app.add_typer(distill.app, name="distill")
app.command()(forget.forget)


Form = Literal["table", "json", "csv"]
BoardForm = Literal["table", "json", "csv", "parquet", "markdown", "lmarena"]
Method = Literal["bt", "elo"]


@app.command()
def leaderboard(
    form: Annotated[BoardForm, typer.Option("--format", help="How to print it.")] = "table",
    method: Annotated[Method, typer.Option(help="bt: Bradley–Terry; elo: online Elo with its spread.")] = "bt",
    prior: Annotated[str, typer.Option(help="Draws added to every pair; 0: none.")] = "",
    category: Annotated[str, typer.Option(help="Only prompts of this category.")] = "",
    language: Annotated[str, typer.Option(help="Only prompts in this language, as an ISO 639-1 code.")] = "",
    since: Annotated[str, typer.Option(help="Only votes from this day on, as in 2026-01-31 (UTC).")] = "",
    until: Annotated[str, typer.Option(help="Only votes to this day, included.")] = "",
    turns: Annotated[str, typer.Option(help="all, single or several: battles of one prompt, or of more.")] = "",
    ties: Annotated[str, typer.Option(help="half or left_out: a tie is half a win, or no vote.")] = "",
    both_bad: Annotated[str, typer.Option(help="half or left_out, likewise.")] = "",
    style: Annotated[bool, typer.Option("--style", help="Hold length and Markdown of the answers equal.")] = False,
    verified: Annotated[bool, typer.Option("--verified", help="Only votes of verified voters.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Print the leaderboard, best first; before the first vote too."""
    with kindly():
        from arena.boards.selection import Selection

        given = {"prior": prior, "category": category, "language": language, "since": since, "until": until}
        given |= {"turns": turns, "ties": ties, "both_bad": both_bad}
        given |= {"style": str(style).lower(), "verified": str(verified).lower()}
        selection = Selection.read(given)
        if form == "parquet" and out is None:
            stop("--format parquet needs --out FILE.")
        if form == "lmarena" and method == "elo":
            stop("--format lmarena holds confidence intervals, which Elo has none of; leave --method elo out.")
        with downloads() as ours:
            board = ours.leaderboard.board(selection)
            if board.unstyled:
                say(f"{board.unstyled} votes are left out: how their answers look is not known.")
            elif not board.votes and selection != Selection():
                say("No votes match.")
            if form == "parquet" and out is not None:
                ours.write_leaderboard(out, selection, method)
                say(f"Wrote {out}.")
            elif form == "lmarena":
                hand_out(ours.lmarena_text(selection), out)
            elif form != "parquet":
                hand_out(ours.leaderboard_text(form, selection, method), out)


@app.command()
def speed(
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = "table",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Print what the contestants' answers took: tokens, seconds, joules; of battles that have their vote."""
    with kindly(), downloads() as ours:
        from arena.exchange.listings import speed_text

        hand_out(speed_text(ours.speeds.refresh(), form), out)


@app.command(name="import")
def import_votes(
    file: Annotated[Path, typer.Argument(help="FILE.csv, FILE.tsv, FILE.jsonl or FILE.parquet.")],
    model_a: Annotated[str, typer.Option(metavar="COLUMN", help="The model on the left.")] = "",
    model_b: Annotated[str, typer.Option(metavar="COLUMN", help="The model on the right.")] = "",
    winner: Annotated[str, typer.Option(metavar="COLUMN", help="The outcome.")] = "",
    voter: Annotated[str, typer.Option(metavar="COLUMN", help="Who voted.")] = "",
    timestamp: Annotated[str, typer.Option(metavar="COLUMN", help="When, as ISO 8601 or seconds since 1970.")] = "",
    language: Annotated[str, typer.Option(metavar="COLUMN", help="The language of the prompt.")] = "",
    category: Annotated[str, typer.Option(metavar="COLUMN", help="The category of the prompt.")] = "",
    texts: Annotated[bool, typer.Option("--texts/--no-texts", help="Take prompts and answers in too.")] = True,
) -> None:
    """Take in the votes of a file: an export of ours, LMArena's public form, or any with these columns named."""
    with kindly(), writing() as (database, specs):
        from datetime import UTC, datetime

        from arena.commands.progress import bar
        from arena.exchange.imports import Columns, import_file

        columns = Columns(
            model_a=model_a, model_b=model_b, winner=winner, voter=voter,
            timestamp=timestamp, language=language, category=category,
        )  # fmt: skip
        with bar(f"Reading {file.name}") as told:
            now, key = datetime.now(UTC), pseudonym_key()
            done = import_file(database, specs, file, columns, now, key, texts=texts, told=told)
        named = f"; {done.named} whose voters saw the names (anony is false) were left out" if done.named else ""
        say(f"Imported {done.added} votes of {file}; {done.known} were there before{named}.")
        if guessed := done.columns.guessed(columns):
            say(f"Columns taken by their usual names: {guessed}; '-' in place of a column takes none.")
        if not done.columns.voter:
            say("No column says who voted, so each vote counts as another voter's; --voter names such a column.")


@app.command()
def label(
    again: Annotated[bool, typer.Option("--all", help="Every turn, as after a change of the rules.")] = False,
) -> None:
    """Tell the category, language and style of turns that have none: old and imported ones."""
    with kindly(), writing() as (database, _):
        from arena.labelling import label_again, label_missing

        say(f"Labelled {label_again(database) if again else label_missing(database)} turns.")


@app.command()
def push(
    name: Annotated[str, typer.Argument(help="The data set on the Hugging Face Hub, USER/NAME.")],
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see it.")] = True,
    texts: Annotated[bool, typer.Option("--texts", help="Battles and preference pairs too.")] = False,
    license_id: Annotated[str, typer.Option("--license", help="The license of the data set.")] = "CC-BY-4.0",
    keep_personal: export.KeepPersonal = False,
    variable: Annotated[str, typer.Option("--token-env", help="The variable of the Hub's token.")] = "HF_TOKEN",
) -> None:
    """Upload everything people voted to the Hugging Face Hub, as a data set with its card."""
    with kindly():
        import tempfile

        from arena.exchange import hub
        from arena.settings import hub_token

        token = hub_token(variable)
        if token is None:
            stop(f"There is no token for the Hub; set {variable} to one from https://huggingface.co/settings/tokens.")
        with (
            tempfile.TemporaryDirectory(prefix="paddock-") as folder,
            publishing(keep_personal=keep_personal) as ours,
        ):
            contents = ours.write_dataset(Path(folder), texts=texts, license_id=license_id)
            try:
                address = hub.push(Path(folder), name, token, private=private)
            except hub.HubProblem as problem:
                stop(str(problem))
        say(f"Pushed {contents.rows['votes']} votes to {address} ({'private' if private else 'public'}).")


@app.command()
def settings() -> None:
    """Print the settings in force, secrets masked, and what each of them means."""
    from arena.settings import PREFIX, load_settings
    from db.url import shown_url

    with kindly():
        loaded = load_settings()
        in_force: dict[str, Any] = {"host": loaded.listen, "database_url": shown_url(loaded.database)}
        for name, field in type(loaded).model_fields.items():
            variable = str(field.validation_alias or PREFIX + name.upper())
            typer.echo(f"{variable}={in_force.get(name, getattr(loaded, name))}")
            typer.echo(f"    {field.description}")


@app.command()
def digest(folder: Annotated[Path, typer.Argument(help="A folder of safetensors on this machine.")]) -> None:
    """Print what a catalogue needs to name a folder of safetensors: the digest of what is in it."""
    with kindly():
        from arena.settings import load_settings
        from models import checkpoint

        typer.echo(checkpoint.digest(folder, load_settings().cache))
