"""`python -m arena distill train`: data and base → a run with its student, on this machine's GPU or CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.opened import kindly, say, stop

if TYPE_CHECKING:
    from arena.settings import Settings
    from models.distill.recipe import Recipe
    from models.distill.run import Run
    from models.spec import ModelSpec


def train(
    base: Annotated[str, typer.Option(help="The id of a model of the catalogue, which learns.")],
    data: Annotated[
        Path, typer.Option(help="The folder that `distill clean` wrote (a file is taken as it is); dpo: preferences.")
    ],
    out: Annotated[Path, typer.Option(help="The run's folder; one that was begun there goes on.")],
    recipe: Annotated[
        Literal["auto", "gpu", "cpu-tiny"],
        typer.Option(help="What the options below leave open; auto: by the hardware."),
    ] = "auto",
    method: Annotated[
        Literal["lora", "qlora", "full", "dpo"] | None,
        typer.Option(help="An adapter, over four bits, all weights, votes."),
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Steps of the optimizer, in place of epochs.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its highest.")] = None,
    batch: Annotated[int | None, typer.Option(help="Packs (dpo: pairs) at one time.")] = None,
    accumulate: Annotated[int | None, typer.Option(help="So many batches make a step.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens of a pack, and the most of a conversation.")] = None,
    rank: Annotated[int | None, typer.Option(help="Of the adapter.")] = None,
    alpha: Annotated[int | None, typer.Option(help="The adapter counts alpha / rank.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Of the adapter's input.")] = None,
    beta: Annotated[float | None, typer.Option(help="dpo: how strongly it is held where it began.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same student.")] = None,
    packing: Annotated[bool | None, typer.Option(help="Several conversations in one sequence.")] = None,
    gradient_checkpointing: Annotated[bool | None, typer.Option(help="Less memory, a third more work.")] = None,
    checkpoint_steps: Annotated[int | None, typer.Option(help="Steps from one checkpoint to the next.")] = None,
    start: Annotated[Path | None, typer.Option(help="A finished run whose adapter is trained further.")] = None,
    data_license: Annotated[str, typer.Option("--license", help="dpo: the terms of the texts people voted on.")] = "",
) -> None:
    """Teach a model from cleaned conversations, or from votes; a run that was stopped goes on from its checkpoint."""
    told = {
        "method": method, "epochs": epochs, "max_steps": max_steps, "learning_rate": learning_rate, "batch": batch,
        "accumulate": accumulate, "context": context, "rank": rank, "alpha": alpha, "dropout": dropout, "beta": beta,
        "seed": seed, "packing": packing, "gradient_checkpointing": gradient_checkpointing,
        "checkpoint_steps": checkpoint_steps,
    }  # fmt: skip
    with kindly():
        _check_torch()
        chosen = _recipe(recipe, {name: value for name, value in told.items() if value is not None})
        if chosen.method != "dpo" and (data_license or beta is not None):
            stop(
                "--license and --beta are for --method dpo; conversations say their license by themselves (`collect`)."
            )
        run = _run(_settings(), base, data, out, chosen, start, data_license)
        say(_summary(run, data))


def register(app: typer.Typer) -> None:
    app.command()(train)


def _check_torch() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("torch", "transformers", "peft", "trl", "datasets") if find_spec(name) is None]
    getLogger("bitsandbytes").setLevel(ERROR)  # at its import it tells of kernels that nobody asked for
    if missing:
        stop(f"Training needs {missing[0]}, which isn't installed: `pip install -r requirements-torch.txt`.")


def _settings() -> Settings:
    from arena.settings import load_settings

    return load_settings()


def _recipe(name: str, told: dict[str, object]) -> Recipe:
    """The recipe of that name with what was told in its place."""
    from models.distill.recipe import RECIPES, recipe_of

    if name == "auto":
        from models.distill.loading import device

        name = "gpu" if device() == "cuda" else "cpu-tiny"
    return recipe_of({**vars(RECIPES[name]), **told}, "The options")


def _run(
    settings: Settings, base: str, data: Path, out: Path, recipe: Recipe, start: Path | None, data_license: str
) -> Run:
    from models.distill.base import bring_base
    from models.distill.training import Lesson, train
    from models.energy import nvml_counter

    with _bar() as told:
        brought = bring_base(_spec(settings, base), settings.cache, lambda share: told(f"Fetching {base}", share))
        counter = nvml_counter(settings.visible_devices)
        return train(Lesson(brought, data, out, recipe, start, data_license, counter), told)


def _spec(settings: Settings, base: str) -> ModelSpec:
    from models.catalog import load_catalog

    specs = load_catalog(settings.catalog, students=settings.students)
    found = next((spec for spec in specs if spec.id == base), None)
    if found is None:
        stop(f"The catalogue has no {base}; it has {', '.join(spec.id for spec in specs)}.")
    if found.adapter is not None:
        stop(f"{base} is an adapter beside a base; name that base, and its run as --start.")
    return found


def _summary(run: Run, data: Path) -> str:
    from models.distill.clean.folder import was_cleaned

    spent, held_out = run.spent, run.held_out
    took = f"{spent.tokens:,} tokens, {spent.counted_tokens:,} of them counted, in {spent.seconds:,.0f} s"
    lines = [f"{run.base.id} learnt from {run.data.rows} rows by {run.recipe.method}: {took} on {spent.device}."]
    if held_out.before is not None and held_out.after is not None:
        change = 100 * (held_out.after / held_out.before - 1)
        was, became = f"{held_out.before:.3f} before", f"{held_out.after:.3f} after"
        lines.append(f"Held-out loss in nats per token: {was}, {became} ({change:+.1f} %).")
    else:
        lines.append("Nothing was held out, so nobody knows whether it learnt.")
    if run.recipe.method != "dpo" and not was_cleaned(data):  # votes are no matter of `clean`
        lines.append(f"{data} was taken as it is: nothing beside it says that `distill clean` cleaned it.")
    lines.append(f"The student is in {run.student}, its curve in {run.folder / 'loss.svg'}.")
    return "\n".join(lines)


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """What is being done, how much of it is, and for how long it will; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda what, share: progress.update(task, description=what, completed=share)
