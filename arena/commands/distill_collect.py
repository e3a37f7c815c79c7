"""`python -m arena distill collect <what>`: where the conversations to learn from come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arena.commands import distill_teacher
from arena.commands.distill_asked import origin_of
from arena.commands.opened import kindly, say

if TYPE_CHECKING:
    from models.distill.conversation import Origin

app = typer.Typer(help="Collect conversations: files of others, a teacher's answers, tasks it invents.")


@app.callback()
def collect() -> None:
    """Collect conversations to learn from into a file in Paddock's form, one JSON object a line."""


@app.command()
def files(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON, JSONL or Parquet.")],
    out: Annotated[Path, typer.Option(help="The file to write: FILE.jsonl.")],
    license_id: Annotated[str, typer.Option("--license", help="The license of data that names none (CC-BY-4.0).")] = "",
    teacher: Annotated[str, typer.Option(help="Who wrote the answers, where the file does not say it.")] = "",
) -> None:
    """Import ShareGPT, Alpaca, OpenAI's messages, and Paddock's battles, votes with texts and preference pairs.

    Texts stay as they are; `distill clean` is for what is wrong with them. Of a battle both answers come along.
    """
    with kindly():
        from arena.commands.progress import bar
        from models.distill.collect.importing import Stated, import_files, summary
        from models.distill.files import alone

        stated = Stated(teacher, license_id, _contestants(), (distill_teacher.TEACHER, distill_teacher.SELF_INSTRUCT))
        with alone(out), bar("Reading") as told:
            imported = import_files(paths, out, stated, told)
        say(summary(imported, out))


distill_teacher.register(app)


def register(into: typer.Typer) -> None:
    into.add_typer(app, name="collect")


def _contestants() -> Mapping[str, Origin]:
    """Who contestants are by their makers' names, and their licenses, for battles of our own."""
    from arena.settings import load_settings
    from models.catalog import load_catalog

    loaded = load_settings()
    return {spec.id: origin_of(spec, "") for spec in load_catalog(loaded.catalog, students=loaded.students)}
