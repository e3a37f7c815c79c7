"""`python -m arena judge <what>`: a model compares what others answer."""

from __future__ import annotations

import typer

from arena.commands import judge_answer, judge_demo, judge_report, judge_run

app = typer.Typer(help="Let a model judge: questions, answers, judgments, report.", no_args_is_help=True)

judge_answer.register(app)
judge_run.register(app)
judge_report.register(app)
judge_demo.register(app)
