"""`python -m arena distill price`: what teaching will take, with all that is assumed, and what it did take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.opened import hand_out, kindly, stop

if TYPE_CHECKING:
    from arena.judge.section import Section
    from models.spec import ModelSpec

Form = Literal["table", "markdown", "json"]
Method = Literal["lora", "qlora", "full", "dpo"]


def price(
    model_size: Annotated[str, typer.Option(help="The base's size, as 13B, 1.5B or 500M.")] = "",
    config: Annotated[Path | None, typer.Option(help="Its config.json instead, for its exact shape.")] = None,
    conversations: Annotated[int | None, typer.Option(min=1, help="How many it learns from (dpo: pairs).")] = None,
    tokens: Annotated[float | None, typer.Option(min=1, help="Mean tokens of one; default: the context's.")] = None,
    data: Annotated[Path | None, typer.Option(help="Conversations to count: a file, or clean's folder.")] = None,
    method: Annotated[Method | None, typer.Option(help="How it is trained; default: qlora.")] = None,
    epochs: Annotated[float | None, typer.Option(min=0.01, help="Passes over the data; default: 3.")] = None,
    context: Annotated[int | None, typer.Option(min=8, help="Tokens at one time; default: 2048.")] = None,
    device: Annotated[str, typer.Option(help="A device of the prices; default: A100-80GB.")] = "",
    devices: Annotated[int | None, typer.Option(min=1, help="How many of it; default: 1.")] = None,
    utilisation: Annotated[
        float | None, typer.Option(min=0.001, max=1, help="Share of its peak it reaches; default: by method.")
    ] = None,
    dollars_per_hour: Annotated[float | None, typer.Option(min=0, help="What you pay for an hour of one.")] = None,
    teacher: Annotated[str, typer.Option(help="The model of the catalogue that answers, to be paid too.")] = "",
    run: Annotated[Path | None, typer.Option(help="A training: what it took beside what is estimated for it.")] = None,
    prices: Annotated[Path | None, typer.Option(help="Prices; default: models/prices.toml.")] = None,
    format: Annotated[Form, typer.Option(help="For people, for a document, or for programs.")] = "table",  # noqa: A002
    out: Annotated[Path | None, typer.Option(help="A file to write to instead of the screen.")] = None,
) -> None:
    """Say what teaching takes: tokens, FLOPs, hours, energy and money, and what was published of the same."""
    with kindly():
        from arena.judge.estimate import tokens_in
        from arena.judge.section import Section
        from models.distill.bill import parts, record
        from models.distill.quote import Wanted, bill_of
        from models.prices import DEFAULT_PRICES, load_prices

        if run is not None and config is None and not model_size:
            config = _config_of(run)
        wanted = Wanted(
            model_size, config, conversations, tokens, data, method, epochs, context, device, devices, utilisation,
            dollars_per_hour, run,
        )  # fmt: skip
        who = _teacher(teacher) if teacher else None
        bill = bill_of(wanted, load_prices(prices or DEFAULT_PRICES), who, tokens_in)
        if format == "json":
            hand_out(json.dumps(record(bill), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n", out)
            return
        told = [
            Section(2, one.title, one.sentences, one.headers, one.lines, tuple(range(1, len(one.headers))))
            for one in parts(bill)
        ]
        written = (section.markdown() if format == "markdown" else _printed(section) for section in told)
        hand_out("\n".join(written), out)


def register(app: typer.Typer) -> None:
    app.command()(price)


def _teacher(name: str) -> ModelSpec:
    from arena.judge.named import judge_named
    from arena.settings import load_settings
    from models.catalog import load_catalog

    loaded = load_settings()
    return judge_named(name, load_catalog(loaded.catalog, students=loaded.students))


def _config_of(run: Path) -> Path:
    """The config.json of the base that a training began with, which is on this machine where it was trained."""
    from arena.settings import load_settings
    from models.catalog import load_catalog
    from models.distill.base import bring_base
    from models.distill.run import read_run

    loaded, base = load_settings(), read_run(run).base.id
    spec = next((one for one in load_catalog(loaded.catalog, students=loaded.students) if one.id == base), None)
    if spec is None:
        stop(f"{run} taught {base}, which is not in the catalogue {loaded.catalog}; say --model-size or --config.")
    return bring_base(spec, loaded.cache, lambda _: None).folder / "config.json"


def _printed(section: Section) -> str:
    """A section for a terminal; ends with a newline."""
    from arena.exchange.files import printable
    from arena.exchange.listings import add_line, printed, table_of

    lines = [printable(section.title), "-" * len(section.title), *map(printable, section.sentences)]
    text = "\n".join(lines) + "\n"
    if section.lines:
        table = table_of(section.headers, section.numbers)
        for line in section.lines:
            add_line(table, line)
        text += printed(table)
    return text
