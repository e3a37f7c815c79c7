"""Checkpoints from folders and from a Hub of our own on loopback."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from checkpoints import CACHE, gemma_checkpoint, smollm2_checkpoint
from hubs import COMMIT, REPOSITORY, Hub, serving
from support import REPO
from typer.testing import CliRunner

from arena.cli import app
from models import sources
from models.catalog import load_catalog
from models.checkpoint import bring, digest
from models.fetch import FetchError
from models.origin import FolderCheckpoint, HubCheckpoint

pytestmark = pytest.mark.slow

WEIGHTS = bytes(range(256)) * 80_000  # huggingface_hub writes 10 MB at a time
SMALL = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "chat_template.jinja": "{{ '…' }}".encode(),
    "merges.txt": b"a b\n",
}
WHOLE = {**SMALL, "model.safetensors": WEIGHTS}
INDEX = "model.safetensors.index.json"
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
ON_HUB = HubCheckpoint(kind="hub", id=REPOSITORY, revision=COMMIT)
PATIENCE = 60.0
BRING = """
import sys
from pathlib import Path
from models.origin import HubCheckpoint
from models.checkpoint import bring
bring(HubCheckpoint(kind="hub", id=sys.argv[1], revision=sys.argv[2]), Path(sys.argv[3]), lambda part: None)
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub(WHOLE), tmp_path / "home", monkeypatch) as hub:
        yield hub


def quiet(part: float) -> None: ...


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def sharded(*shards: str) -> dict[str, bytes]:
    """A checkpoint in two files whose index names `shards`."""
    index = {"metadata": {}, "weight_map": {f"layer{number}": name for number, name in enumerate(shards)}}
    return {**SMALL, INDEX: json.dumps(index).encode(), SHARDS[0]: b"one", SHARDS[1]: b"two"}


