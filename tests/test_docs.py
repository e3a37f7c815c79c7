"""What the README says of the repository is true."""

from __future__ import annotations

import re
from pathlib import Path

from arena.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tree_of_readme() -> set[str]:
    """The files the README's tree names: a line is indentation, a name, two spaces or more, what it is."""
    block = re.search(r"```tree\n(.*?)```", README, re.DOTALL)
    assert block, "README.md has no ```tree block"
    folders: list[tuple[int, str]] = []
    files = set()
    for line in block[1].splitlines():
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        folders = [(depth, folder) for depth, folder in folders if depth < indent]
        path = "".join(folder for _, folder in folders) + name
        if name.endswith("/"):
            folders.append((indent, name))
        else:
            files.add(path)
    return files


def test_the_tree_names_every_module_and_no_other() -> None:
    modules = {
        str(path.relative_to(ROOT))
        for folder in ("arena", "db", "models")
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py") and "versions" not in path.parts
    } | {"app.py"}
    named = {name for name in tree_of_readme() if name.endswith(".py") and not name.startswith("tests/")}
    assert named == modules


def test_every_file_of_the_tree_exists() -> None:
    assert [name for name in sorted(tree_of_readme()) if not (ROOT / name).exists()] == []


def test_every_picture_of_the_readme_exists() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    assert [name for name in pictures if not (ROOT / name).is_file()] == []


def test_every_setting_of_the_readme_is_one_and_has_that_default() -> None:
    for names, defaults in re.findall(r"^\| (`ARENA_[^|]+) \| ([^|]*) \|", README, re.MULTILINE):
        for name, default in zip(re.findall(r"`ARENA_(\w+)`", names), re.findall(r"`([^`]+)`", defaults), strict=False):
            field = Settings.model_fields[name.lower()]
            if name not in ("CATALOG", "DATABASE_URL"):  # these defaults follow from other settings
                assert str(field.default) == default or float(str(field.default)) == float(default)


def test_every_proof_of_the_threat_model_is_a_test_of_the_integrity_suite() -> None:
    told = set(re.findall(r"`((?:browser/)?test_\w+)(?:::(\w+))?`", (ROOT / "docs" / "threat-model.md").read_text()))
    assert len(told) > 40
    for file, test in sorted(told):
        source = (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8")
        assert "mark.integrity" in source, f"{file} has no test of the integrity suite"
        assert not test or f"def {test}(" in source, f"{file} has no test {test}"
