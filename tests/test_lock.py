from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from db.session import DatabaseProblem, writer_lock

ROOT = Path(__file__).parents[1]
HOLDER = """
import sys
from db.session import writer_lock
with writer_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/arena.db"


def test_a_second_writer_is_refused_while_another_process_holds_the_lock(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DatabaseProblem, match=r"arena\.db is in use by a running arena; stop it first"):
            writer_lock(url).__enter__()
        holder.kill()
    with writer_lock(url):
        assert (tmp_path / "arena.db.lock").exists()


def test_a_lock_in_no_folder_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseProblem, match=r"The folder .*/file can't be written \(File exists\); set ARENA_DATA"):
        writer_lock(f"sqlite:///{tmp_path}/file/arena.db").__enter__()
