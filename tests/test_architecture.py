"""The rules of the house (design, "Who may import whom"), read from the source and never from what runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES = 300


@dataclass(frozen=True)
class Only:
    """Allowed to these importers alone (and what is below them); `inside`: not while the module is loaded."""

    importers: tuple[str, ...]
    inside: bool = False


@dataclass(frozen=True)
class Just:
    """Allowed for these modules of the package alone."""

    modules: tuple[str, ...]


YES, NO = Just(("",)), Just(())
CLI = ("arena.cli", "arena.commands")
PAGES = ("arena.ui", "arena.web")
EVALUATION = (*CLI, "arena.ui.evaluation")
# What distillation needs of models beside itself: their entries, their files, the seam, and what things cost.
SEAM = Just(
    ("models.catalog", "models.chat", "models.checkpoint", "models.energy", "models.fetch", "models.nvml",
     "models.origin", "models.prices", "models.spec", "models.adapter", "models.students", "models.work")
)  # fmt: skip
RESULTS = Just(("arena.ratings", "arena.settings", "arena.prompts"))
LOCAL = Only(("models.local",))
# Verbs, and the one page that shows what visitors wrote, which distillation's cleaning masks personal data in.
VERB = Only((*CLI, "arena.ui.evaluation.shown"), inside=True)

COLUMNS = ("models", "models.distill", "db", "arena", "arena.judge", "gradio", "sqlalchemy", "torch", "transformers")
# fmt: off
TABLE: dict[str, tuple[Just | Only, ...]] = {
    #                  models distill db   arena    judge             gradio       sqlalchemy torch  transformers
    "models":         (YES,   NO,     NO,  NO,      NO,               NO,          NO,        LOCAL, LOCAL),
    "models.distill": (SEAM,  YES,    NO,  NO,      NO,               NO,          NO,        YES,   YES),
    "db":             (NO,    NO,     YES, NO,      NO,               NO,          YES,       NO,    NO),
    "arena":          (YES,   VERB,   YES, YES,     Only(EVALUATION), Only(PAGES), NO,        NO,    NO),
    "arena.judge":    (YES,   NO,     YES, RESULTS, YES,              NO,          NO,        NO,    NO),
    "app":            (YES,   NO,     YES, YES,     NO,               YES,         NO,        NO,    NO),
}
# fmt: on

# Who touches the environment beside arena/settings.py, and why that is no reading of settings.
ENVIRONMENT = {
    "arena.settings": "the only reader of settings",
    "models.local.worker": "hands an engine's process its environment, without secrets",
    "models.sources": "hands pip's and the Hub's processes their environment",
    "models.hub": "switches off the Hub library's extras in a process of its own, before it is imported",
}


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    line: int
    inside: bool


def below(module: str, package: str) -> bool:
    return not package or module == package or module.startswith(package + ".")


def nearest(module: str, packages: tuple[str, ...]) -> str | None:
    """The most particular of the packages that hold the module."""
    return max((package for package in packages if below(module, package)), key=len, default=None)


def sources() -> dict[str, str]:
    """Every module of ours with its text."""
    files = [ROOT / "app.py", *(file for part in ("models", "db", "arena") for file in (ROOT / part).rglob("*.py"))]
    return {named(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in sorted(files)}


def named(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(importer: str, text: str) -> Iterator[Import]:
    """Every import, also inside functions and under TYPE_CHECKING, also by `import_module("…")`."""

    def walk(node: ast.AST, inside: bool) -> Iterator[Import]:
        for name in _imported(node):
            yield Import(importer, name, getattr(node, "lineno", 0), inside)
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_types(node)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(ast.parse(text), inside=False)


def _for_types(node: ast.AST) -> bool:
    """Whether what is below runs for type checkers alone, and never while the module is loaded."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return [f"{module}.{alias.name}" for alias in names]
        case ast.ImportFrom(level=level) if level:
            return ["(relative)"]
        case ast.Call(func=ast.Name(id="import_module" | "__import__"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
    return []


def complaint(found: Import) -> str | None:
    """What is wrong with an import, as a sentence; None where the table allows it."""
    where = f"{found.importer.replace('.', '/')}.py, line {found.line}, imports {found.imported}"
    if found.imported == "(relative)":
        return f"{where}: imports name their module in full."
    row, column = nearest(found.importer, tuple(TABLE)), nearest(found.imported, COLUMNS)
    if row is None or column is None:
        return None
    match TABLE[row][COLUMNS.index(column)]:
        case Just(modules=modules) if not any(below(found.imported, module) for module in modules):
            return f"{where}: {row} imports of {column} {' and '.join(modules) or 'nothing'}."
        case Only(importers=importers) if not any(below(found.importer, module) for module in importers):
            return f"{where}: in {row} only {' and '.join(importers)} may import {column}."
        case Only(inside=True) if not found.inside:
            return f"{where}: {column} is imported inside the verb that needs it."
    return None


def complaints(importer: str, text: str) -> list[str]:
    return [said for found in imports(importer, text) if (said := complaint(found))]


def test_everybody_imports_only_what_the_table_allows() -> None:
    assert [said for importer, text in sources().items() for said in complaints(importer, text)] == []


@pytest.mark.parametrize(
    ("importer", "text", "said"),
    [
        ("models.pool", "from db import queries", "models/pool.py, line 1, imports db.queries: models imports of db"),
        ("models.pool", "import torch", "in models only models.local may import torch."),
        ("models.distill.train", "import models.pool", "imports of models models.catalog and models.chat"),
        ("db.queries", "def f():\n    from arena import view", "line 2, imports arena.view: db imports of arena noth"),
        ("arena.battle", "if TYPE_CHECKING:\n    import sqlalchemy.orm", "arena imports of sqlalchemy nothing."),
        ("arena.battle", "import gradio as gr", "in arena only arena.ui and arena.web may import gradio."),
        (
            "arena.battle",
            "from arena.judge import verdicts",
            "in arena only arena.cli and arena.commands and arena.ui.evaluation may",
        ),
        ("arena.cli", "from models.distill import train", "models.distill is imported inside the verb"),
        ("arena.judge.report", "from arena.battle import Battles", "imports of arena arena.ratings and arena.settings"),
        ("arena.voters", "import importlib\nimportlib.import_module('torch')", "arena imports of torch nothing."),
        ("app", "import transformers", "app imports of transformers nothing."),
        ("arena.view", "from . import battle", "imports name their module in full."),
    ],
)
def test_an_import_that_is_not_allowed_is_named_with_its_file_and_rule(importer: str, text: str, said: str) -> None:
    (sentence,) = complaints(importer, text)
    assert said in sentence


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("models.local.transformers", "import torch, transformers"),
        ("models.distill.train", "import torch\nfrom models.chat import Message\nfrom models.distill import clean"),
        ("arena.cli", "def verb():\n    from models.distill import train\n    from arena.judge import run"),
        ("arena.commands.verb", "if TYPE_CHECKING:\n    from models.distill.run import Run"),
        ("arena.judge.report", "from arena.ratings import elo\nfrom db import queries\nfrom models.chat import Text"),
        ("arena.ui.site", "import gradio as gr"),
        ("app", "import gradio\nfrom arena.settings import load_settings"),
    ],
)
def test_an_import_that_is_allowed_passes(importer: str, text: str) -> None:
    assert complaints(importer, text) == []


