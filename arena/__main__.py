"""`python -m arena`."""

from arena.cli import app

app(prog_name="python -m arena")
