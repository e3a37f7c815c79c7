"""`python -m arena distill demo`: the whole loop on small models, by the commands that one would type."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.commands.opened import kindly, say, stop

if TYPE_CHECKING:
    from models.spec import ModelSpec

Language = Literal["en", "zh"]

# Short answers in a manner that is easy to tell: a small student learns it in minutes, and few are cut.
STYLES: Mapping[str, str] = {
    "en": "Answer in one or two short sentences. No lists, no headings, no code.",
    "zh": "请用一两句话简短回答。",
}
ANSWER_TOKENS = 128
HELD_OUT = 0.25
STUDENT = "demo-student"


@dataclass(frozen=True)
class Demo:
    """Who takes part, and the folder that everything goes to: it is the arena's data folder too."""

    folder: Path
    teacher: str
    base: str
    questions: int
    language: Language = "en"

    def steps(self) -> Iterator[list[str]]:
        """The verbs in their order; each goes on where it was stopped."""
        at = self.folder
        yield [
            "collect", "teacher", "--teacher", self.teacher, "--prompts", f"{at / 'prompts.jsonl'}",
            "--style", STYLES[self.language], "--max-tokens", f"{ANSWER_TOKENS}", "--out", f"{at / 'collected.jsonl'}",
        ]  # fmt: skip
        yield [
            "clean", f"{at / 'collected.jsonl'}", "--base", self.base, "--held-out", f"{HELD_OUT}",
            "--out", f"{at / 'conversations'}",
        ]  # fmt: skip
        yield ["train", "--base", self.base, "--data", f"{at / 'conversations'}", "--out", f"{at / 'run'}"]
        yield ["register", f"{at / 'run'}", "--id", STUDENT, "--name", "Demo student"]
        yield ["price", "--run", f"{at / 'run'}", "--format", "markdown", "--out", f"{at / 'price.md'}"]
        yield [
            "compare", STUDENT, "--judge", self.teacher, "--questions", f"{self.questions}",
            "--language", self.language, "--max-tokens", f"{ANSWER_TOKENS}", "--out", f"{at / 'compare'}",
        ]  # fmt: skip


def demo(
    folder: Annotated[Path, typer.Option(help="Where everything goes, the arena's data too.")] = Path("distill-demo"),
    prompts: Annotated[int, typer.Option(min=20, max=75, help="So many of our seeds are asked at the most.")] = 60,
    language: Annotated[
        Language, typer.Option(help="What is taught in: Chinese is all but new to the student.")
    ] = "en",
    questions: Annotated[int, typer.Option(min=1, max=80, help="So many of the judge's questions.")] = 9,
) -> None:
    """A local model teaches a smaller one; it is registered, judged against its base, and can be voted on."""
    began = time.monotonic()
    with kindly():
        teacher, base = _cast()
        asked = Demo(folder, teacher.id, base.id, questions, language)
        _write_prompts(folder / "prompts.jsonl", prompts, language)
        took = [(step, _run(step, folder)) for step in asked.steps()]
        report = _report(asked, teacher, took)
        (folder / "report.md").write_text(report, encoding="utf-8")
        typer.echo(report)
    say(f"It took {time.monotonic() - began:.0f} s; {folder / 'report.md'} says it again.")
    say(f"`ARENA_DATA={shlex.quote(str(folder))} make serve TORCH=yes` lets people vote on the student.")


def register(app: typer.Typer) -> None:
    app.command()(demo)


def _cast() -> tuple[ModelSpec, ModelSpec]:
    """Teacher and base: of the models for CPUs that cost nobody anything, the largest and the smallest download."""
    from arena.settings import load_settings
    from models.catalog import load_catalog
    from models.prices import is_ours

    specs = [spec for spec in load_catalog(load_settings().catalog, "cpu") if is_ours(spec) and spec.weights]
    if len(specs) < 2:
        stop("The demo takes two models with a GGUF file in the line-up cpu; the catalogue has fewer.")
    ranked = sorted(specs, key=lambda spec: spec.weights.bytes if spec.weights else 0)
    return ranked[-1], ranked[0]


def _write_prompts(path: Path, count: int, language: Language) -> None:
    """Seeds of the language, as evenly over the kinds of task as they lie in the file. Raises `DistillProblem`."""
    from models.distill.collect.seeds import in_language, own_seeds
    from models.distill.files import write_rows

    seeds = in_language(own_seeds(), language)
    count = min(count, len(seeds))
    chosen = [seeds[place * len(seeds) // count] for place in range(count)]
    write_rows(path, ({"id": one.id, "language": one.language, "kind": one.kind, "prompt": one.text} for one in chosen))


def _run(step: Sequence[str], folder: Path) -> float:
    """Do one verb as a person would, and say which; the seconds it took. Ends this verb where that one failed."""
    from arena.settings import environment_with

    began = time.monotonic()
    say(f"\n$ python -m arena distill {shlex.join(step)}")
    command = [sys.executable, "-m", "arena", "distill", *step]
    code = subprocess.run(command, env=environment_with(data=folder), check=False).returncode
    # Who has a few failed answers can go on; what follows says what it misses.
    if code and _verb(step) != ["collect", "teacher"]:
        raise typer.Exit(code)
    return time.monotonic() - began


def _report(demo: Demo, teacher: ModelSpec, took: Sequence[tuple[Sequence[str], float]]) -> str:
    """What came of it, from the files that the verbs wrote. Raises `DistillProblem`."""
    from models.distill.run import read_run

    run = read_run(demo.folder / "run")
    compared = json.loads((demo.folder / "compare" / "compare.json").read_text(encoding="utf-8"))
    spent, learnt = run.spent, f"{demo.base} learnt from {run.data.rows} answers of {teacher.name}"
    aside = (
        f"The judge is {teacher.name}, the teacher itself, since no other of these small models can judge: it may "
        "favour who answers as it does, and it is a weak judge in any case; read its consistency first."
    )
    places = f"{demo.folder / 'price.md'}: what it cost; {demo.folder / 'compare' / 'compare.md'}: the judge's report."
    lines = [
        "# A small model was taught",
        f"{learnt}: {spent.tokens:,} tokens in {spent.seconds:,.0f} s on {spent.device}.",
        compared["sentence"],
        "\n".join(f"- {reason}" for reason in (*compared["reasons"], aside)),
        "\n".join(f"- {' '.join(_verb(step))}: {seconds:.0f} s" for step, seconds in took),
        places,
    ]
    return "\n\n".join(lines) + "\n"


def _verb(step: Sequence[str]) -> Sequence[str]:
    return step[:2] if step[0] == "collect" else step[:1]
