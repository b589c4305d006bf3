from __future__ import annotations

import pickle

import pytest

import scope_async
from scope_async.credentials import ApiKeyCredentials, ClientCredentials
from scope_async.errors import ConfigurationError, MissingApiKeyError

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")


@pytest.mark.parametrize("blank", ["{}\n", "{}\r\n", "  {}\t", "\ufeff{}", "{}\u2028", "\n\n{}\x0b"])
def test_white_space_around_a_value_is_dropped(blank) -> None:
    parts = [blank.format(value) for value in ("org_1", "key_1", "secret_1")]
    assert ApiKeyCredentials(*parts) == CREDENTIALS


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    "sign", ["\n", "\r", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\ud800"]
)
def test_value_with_what_does_not_print_is_refused_without_being_shown(position, sign) -> None:
    parts = ["org_1", "key_1", "secret_1"]
    parts[position] = f"hun{sign}ter2"
    with pytest.raises(ConfigurationError, match=("org_id", "api_key", "api_secret")[position]) as caught:
        ApiKeyCredentials(*parts)
    assert "ter2" not in str(caught.value)


def test_other_names_of_the_official_sdk_are_accepted() -> None:
    assert ApiKeyCredentials("org_1", client_id="key_1", client_secret="secret_1") == CREDENTIALS
    assert ApiKeyCredentials(org_id="org_1", client_id="key_1", api_secret="secret_1") == CREDENTIALS
    assert ApiKeyCredentials("org_1", "key_1", "secret_1", client_id="key_1") == CREDENTIALS
    assert ClientCredentials is ApiKeyCredentials
    assert scope_async.ClientCredentials is ApiKeyCredentials


@pytest.mark.parametrize(("name", "value"), [("client_id", "key_2"), ("client_secret", "secret_2")])
def test_two_names_of_one_value_that_disagree_are_both_named_and_no_value_is_shown(name, value) -> None:
    with pytest.raises(
        ConfigurationError, match=f"{name.replace('client_id', 'api_key and client_id')}"
    ) as caught:
        ApiKeyCredentials("org_1", "key_1", "secret_1", **{name: value})
    assert "secret_" not in str(caught.value).replace("client_secret", "").replace("api_secret", "")


@pytest.mark.parametrize("given", [{}, {"org_id": "org_1"}, {"client_id": "key_1", "client_secret": "s"}])
def test_missing_value_is_named(given) -> None:
    with pytest.raises(MissingApiKeyError, match="is missing"):
        ApiKeyCredentials(**given)


def test_copies_are_equal() -> None:
    assert pickle.loads(pickle.dumps(CREDENTIALS)) == CREDENTIALS
    assert CREDENTIALS.__replace__(api_key="key_2") == ApiKeyCredentials("org_1", "key_2", "secret_1")


def variables(tmp_path, **values: str) -> dict[str, str]:
    """Return the environment that names a file for each of `values`, and the plain ones for the rest."""
    found = {"SCOPE_ORG_ID": "org_1", "SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": "secret_1"}
    for name, text in values.items():
        del found[name]
        file = tmp_path / name
        file.write_text(text)
        found[f"{name}_FILE"] = str(file)
    return found


@pytest.mark.parametrize(
    "values",
    [
        {"SCOPE_API_SECRET": "secret_1\n"},
        {"SCOPE_ORG_ID": "\ufefforg_1\r\n", "SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": "secret_1"},
    ],
)
def test_from_env_reads_the_files_that_variables_name(tmp_path, values) -> None:
    assert ApiKeyCredentials.from_env(variables(tmp_path, **values)) == CREDENTIALS


@pytest.mark.parametrize(
    ("file", "plain"),
    [
        ("SCOPE_ORG_ID", "SCOPE_ORG_ID"),
        ("SCOPE_API_KEY", "SCOPE_API_KEY"),
        ("SCOPE_API_KEY", "SCOPE_CLIENT_ID"),
        ("SCOPE_API_SECRET", "SCOPE_API_SECRET"),
        ("SCOPE_API_SECRET", "SCOPE_CLIENT_SECRET"),
    ],
)
def test_from_env_refuses_a_file_beside_the_variable_and_names_both(tmp_path, file, plain) -> None:
    environ = variables(tmp_path, **{file: "one"}) | {plain: "one"}
    with pytest.raises(ConfigurationError, match=f"{plain} and {file}_FILE") as caught:
        ApiKeyCredentials.from_env(environ)
    assert type(caught.value) is ConfigurationError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "UTF-8"),
        (b"hunter2\nhunter3", "one printable line"),
        (b"x" * 100_000, "larger than"),
    ],
)
def test_from_env_names_a_file_that_cannot_be_used(tmp_path, content, said) -> None:
    environ = variables(tmp_path, SCOPE_API_SECRET="x")
    file = tmp_path / "SCOPE_API_SECRET"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        ApiKeyCredentials.from_env(environ)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_from_env_names_what_is_missing_although_another_is_in_a_file(tmp_path) -> None:
    environ = variables(tmp_path, SCOPE_API_SECRET="x")
    del environ["SCOPE_API_KEY"]
    with pytest.raises(MissingApiKeyError, match=r"not set: SCOPE_API_KEY$"):
        ApiKeyCredentials.from_env(environ)
