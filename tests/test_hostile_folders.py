"""Four hostile model folders: each is refused in a sentence, and nothing that is in it runs."""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")

from taught import tiny_base
from tiny_words import CHATML

from models.chat import Done, Event, Message, Sampling
from models.checkpoint import bring, digest
from models.fetch import FetchError
from models.local.worker import LoadRefused, WorkerModel
from models.origin import FolderCheckpoint
from models.spec import ModelSpec

pytestmark = [pytest.mark.integrity, pytest.mark.slow, pytest.mark.timeout(400)]

PATIENCE = 180
NAME = "The Stranger"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound checkpoint; each test spoils it in its own way."""
    folder = tmp_path / "model"
    tiny_base(folder)
    (folder / "chat_template.jinja").write_text(CHATML)
    return folder


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(
        id="stranger", name=NAME, engine="transformers", quantization="none", license="none", makers=("nobody",),
        context=512, checkpoint=FolderCheckpoint(kind="folder", path=str(folder), digest=digest(folder)),
    )  # fmt: skip


def loaded(folder: Path) -> list[Event]:
    """The way every contestant goes: the catalogue's digest, a process of its own, a first answer."""
    entry = spec(folder)
    assert isinstance(entry.checkpoint, FolderCheckpoint)
    weights = bring(entry.checkpoint, folder.parent / "cache", lambda _: None)
    with closing(WorkerModel(entry, weights)) as worker:
        worker.wait_ready(PATIENCE)

        async def answer() -> list[Event]:
            asked = worker.stream([Message("user", "Hello")], Sampling(max_tokens=4), 1)
            return [event async for event in asked]

        return asyncio.run(answer())


def change(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


class Touches:
    """What unpickles into a call."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.file,)


def test_a_sound_folder_is_loaded_and_answers(folder: Path) -> None:
    """The control of all that follow."""
    assert isinstance(loaded(folder)[-1], Done)


def test_a_folder_of_pickles_is_refused_and_nothing_is_unpickled(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touches(ran)))
    with pytest.raises(FetchError, match=r"holds no model\.safetensors but pytorch_model\.bin, which is not loaded"):
        loaded(folder)
    assert not ran.exists()
    pickle.loads((folder / "pytorch_model.bin").read_bytes())  # noqa: S301  # the control: it would have run
    assert ran.exists()


def test_a_pickle_beside_sound_weights_is_never_read(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "adapter_model.bin"):
        (folder / name).write_bytes(pickle.dumps(Touches(ran)))
    assert isinstance(loaded(folder)[-1], Done)
    assert not ran.exists()


@pytest.mark.parametrize("part", ["config.json", "tokenizer_config.json"])
def test_code_of_the_folder_s_own_does_not_run(part: str, folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "code.py").write_text(f"from pathlib import Path\nPath({str(ran)!r}).touch()\n")
    if part == "config.json":
        auto = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
        change(folder / part, model_type="mystery", architectures=["Mystery"], auto_map=auto)
    else:
        auto_words = {"AutoTokenizer": ["code.Words", "code.Words"]}
        change(folder / part, tokenizer_class="Mystery", auto_map=auto_words)
    with pytest.raises(LoadRefused, match=NAME):
        loaded(folder)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["../evil.safetensors", "/etc/passwd", "inner/../../evil.safetensors"])
def test_an_index_that_leads_out_of_the_folder_is_refused(name: str, folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "evil.safetensors")
    (folder / "model-1.safetensors").write_bytes(b"")
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-1.safetensors", "norm.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FetchError, match=r"lacks .*, which model\.safetensors\.index\.json names"):
        loaded(folder)


ENDLESS = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}"


def test_a_template_without_end_is_refused_and_its_process_is_gone(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(ENDLESS)
    entry = spec(folder)
    with closing(WorkerModel(entry, folder)) as worker:
        with pytest.raises(LoadRefused, match=f"{NAME}: its chat template does not end within"):
            worker.wait_ready(PATIENCE)
        assert worker.wait_gone(20), "a thread that can't be stopped must not outlive the refusal"


def test_a_template_that_breaks_out_of_its_sandbox_does_not(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    break_out = "{{ ''.__class__.__mro__ }}{{ cycler.__init__.__globals__.os.system('touch RAN') }}"
    (folder / "chat_template.jinja").write_text(break_out.replace("RAN", str(ran)))
    began = time.monotonic()
    end = loaded(folder)[-1]
    assert not isinstance(end, Done)
    assert not ran.exists()
    assert time.monotonic() - began < PATIENCE