def there(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(checkpoint: HubCheckpoint | FolderCheckpoint, cache: Path) -> str:
    with pytest.raises(FetchError) as refused:
        bring(checkpoint, cache, quiet)
    message = str(refused.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def staged(cache: Path) -> int:
    path = cache / "checkpoints" / "maker--model" / f"{COMMIT}.part" / "files" / "model.safetensors"
    return path.stat().st_size if path.exists() else 0


# -- from the Hub ----------------------------------------------------------------------------------


def test_a_whole_checkpoint_comes_and_is_then_there_without_a_hub(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    folder = bring(ON_HUB, tmp_path, told.append)
    assert folder == tmp_path / "checkpoints" / "maker--model" / COMMIT
    assert there(folder) == WHOLE
    assert told[-1] == 1.0
    assert all(0 <= part <= 1 for part in told)
    assert set(hub.tokens) == {""}
    assert not folder.with_name(f"{COMMIT}.part").exists()
    asked = len(hub.asked)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert bring(ON_HUB, tmp_path, quiet) == folder
    assert len(hub.asked) == asked


def test_only_what_transformers_reads_is_asked_for(tmp_path: Path, hub: Hub) -> None:
    useless = "pytorch_model.bin model.onnx modeling_maker.py q4.gguf consolidated.safetensors model.fp16.safetensors"
    hub.files |= dict.fromkeys(f"{useless} .gitattributes original/model.safetensors onnx/config.json".split(), b"no")
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE
    assert set(hub.asked) == {"list", *WHOLE}


def test_a_checkpoint_in_several_files_comes_whole(tmp_path: Path, hub: Hub) -> None:
    hub.files = sharded(*SHARDS) | {"consolidated.safetensors": b"both"}
    assert there(bring(ON_HUB, tmp_path, quiet)) == sharded(*SHARDS)


def test_a_killed_start_leaves_no_checkpoint_and_the_next_goes_on_at_the_byte(tmp_path: Path, hub: Hub) -> None:
    hub.hold_at = 15_000_000
    command = [sys.executable, "-c", BRING, REPOSITORY, COMMIT, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPO) as process:
        until(lambda: staged(tmp_path) >= 10_000_000)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "checkpoints" / "maker--model" / COMMIT).exists()
    hub.hold_at = 0
    hub.go_on.set()
    before = len(hub.starts)
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE
    assert [start for start in hub.starts[before:] if start >= 10_000_000]
    assert hub.starts[before:].count(0) == 0  # what was whole is not fetched again


def test_whoever_watches_can_stop_the_download_and_go_on_later(tmp_path: Path, hub: Hub) -> None:
    class Enough(Exception):
        pass

    def stop_in_the_middle(part: float) -> None:
        if part > 0.4:
            raise Enough

    hub.hold_at = 15_000_000
    with pytest.raises(Enough):
        bring(ON_HUB, tmp_path, stop_in_the_middle)
    hub.hold_at = 0
    hub.go_on.set()
    assert staged(tmp_path) >= 10_000_000
    before = len(hub.starts)
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE
    assert hub.starts[before] >= 10_000_000


def test_a_download_that_stalls_is_ended(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "STALL_SECONDS", 1.0)
    hub.hold_at = 15_000_000
    assert "not a byte came for 1 s); start again: what has come is kept" in refusal(ON_HUB, tmp_path)


def test_one_fetches_while_the_other_waits(tmp_path: Path, hub: Hub) -> None:
    with ThreadPoolExecutor() as pool:
        folders = set(pool.map(lambda _: bring(ON_HUB, tmp_path, quiet), range(2)))
    assert [there(folder) for folder in folders] == [WHOLE]
    assert len(hub.starts) == len(WHOLE)


def test_whoever_waits_for_another_can_be_stopped(tmp_path: Path, hub: Hub) -> None:
    class Enough(Exception):
        pass

    def stop(part: float) -> None:
        raise Enough

    hub.hold_at = 15_000_000
    first = threading.Thread(target=bring, args=(ON_HUB, tmp_path, quiet))
    first.start()
    until(lambda: bool(staged(tmp_path)))
    with pytest.raises(Enough):
        bring(ON_HUB, tmp_path, stop)
    hub.go_on.set()
    first.join(PATIENCE)
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_what_the_list_says_is_refused_and_fetched_anew(
    tmp_path: Path, hub: Hub, name: str
) -> None:  # fmt: skip
    hub.etags[name] = hub.etag(name)
    hub.files[name] = hub.files[name][::-1]
    message = refusal(ON_HUB, tmp_path)
    assert f"brought another {name} than it lists); start again" in message
    assert not (tmp_path / "checkpoints" / "maker--model" / COMMIT).exists()
    hub.files[name] = WHOLE[name]
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE


def test_a_file_on_its_way_that_is_too_long_is_fetched_anew(tmp_path: Path, hub: Hub) -> None:
    fill(tmp_path / "checkpoints" / "maker--model" / f"{COMMIT}.part" / "files", {"config.json": b"x" * 999})
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE


def test_a_list_without_hashes_is_not_trusted(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = json.loads(hub.listing())
    listing["siblings"] = [{"rfilename": file["rfilename"]} for file in listing["siblings"]]
    monkeypatch.setattr(hub, "listing", lambda: json.dumps(listing).encode())
    assert "does not say what is in config.json" in refusal(ON_HUB, tmp_path)
    assert hub.starts == []


def test_another_commit_under_the_revision_s_name_is_refused(tmp_path: Path, hub: Hub) -> None:
    hub.commit = "d" * 40
    assert "has another commit under this name" in refusal(ON_HUB, tmp_path)
    assert hub.starts == []


def test_a_file_that_changed_in_the_cache_is_fetched_again(tmp_path: Path, hub: Hub) -> None:
    folder = bring(ON_HUB, tmp_path, quiet)
    (folder / "tokenizer.json").write_bytes(b"[]")
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE
    (folder / "model.safetensors").unlink()
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE


def test_a_copied_cache_is_read_once_and_needs_no_hub(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(ON_HUB, tmp_path / "one", quiet)
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert there(bring(ON_HUB, tmp_path / "two", quiet)) == WHOLE


@pytest.mark.parametrize("pickle", ["pytorch_model.bin", "model.pth", "weights.ckpt", "model.pt", "model.pkl"])
def test_pickled_weights_alone_are_refused_before_anything_is_downloaded(
    tmp_path: Path, hub: Hub, pickle: str
) -> None:  # fmt: skip
    hub.files = {**SMALL, pickle: b"cos\nsystem\n(S'true'\ntR."}
    message = refusal(ON_HUB, tmp_path)
    assert f"maker/model (revision cccccccccccc) holds no model.safetensors but {pickle}" in message
    assert "name a revision or another checkpoint with safetensors" in message
    assert hub.starts == []


def test_a_repository_that_is_no_model_is_refused(tmp_path: Path, hub: Hub) -> None:
    del hub.files["config.json"]
    assert "holds no config.json" in refusal(ON_HUB, tmp_path)
    assert hub.starts == []


def test_a_token_is_shown_only_where_the_hub_demands_one(tmp_path: Path, hub: Hub) -> None:
    hub.token, hub.gated = "hf_mine", True
    assert there(bring(ON_HUB, tmp_path, quiet)) == WHOLE
    assert hub.tokens[:2] == ["", ""]  # the list of a gated repository is public, its files are not
    assert hub.tokens[2] == "Bearer hf_mine"


def test_a_private_repository_opens_to_its_token_and_to_no_other(tmp_path: Path, hub: Hub) -> None:
    hub.token = "hf_mine"
    assert there(bring(ON_HUB, tmp_path / "one", quiet)) == WHOLE
    hub.token = "hf_yours"
    message = refusal(ON_HUB, tmp_path / "two")
    assert "not without a token); correct its id or revision in the catalogue, or set HF_TOKEN" in message
    assert "hf_mine" not in message


def test_a_name_that_leads_out_of_the_folder_is_never_asked_for(tmp_path: Path, hub: Hub) -> None:
    hub.files |= {"../evil.json": b"{}", "/etc/evil.json": b"{}", "..\\evil.json": b"{}", "a\nb.json": b"{}"}
    assert there(bring(ON_HUB, tmp_path / "cache", quiet)) == WHOLE
    assert not list(tmp_path.rglob("*evil*"))


def test_an_index_that_leads_out_of_the_folder_is_refused(tmp_path: Path, hub: Hub) -> None:
    hub.files = sharded(*SHARDS, "../../evil.safetensors")
    message = refusal(ON_HUB, tmp_path)
    assert f"lacks ../../evil.safetensors, which {INDEX} names" in message
    assert not (tmp_path / "checkpoints" / "maker--model" / COMMIT).exists()


def test_a_full_disk_is_named_before_anything_is_fetched(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5_000_000))
    assert "the disk is too full, 15.5 MB more are needed); free space on the disk of" in refusal(ON_HUB, tmp_path)
    assert hub.starts == []


def test_a_cache_that_can_t_be_written_is_named(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / "checkpoints").write_text("in the way")
    assert "; make " in refusal(ON_HUB, tmp_path)


def test_no_way_to_the_hub_is_named(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "connect this machine to the internet, or copy the files here and name" in refusal(ON_HUB, tmp_path)


# -- from a folder -----------------------------------------------------------------------------------


def on_disk(folder: Path, content: str) -> FolderCheckpoint:
    return FolderCheckpoint(kind="folder", path=str(folder), digest=content)


def test_a_folder_is_taken_as_it_is_when_its_digest_is_the_catalogue_s(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine", WHOLE)
    before = {path.name for path in folder.iterdir()}
    assert bring(on_disk(folder, digest(folder)), tmp_path / "cache", quiet) == folder
    assert {path.name for path in folder.iterdir()} == before


def test_the_digest_is_what_sha256sum_makes_of_it(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine", {**WHOLE, "Zeta.json": b"{}", "training_args.bin": b"x", "notes.md": b"x"})
    parts = r"ls | grep -E '\.(safetensors|json|jinja|model|txt)$' | LC_ALL=C sort"
    command = f"sha256sum -- $({parts}) | sha256sum"
    said = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == digest(folder)


def test_another_digest_is_refused_and_the_found_one_can_be_pasted(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine", WHOLE)
    message = refusal(on_disk(folder, "0" * 64), tmp_path / "cache")
    assert f"{folder} has the digest {digest(folder)} and not the catalogue's 000000000000…" in message


def test_a_changed_file_is_another_digest_though_the_cache_remembers_the_others(tmp_path: Path) -> None:
    folder, cache = fill(tmp_path / "mine", WHOLE), tmp_path / "cache"
    first = digest(folder, cache)
    assert digest(folder, cache) == first
    (folder / "tokenizer.json").write_bytes(b"[]")
    second = digest(folder, cache)
    assert second not in (first, "")
    assert second == digest(folder)
    (folder / "tokenizer.json").rename(folder / "tokenizer2.json")
    assert digest(folder, cache) not in (first, second)


def test_a_large_folder_is_read_once(tmp_path: Path) -> None:
    folder, cache = fill(tmp_path / "mine", WHOLE), tmp_path / "cache"
    first = digest(folder, cache)
    facts = (folder / "model.safetensors").stat()
    (folder / "model.safetensors").write_bytes(WEIGHTS[::-1])
    os.utime(folder / "model.safetensors", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert digest(folder, cache) == first  # what has the same size and time is not read
    assert digest(folder) != first


def test_a_damaged_memory_of_digests_costs_time_only(tmp_path: Path) -> None:
    folder, cache = fill(tmp_path / "mine", WHOLE), tmp_path / "cache"
    first = digest(folder, cache)
    (marker,) = (cache / "digests").iterdir()
    for rubbish in ("", "[1]", '{"config.json": [1]}', '{"config.json": 5}'):
        marker.write_text(rubbish)
        assert digest(folder, cache) == first


def test_links_are_followed_as_the_hub_s_own_cache_needs_it(tmp_path: Path) -> None:
    blobs, snapshot = fill(tmp_path / "blobs", WHOLE), tmp_path / "snapshot"
    snapshot.mkdir()
    for name in WHOLE:
        (snapshot / name).symlink_to(blobs / name)
    assert digest(snapshot) == digest(blobs)
    assert bring(on_disk(snapshot, digest(blobs)), tmp_path / "cache", quiet) == snapshot


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = refusal(on_disk(tmp_path / "gone", "0" * 64), tmp_path / "cache")
    assert message == f"The checkpoint {tmp_path / 'gone'} can't be read (No such file or directory); correct its path."


def test_the_command_line_says_the_digest_or_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "mine", WHOLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_CACHE", str(tmp_path / "cache"))
    said = CliRunner().invoke(app, ["digest", str(folder)])
    assert (said.exit_code, said.output) == (0, f"{digest(folder)}\n")
    assert list((tmp_path / "cache" / "digests").iterdir())
    said = CliRunner().invoke(app, ["digest", str(tmp_path)])
    assert said.exit_code == 1
    assert said.output.startswith(f"The checkpoint {tmp_path} holds no config.json, so transformers can't read it;")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({**SMALL, "pytorch_model.bin": b"x"}, "holds no model.safetensors but pytorch_model.bin"),
        (SMALL, "holds no model.safetensors; name a revision or another checkpoint with safetensors"),
        ({"model.safetensors": b"x"}, "holds no config.json"),
        (sharded(*SHARDS, "model-3.safetensors"), f"lacks model-3.safetensors, which {INDEX} names"),
        (sharded("/etc/model.safetensors"), "lacks /etc/model.safetensors"),
        ({**sharded(*SHARDS), INDEX: b"not JSON"}, f"has a damaged {INDEX}"),
        ({**sharded(*SHARDS), INDEX: b'{"weight_map": []}'}, f"has a damaged {INDEX}"),
    ],
)
def test_a_folder_that_is_no_checkpoint_of_safetensors_is_refused(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:  # fmt: skip
    assert said in refusal(on_disk(fill(tmp_path / "mine", files), "0" * 64), tmp_path / "cache")


# -- real weights ------------------------------------------------------------------------------------

TEXTS = [
    "Hello world",
    " leading",
    "Größe 漢字 🎉👩‍👩‍👧 ok",
    "def f(x):\n\treturn  x+1\n\n\n",
    "1234567 don't",
    "a  b   c    d",
]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_model_comes_from_the_hub_and_answers(tmp_path: Path, hub: Hub) -> None:
    original = smollm2_checkpoint()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    hub.files = {path.name: path.read_bytes() for path in original.iterdir() if path.suffix != ".safetensors"}
    with (original / "model.safetensors").open("rb") as file:
        hub.etags["model.safetensors"] = hashlib.file_digest(file, "sha256").hexdigest()
        hub.files["model.safetensors"] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # type: ignore[assignment]
    folder = bring(ON_HUB, tmp_path / "cache", quiet)
    assert digest(folder) == digest(original)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    question = [{"role": "user", "content": "Why is the sky blue?"}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )  # fmt: skip
    answer = model.generate(**prompt, do_sample=False, max_new_tokens=40)
    assert "Rayleigh scattering" in tokenizer.decode(answer[0])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("contestant", "converted", "ends"),
    [
        ("smollm2-135m-instruct-q4", smollm2_checkpoint, "<|im_end|>"),
        ("gemma-3-270m-base-q4", gemma_checkpoint, "<eos>"),
    ],
)
def test_a_converted_checkpoint_speaks_as_its_original(
    contestant: str, converted: Callable[[], Path], ends: str
) -> None:  # fmt: skip
    folder = converted()
    import httpx
    import xllamacpp
    from gguf import GGUFReader
    from transformers import AutoTokenizer, GenerationConfig

    weights = next(spec.weights for spec in load_catalog() if spec.id == contestant)
    assert weights
    original = CACHE / "weights" / weights.sha256 / weights.file
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(original)
    parameters.n_ctx = 512
    server = xllamacpp.Server(parameters)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for text in TEXTS:
        body = {"content": text, "add_special": True}
        tokens = httpx.post(f"{server.listening_address}/tokenize", json=body).json()["tokens"]
        assert tokenizer(text)["input_ids"] == tokens
        assert tokenizer.decode(tokens, skip_special_tokens=True) == text
    template = GGUFReader(original).fields.get("tokenizer.chat_template")
    assert tokenizer.chat_template == (template and template.contents())
    assert GenerationConfig.from_pretrained(folder).eos_token_id == tokenizer.convert_tokens_to_ids(ends)
