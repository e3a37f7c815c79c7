from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from arena.settings import Settings, SettingsError, endpoint_keys, load_settings
from arena.voters import voter_secret
from models.catalog import CatalogError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable and no .env but the test's own."""
    for name in os.environ:
        if name.upper().startswith("ARENA_") or name.startswith("SPACE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_any_variable_there_is_a_default_for_everything() -> None:
    loaded = load_settings()
    assert (loaded.host, loaded.port, loaded.on_space) == ("127.0.0.1", 7860, False)
    assert loaded.database == "sqlite:///data/arena.db"
    assert loaded.listen == "127.0.0.1"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_variables_and_the_env_file_are_read_and_the_variable_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ARENA_PORT=9000\nARENA_TITLE=From the file\n")
    monkeypatch.setenv("ARENA_PORT", "9001")
    loaded = load_settings()
    assert (loaded.port, loaded.title) == (9001, "From the file")


WRONG = [
    ("ARENA_PORT", "abc", "valid integer", "Port to listen on"),
    ("ARENA_PORT", "0", "greater than or equal to 1", "Port to listen on"),
    ("ARENA_PORT", "65536", "less than or equal to 65535", "Port to listen on"),
    ("ARENA_TITLE", "", "at least 1 character", "Name shown"),
    ("ARENA_PACE_CHARS", "-1", "greater than or equal to 0", "0: as they come"),
    ("ARENA_ANSWER_SECONDS", "nan", "", "Longest time"),
    ("ARENA_VOTE_MINUTES", "0", "greater than 0", "Minutes"),
    ("ARENA_GUARD", "maybe", "'auto', 'on' or 'off'", "Limits, and a review"),
    ("ARENA_VOTES_A_DAY", "0", "greater than or equal to 1", "Most votes of one voter"),
    ("ARENA_MODERATION", "os.system", "should match pattern", "MODULE:FUNCTION"),
    ("ARENA_MAX_PROMPT_CHARS", "15001", "less than or equal to 15000", "Longest prompt"),
    ("ARENA_ORIGINS", "example.org", "an origin is http://HOST or https://HOST", "by commas"),
    ("ARENA_ORIGINS", "https://example.org/path", "an origin is http://HOST", "by commas"),
    ("ARENA_DATABASE_URL", "nonsense", "must be sqlite:///FILE or postgresql+psycopg://", "empty: arena.db in"),
    ("ARENA_DATABASE_URL", "postgresql+psycopg://host", "must be sqlite:///FILE or postg", "empty: arena.db in"),
    ("ARENA_DATABASE_URL", "mysql://host/db", "must be sqlite:///FILE or postgresql", "empty: arena.db in ARENA_DATA"),
]


@pytest.mark.parametrize(("name", "value", "allowed", "meaning"), WRONG)
def test_a_wrong_value_is_refused_with_its_name_the_value_and_what_is_allowed(
    name: str, value: str, allowed: str, meaning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    sentence = str(raised.value)
    assert sentence.startswith(f"{name}={value!r}: ")
    assert allowed in sentence
    assert meaning in sentence
    assert "\n" not in sentence


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_PORT", "abc")
    monkeypatch.setenv("ARENA_MAX_TURNS", "0")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert [line.split("=")[0] for line in str(raised.value).splitlines()] == ["ARENA_PORT", "ARENA_MAX_TURNS"]


def test_a_variable_that_is_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_FOO", "1")
    with pytest.raises(SettingsError, match="ARENA_FOO is not a setting; `python -m arena settings` lists them"):
        load_settings()


@pytest.mark.parametrize("name", ["ARENA_FOO", "arena_foo", "OPENAI_API_KEY", "port"])
def test_a_name_in_the_env_file_that_is_no_setting_is_refused_without_its_value(tmp_path: Path, name: str) -> None:
    (tmp_path / ".env").write_text(f"{name}=sk-hunter2-hunter2-hunter2\n")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert str(raised.value).startswith(f"{name} in .env is n")
    assert "hunter2" not in str(raised.value)


def test_a_password_in_an_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("mysql://ann:hunter2@host/db", "postgresql://host:port/db?password=hunter2"):
        monkeypatch.setenv("ARENA_DATABASE_URL", wrong)
        with pytest.raises(SettingsError) as raised:
            load_settings()
        assert "hunter2" not in str(raised.value)
    monkeypatch.setenv("ARENA_DATABASE_URL", "postgresql://ann:hunter2@host/db")
    assert "hunter2" not in f"{load_settings()!r}"


def test_origins_are_a_list_by_commas_without_slashes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_ORIGINS", "https://a.example/, http://b.example:8080 ,")
    assert load_settings().origins == ("https://a.example", "http://b.example:8080")


def test_a_space_listens_to_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_HOST", "us-arena.hf.space")
    loaded = load_settings()
    assert loaded.on_space
    assert loaded.listen == "0.0.0.0"  # noqa: S104


@pytest.mark.integrity
@pytest.mark.parametrize(
    ("variables", "guarded"),
    [
        ({}, False),
        ({"ARENA_HOST": "localhost"}, False),
        ({"ARENA_HOST": "127.0.0.2"}, False),
        ({"ARENA_HOST": "::1"}, False),
        ({"ARENA_HOST": "0.0.0.0"}, True),  # noqa: S104
        ({"ARENA_HOST": "arena.example.org"}, True),
        ({"ARENA_ORIGINS": "https://arena.example.org"}, True),
        ({"ARENA_USER_HEADER": "X-Forwarded-User"}, True),
        ({"SPACE_HOST": "us-arena.hf.space"}, True),
        ({"SPACE_HOST": "us-arena.hf.space", "ARENA_GUARD": "off"}, False),
        ({"ARENA_GUARD": "on"}, True),
    ],
)
def test_the_arena_guards_itself_where_others_can_reach_it(
    variables: dict[str, str], guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings().guarded is guarded


def test_settings_can_not_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


# -- the voters' secret ----------------------------------------------------------------------------


def test_the_secret_is_made_once_and_readable_by_us_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_DATA", str(tmp_path / "new" / "data"))
    secret = voter_secret(load_settings())
    assert len(secret) == 64
    assert voter_secret(load_settings()) == secret
    assert stat.S_IMODE((tmp_path / "new" / "data" / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ARENA_SECRET", "ARENA_ADMIN_TOKEN"])
def test_white_space_around_a_secret_is_no_part_of_it_nor_of_its_length(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text, kept in [(" hunter2-hunter2-hunter2\t", "hunter2-hunter2-hunter2"), (" " * 16, "")]:
        monkeypatch.setenv(name, text)
        loaded = load_settings()
        secret = loaded.secret if name == "ARENA_SECRET" else loaded.admin_token
        assert secret.get_secret_value() == kept
    monkeypatch.setenv(name, "short" + " " * 16)
    with pytest.raises(SettingsError, match="must have at least 16 characters, or be empty"):
        load_settings()


def test_a_given_secret_is_used_and_never_written_or_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_SECRET", "hunter2-hunter2-hunter2")
    loaded = load_settings()
    assert voter_secret(loaded) == b"hunter2-hunter2-hunter2"
    assert "hunter2-hunter2-hunter2" not in f"{loaded!r} {loaded} {loaded.secret}"
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_can_not_be_kept_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARENA_DATA", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match=r"file/secret can't be kept \(.*\); set ARENA_DATA .*, or ARENA_SECRET"):
        voter_secret(load_settings())


def test_an_empty_secret_signs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("\n")
    monkeypatch.setenv("ARENA_DATA", str(tmp_path))
    with pytest.raises(SettingsError, match=r"secret is empty; delete the file"):
        voter_secret(load_settings())


# -- the keys of endpoints -------------------------------------------------------------------------

HOSTED = """
[[model]]
id = "{id}"
name = "{id}"
engine = "endpoint"
quantization = "unknown"
license = "proprietary"
makers = ["Somebody"]

[model.endpoint]
url = "https://api.example/v1"
model = "{id}"
key = "{key}"
"""


@pytest.fixture
def hosted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue whose endpoints name ONE_API_KEY and no key at all."""
    path = tmp_path / "hosted.toml"
    path.write_text(HOSTED.format(id="one", key="ONE_API_KEY") + HOSTED.format(id="two", key=""))
    for name in ("ONE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return path


def test_keys_come_from_the_environment_or_the_env_file_and_the_variable_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ONE_KEY=from-the-file\nTWO_KEY='kept '\nOTHER_KEY=not-asked-for\nEMPTY_KEY=\n")
    monkeypatch.setenv("ONE_KEY", "from-outside")
    keys = endpoint_keys(["ONE_KEY", "TWO_KEY", "EMPTY_KEY", "MISSING_KEY", ""])
    assert {name: key.get_secret_value() for name, key in keys.items()} == {
        "ONE_KEY": "from-outside",
        "TWO_KEY": "kept",
    }
    assert "from-outside" not in f"{keys} {keys!r}"


def test_our_own_secrets_are_no_endpoint_s_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_SECRET", "hunter2-hunter2-hunter2")
    with pytest.raises(SettingsError, match="names ARENA_SECRET as its key; give it a variable of its own") as raised:
        endpoint_keys(["ARENA_SECRET"])
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("variables", ["", "ARENA_PORT=9000\n"])
def test_the_env_file_may_hold_the_keys_that_the_catalogue_names(tmp_path: Path, hosted: Path, variables: str) -> None:
    (tmp_path / ".env").write_text(f"{variables}ARENA_CATALOG={hosted}\nONE_API_KEY=sk-hunter2\n")
    loaded = load_settings()
    assert loaded.catalog == hosted
    assert loaded.port == (9000 if variables else 7860)
    assert "sk-hunter2" not in f"{loaded!r} {loaded.model_dump()}"
    assert endpoint_keys(["ONE_API_KEY"])["ONE_API_KEY"].get_secret_value() == "sk-hunter2"


def test_a_key_that_the_catalogue_does_not_name_is_refused_with_the_file_that_should(
    tmp_path: Path, hosted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARENA_CATALOG", str(hosted))
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-hunter2\n")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert str(raised.value) == (
        "OPENAI_API_KEY in .env is neither a setting (`python -m arena settings` lists them) "
        f"nor the key of an endpoint in {hosted}."
    )


def test_the_catalogue_is_read_for_names_that_are_no_settings_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARENA_CATALOG", str(tmp_path / "missing.toml"))
    (tmp_path / ".env").write_text("arena_port=9000\nSPACE_HOST=us-arena.hf.space\n")
    assert (load_settings().port, load_settings().on_space) == (9000, True)
    (tmp_path / ".env").write_text("ONE_API_KEY=sk-hunter2\n")
    with pytest.raises(CatalogError, match=r"missing\.toml can't be read"):
        load_settings()
