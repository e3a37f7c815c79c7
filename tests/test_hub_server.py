"""The Hub of the tests is spoken to by the real client, as far as anything of ours needs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import READER, WRITER, Hub, hub_server, speak_to
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, SpaceHardware
from huggingface_hub.errors import HfHubHTTPError

# A Hub on loopback is asked hundreds of times.
pytestmark = pytest.mark.slow

NAME = "us/things"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as served:
        speak_to(served, tmp_path, monkeypatch)
        yield served


def api(token: str = WRITER) -> HfApi:
    return HfApi(token=token)


def test_files_small_and_large_come_back_as_they_went(hub: Hub, tmp_path: Path) -> None:
    api().create_repo(NAME, repo_type="dataset", private=True)
    (tmp_path / "large.db").write_bytes(b"large" * 1000)
    added = [CommitOperationAdd("a/small.txt", b"small"), CommitOperationAdd("large.db", tmp_path / "large.db")]
    api().create_commit(NAME, added, commit_message="two", repo_type="dataset")
    info = api(READER).dataset_info(NAME, files_metadata=True)
    assert info.private
    assert {one.rfilename: one.size for one in info.siblings or ()} == {"a/small.txt": 5, "large.db": 5000}
    assert [one.path for one in api().list_repo_tree(NAME, repo_type="dataset", recursive=True)] == [
        "a/small.txt", "large.db",
    ]  # fmt: skip
    got = Path(api().snapshot_download(NAME, repo_type="dataset", local_dir=tmp_path / "got"))
    assert (got / "a/small.txt").read_bytes() == b"small"
    assert (got / "large.db").read_bytes() == b"large" * 1000
    first = info.sha
    api().create_commit(NAME, [CommitOperationDelete("large.db")], commit_message="less", repo_type="dataset")
    assert list(hub.dataset(NAME).files) == ["a/small.txt"]
    assert hub.dataset(NAME).messages == ["initial commit", "two", "less"]
    assert api().hf_hub_download(NAME, "large.db", repo_type="dataset", revision=first, local_dir=tmp_path / "old")


def test_a_commit_on_top_of_another_than_it_says_is_refused(hub: Hub) -> None:
    api().create_repo(NAME, repo_type="dataset")
    before = hub.dataset(NAME).sha
    for name in ("a", "b"):
        add = [CommitOperationAdd(name, b"x")]
        if name == "b":
            with pytest.raises(HfHubHTTPError) as raised:
                api().create_commit(NAME, add, commit_message=name, repo_type="dataset", parent_commit=before)
            assert raised.value.response.status_code == 412
        else:
            api().create_commit(NAME, add, commit_message=name, repo_type="dataset", parent_commit=before)


def test_a_space_has_secrets_variables_and_hardware(hub: Hub) -> None:
    api().create_repo(
        NAME, repo_type="space", space_sdk="gradio", space_hardware=SpaceHardware.ZERO_A10G, private=True,
        space_secrets=[{"key": "ARENA_SECRET", "value": "s"}], space_variables=[{"key": "V", "value": "1"}],
    )  # fmt: skip
    api().add_space_secret(NAME, "HF_TOKEN", "t")
    api().add_space_variable(NAME, "ARENA_DATASET", "us/votes")
    assert set(api().get_space_variables(NAME)) == {"V", "ARENA_DATASET"}
    repo = hub.repos["spaces", NAME]
    assert repo.secrets == {"ARENA_SECRET": "s", "HF_TOKEN": "t"}
    assert repo.hardware == "zero-a10g"
    api().request_space_hardware(NAME, SpaceHardware.CPU_BASIC)
    assert str(api().space_info(NAME).id) == NAME
    assert repo.hardware == "cpu-basic"


def test_rights_are_those_of_the_token(hub: Hub) -> None:
    hub.create("datasets", NAME)
    assert api().whoami()["name"] == "us"
    api().auth_check(NAME, repo_type="dataset", write=True)
    for token, status in ((READER, 403), ("hf_nobody", 401)):
        with pytest.raises(HfHubHTTPError) as raised:
            api(token).auth_check(NAME, repo_type="dataset", write=True)
        assert raised.value.response.status_code == status


def test_what_was_cut_is_noticed_by_the_client(hub: Hub, tmp_path: Path) -> None:
    hub.create("datasets", NAME, {"f.db": b"x" * 1000})
    hub.cut_at = 10
    with pytest.raises(Exception, match=r"(?i)consistency|incomplete|connection|peer"):
        api().hf_hub_download(NAME, "f.db", repo_type="dataset", local_dir=tmp_path / "cut")
