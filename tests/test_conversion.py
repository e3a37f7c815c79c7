from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")

from tiny_gguf import tensors, tiny_gguf
from tiny_words import CHATML, MARKS

from models.distill import conversion
from models.distill.conversion import converted
from models.distill.problem import DistillProblem

NAME = "0" * 64


@pytest.mark.slow
def test_a_gguf_file_becomes_safetensors_once_however_many_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import load_file
    from transformers import AutoTokenizer

    gguf, home = tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "home"
    killed = home / "converted" / f"{NAME}-{conversion.FORM}.part"
    killed.mkdir(parents=True)
    (killed / "model.safetensors").write_bytes(b"half")
    runs: list[Path] = []
    run = conversion._run

    def counted(file: Path, draft: Path) -> None:
        runs.append(file)
        run(file, draft)

    monkeypatch.setattr(conversion, "_run", counted)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: converted(gguf, NAME, home), range(2))
    assert first == second == home / "converted" / f"{NAME}-{conversion.FORM}"
    assert runs == [gguf]
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name, f"{first.name}.lock"]
    weights, told = load_file(first / "model.safetensors"), tensors(257 + len(MARKS))
    assert (weights["model.layers.0.mlp.down_proj.weight"] == told["blk.0.ffn_down.weight"]).all()
    assert AutoTokenizer.from_pretrained(first).get_chat_template() == CHATML


@pytest.mark.slow
def test_a_damaged_file_is_named_and_leaves_nothing_half(tmp_path: Path) -> None:
    whole = tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DistillProblem, match=r"^cut.gguf can't be converted to safetensors \(.+\); take a base with"):
        converted(tmp_path / "cut.gguf", NAME, tmp_path)
    assert [path.name for path in (tmp_path / "converted").iterdir()] == [f"{NAME}-{conversion.FORM}.lock"]


@pytest.mark.parametrize(
    ("code", "stderr", "said"),
    [
        (-9, "", "signal 9 ended it, perhaps for want of memory); take a smaller base"),
        (1, "Traceback\nError: No space left on device (os error 28)\n", "make room on the disk of home"),
        (1, "", "it did not say why); take a base with [model.checkpoint]"),
    ],
)
def test_the_remedy_is_that_of_the_reason(code: int, stderr: str, said: str) -> None:
    import subprocess

    done = subprocess.CompletedProcess(["convert"], code, stdout="", stderr=stderr)
    assert said in conversion._why(done, Path("home"))


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "converted").write_text("in the way")
    with pytest.raises(DistillProblem, match="can't be written"):
        converted(tmp_path / "tiny.gguf", NAME, tmp_path)
