"""A Space is made and updated by the real huggingface_hub, on a Hub of our own on loopback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hub_server import READER, WRITER, Hub, Repo, hub_server
from huggingface_hub import HfApi
from pydantic import SecretStr
from support import REPO

from arena.commands.space import _do
from arena.space import Step, steps
from arena.space_files import SpaceProblem, requirements, space_files
from arena.space_found import HARDWARE, Found, OutOfReach, Wanted, check_names, explained, look

NAME = "us/arena"
FILES = {"README.md": b"---\ntitle: Paddock\n---\n", "app.py": b"print()", "arena/space.py": b""}
# What a POST changes, beside questions that are asked by POST.
QUESTIONS = ("preupload/main", "validate-yaml")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as hub:
        yield hub


def space(hub: Hub) -> Repo:
    return hub.repos["spaces", NAME]


def changes(hub: Hub) -> list[str]:
    """What was changed, in order, as the last parts of its addresses."""
    posted = (one.removeprefix("POST /api/") for one in hub.asked if one.startswith(("POST", "PUT", "DELETE")))
    return [one.removeprefix(f"spaces/{NAME}/") for one in posted if not one.endswith(QUESTIONS)]


def wanted(**changed: Any) -> Wanted:
    return Wanted(**{"name": NAME, "token": SecretStr("hf_for-the-space"), **changed})


def to_do(hub: Hub, asked: Wanted, *, token: str = WRITER, files: Mapping[str, bytes] = FILES) -> list[Step]:
    api = HfApi(endpoint=hub.url, token=token)
    return steps(api, asked, look(api, asked), files)


def apply(hub: Hub, asked: Wanted, *, token: str = WRITER) -> list[str]:
    """Do what is to be done; what was said."""
    todo = to_do(hub, asked, token=token)
    for step in todo:
        step.do()
    return [step.said for step in todo]


def test_a_new_space_gets_its_data_set_secrets_variables_and_code(hub: Hub) -> None:
    said = apply(hub, wanted(lineup="zerogpu"))
    assert changes(hub) == ["repos/create", "repos/create", "commit/main"]
    assert hub.dataset(f"{NAME}-votes").private
    assert not space(hub).private
    assert space(hub).hardware == "zero-a10g"
    assert space(hub).variables == {"ARENA_DATASET": f"{NAME}-votes", "ARENA_LINEUP": "zerogpu"}
    assert space(hub).secrets.keys() == {"HF_TOKEN", "ARENA_SECRET", "ARENA_ADMIN_TOKEN"}
    assert space(hub).secrets["HF_TOKEN"] == "hf_for-the-space"
    assert all(len(value) >= 16 for value in space(hub).secrets.values())
    assert space(hub).files == FILES
    assert not any(value in sentence for value in space(hub).secrets.values() for sentence in said)


def test_again_only_the_code_is_pushed_and_no_secret_replaced(hub: Hub) -> None:
    apply(hub, wanted())
    before, space(hub).files["old.py"] = dict(space(hub).secrets), b"gone"
    hub.asked.clear()
    said = apply(hub, wanted())
    assert changes(hub) == ["commit/main"]
    assert space(hub).secrets == before
    assert space(hub).files == FILES
    assert "delete 1" in said[-1]


def test_the_data_set_a_space_has_is_kept_until_another_is_named(hub: Hub) -> None:
    apply(hub, wanted(dataset="us/kept"))
    assert apply(hub, wanted())[0].startswith("Push")
    assert space(hub).variables == {"ARENA_DATASET": "us/kept"}
    said = apply(hub, wanted(dataset="us/other"))
    assert f"Set the variable ARENA_DATASET=us/other of {NAME}, which was us/kept." in said
    assert space(hub).variables == {"ARENA_DATASET": "us/other"}


def test_hardware_and_a_token_named_anew_replace_the_old_ones(hub: Hub) -> None:
    apply(hub, wanted())
    hub.asked.clear()
    apply(hub, wanted(token=SecretStr("hf_newer"), replace_token=True, hardware="l4x1"))
    assert changes(hub) == ["secrets", "hardware"]  # the code is as it was, and huggingface_hub makes no empty commit
    assert space(hub).secrets["HF_TOKEN"] == "hf_newer"
    assert space(hub).hardware == "l4x1"


def test_a_step_that_failed_is_made_up_for_by_the_next_run(hub: Hub) -> None:
    *first, push = to_do(hub, wanted())
    for step in first:
        step.do()
    hub.write_status = 403
    with pytest.raises(SpaceProblem, match="does not let this token write"), explained(NAME, hub.url):
        push.do()
    hub.write_status = 0
    hub.asked.clear()
    apply(hub, wanted())
    assert changes(hub) == ["commit/main"]
    assert space(hub).files == FILES


def test_a_space_just_created_by_hand_is_taken(hub: Hub) -> None:
    hub.create("spaces", NAME, {".gitattributes": b"x", "README.md": b"y"})
    apply(hub, wanted())
    assert space(hub).files == {".gitattributes": b"x", **FILES}


def test_a_space_of_something_else_is_not_written_over(hub: Hub) -> None:
    hub.create("spaces", NAME, {"app.py": b"mine", "README.md": b"mine"})
    with pytest.raises(SpaceProblem, match="is a Space of something else"):
        apply(hub, wanted())
    assert changes(hub) == []
    assert space(hub).files["app.py"] == b"mine"


def test_a_public_data_set_is_refused_before_anything_changes(hub: Hub) -> None:
    hub.create("datasets", f"{NAME}-votes", private=False)
    with pytest.raises(SpaceProblem, match="is public, and votes with their prompts would be too"):
        apply(hub, wanted())
    assert changes(hub) == []


def test_a_token_that_may_only_read_is_refused_before_anything_changes(hub: Hub) -> None:
    with pytest.raises(SpaceProblem, match="lets this token only read"):
        apply(hub, wanted(), token=READER)
    assert changes(hub) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "does not take this token"), (403, "does not let this token"), (404, "shows this token no"), (500, "500")],
)
def test_what_the_hub_refuses_is_one_sentence_without_the_token(hub: Hub, status: int, said: str) -> None:
    hub.status = status
    with pytest.raises(SpaceProblem) as problem:
        to_do(hub, wanted())
    assert said in str(problem.value)
    assert WRITER not in str(problem.value)


def test_a_hub_out_of_reach_is_one_sentence() -> None:
    with pytest.raises(OutOfReach, match="is out of reach"):
        look(HfApi(endpoint="http://127.0.0.1:9", token=WRITER), wanted())


@pytest.mark.parametrize("name", ["arena", "us/a/b", "us/", "us/a b", "../x", "us/-a", "https://hf.co/us/a"])
def test_a_name_the_hub_can_not_have_is_refused(name: str) -> None:
    with pytest.raises(SpaceProblem, match="has the form USER/NAME"):
        check_names(wanted(name=name))
    with pytest.raises(SpaceProblem, match="has the form USER/NAME"):
        check_names(wanted(dataset=name))


def test_hardware_that_spaces_have_not_is_refused() -> None:
    check_names(wanted(hardware="zero-a10g"))
    with pytest.raises(SpaceProblem, match="--hardware h100: Spaces have cpu-basic, "):
        check_names(wanted(hardware="h100"))


def test_torch_is_asked_for_only_beside_a_gpu_and_pinned_on_zerogpu() -> None:
    ours, torch = "gradio>=6\n", "# An engine.\naccelerate>=1\ntorch>=2.8,<2.14\ntrl>=1\n"
    assert requirements(ours, torch, "cpu-basic") == ours
    assert requirements(ours, torch, "l4x1").splitlines()[2:] == ["accelerate>=1", "torch>=2.8,<2.14"]
    assert requirements(ours, torch, "zero-a10g").splitlines()[2:] == ["accelerate>=1", "torch==2.11.0"]
    assert "zero-a10g" in HARDWARE


def test_what_goes_to_a_space_is_what_git_tracks_without_tests() -> None:
    files = space_files(REPO, "zero-a10g")
    assert {"README.md", "app.py", "arena/space.py", "models/catalog.toml"} <= files.keys()
    assert not [name for name in files if name.startswith(("tests/", ".ci/", "deploy/", "data/")) or name == ".env"]
    assert b"torch==2.11.0" in files["requirements.txt"]


def test_a_folder_that_is_no_clone_of_paddock_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpaceProblem, match="is no git checkout"):
        space_files(tmp_path, "cpu-basic")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(SpaceProblem, match=r"tracks no README.md, app.py"):
        space_files(tmp_path, "cpu-basic")


def created(folder: Path, hub: Hub, *options: str, token: str = WRITER) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the verb, which never says the token."""
    variables = {name: value for name, value in hub.environment(folder, token).items() if not name.startswith("ARENA_")}
    done = subprocess.run(
        [sys.executable, "-m", "arena", "space", "create", NAME, *options],
        env=variables | {"PYTHONPATH": str(REPO)}, cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert WRITER not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_a_dry_run_says_what_the_run_then_does(hub: Hub, tmp_path: Path) -> None:
    code, planned, told = created(tmp_path, hub, "--dry-run")
    assert (code, told) == (0, "Nothing was changed.\n")
    assert (changes(hub), hub.repos) == ([], {})
    code, done, told = created(tmp_path, hub)
    assert (code, done) == (0, planned)
    assert space(hub).secrets["ARENA_ADMIN_TOKEN"] in told
    assert space(hub).files["app.py"] == (REPO / "app.py").read_bytes()
    assert space(hub).secrets["HF_TOKEN"] == WRITER
    code, done, told = created(tmp_path, hub)
    assert (code, done.count("\n")) == (0, 1)
    assert "/admin" not in told


def test_the_token_of_admin_is_said_although_a_later_step_fails(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    class LosesTheWay(HfApi):
        def create_commit(self, *arguments: Any, **options: Any) -> Any:
            hub.write_status = 500
            return super().create_commit(*arguments, **options)

    with pytest.raises(SpaceProblem, match="answered 500"):
        _do(LosesTheWay(endpoint=hub.url, token=WRITER), wanted(), Found(), FILES, dry_run=False)
    assert space(hub).secrets["ARENA_ADMIN_TOKEN"] in capsys.readouterr().err


@pytest.mark.slow
def test_without_a_token_or_a_hub_a_dry_run_shows_the_steps_all_the_same(tmp_path: Path) -> None:
    for token in ("", WRITER):
        code, planned, told = created(tmp_path, Hub(url="http://127.0.0.1:9"), "--dry-run", token=token)
        assert code == 0
        assert "steps for a Space that is not there yet" in told
        assert planned.count("\n") == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "token", "said"),
    [
        ((), "", "There is no token for the Hub; set HF_TOKEN"),
        (("--space-token-env", "MINE"), WRITER, "--space-token-env MINE: that variable is empty."),
        (("--lineup", "tpu"), WRITER, "--lineup tpu: there are auto, cpu"),
        (("--hardware", "tpu"), WRITER, "--hardware tpu: Spaces have cpu-basic"),
        (("--dataset", "votes"), WRITER, "votes is no name on the Hub"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    hub: Hub, tmp_path: Path, options: tuple[str, ...], token: str, said: str
) -> None:
    code, _, told = created(tmp_path, hub, *options, token=token)
    assert (code, told.count("\n")) == (1, 1)
    assert said in told
    assert changes(hub) == []