def test_no_module_is_longer_than_a_reader_s_patience() -> None:
    long = {name: len(text.splitlines()) for name, text in sources().items() if len(text.splitlines()) > MOST_LINES}
    assert long == {}
    assert len((ROOT / "app.py").read_text().splitlines()) <= 50


def touches_environment(text: str) -> bool:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "putenv"):
                return True
            case ast.ImportFrom(module="os", names=names) if {"environ", "getenv"} & {alias.name for alias in names}:
                return True
    return False


@pytest.mark.slow
def test_only_settings_reads_the_environment() -> None:
    assert touches_environment("import os\nprint(os.environ['HOME'])")
    assert touches_environment("from os import getenv")
    found = {name for name, text in sources().items() if touches_environment(text)}
    assert found - ENVIRONMENT.keys() == set(), "settings are read in arena/settings.py and passed down"
    assert ENVIRONMENT.keys() - found == set(), "an exception that is needed no more"


def mutable_globals(text: str) -> list[str]:
    """Containers that any function could change; names in capitals are a promise that none does."""
    made = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    makers = ("dict", "list", "set", "defaultdict", "deque", "Counter", "OrderedDict", "bytearray")
    found = []
    for node in ast.parse(text).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = getattr(node, "value", None)
        called = isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in makers
        if isinstance(value, made) or called:
            found += [ast.unparse(target) for target in targets]
    found += [name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Global) for name in node.names]
    return [name for name in found if not re.fullmatch(r"_?[A-Z][A-Z0-9_]*|__all__", name)]


def test_no_module_keeps_state() -> None:
    assert mutable_globals("cache = {}\nNAMES = []\nseen: set[int] = set()\nlines = [1]") == ["cache", "seen", "lines"]
    assert mutable_globals("def f():\n    global count\n    count = 1") == ["count"]
    assert {name: found for name, text in sources().items() if (found := mutable_globals(text))} == {}


def runs_foreign_code(text: str) -> list[str]:
    """Whatever would run code that comes with data or weights."""
    found = []
    for node in ast.walk(ast.parse(text)):
        names = [name.split(".")[0] for name in _imported(node)]
        found += [name for name in names if name in ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal")]
        match node:
            case ast.Attribute(value=ast.Name(id="torch"), attr="load"):
                found.append("torch.load")
            case ast.keyword(arg="trust_remote_code", value=value) if not (
                isinstance(value, ast.Constant) and value.value is False
            ):
                found.append("trust_remote_code")
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                found.append(name)
    return found


def test_nothing_runs_the_code_of_strangers() -> None:
    assert runs_foreign_code("import pickle") == ["pickle"]
    assert runs_foreign_code("torch.load(path)") == ["torch.load"]
    assert runs_foreign_code("f(trust_remote_code=True); g(trust_remote_code=False)") == ["trust_remote_code"]
    assert {name: found for name, text in sources().items() if (found := runs_foreign_code(text))} == {}
