from __future__ import annotations

import json
import os
import stat
import threading

import pytest

from scope_async.credentials import ApiKeyCredentials
from scope_async.credentials import file_writer as module
from scope_async.credentials.document import parse_document
from scope_async.credentials.file_writer import write_file
from scope_async.errors import ConfigurationError, ConflictError

CREDENTIALS = ApiKeyCredentials("org_2", "key_2", "secret_2")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "credentials"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{"org_id": "a", "api_key": "b", "api_secret": "c", "other": [1]}',
            '{"org_id": "org_2", "api_key": "key_2", "api_secret": "secret_2", "other": [1]}',
        ),
        (
            "# note\nexport SCOPE_ORG_ID=a\nSCOPE_CLIENT_ID = b\r\nA=x\nSCOPE_API_SECRET='c'\n",
            "# note\nexport SCOPE_ORG_ID=org_2\nSCOPE_CLIENT_ID =key_2\r\nA=x\nSCOPE_API_SECRET=secret_2\n",
        ),
        ("org_id=a\napi_key=b", "org_id=org_2\napi_key=key_2\napi_secret=secret_2\n"),
        ("OTHER=SCOPE\n", "OTHER=SCOPE\norg_id=org_2\napi_key=key_2\napi_secret=secret_2\n"),
    ],
)
def test_replaces_the_values_and_nothing_else(path, before, after) -> None:
    path.write_bytes(before.encode())
    write_file(str(path), CREDENTIALS)
    assert path.read_bytes().decode() == after
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("secret", ["a#b", "a 'b", 'a "b', "$HOME", "a\\b", "é#"])
def test_secret_of_a_line_comes_back_as_it_is(path, secret) -> None:
    path.write_text("SCOPE_API_SECRET=old # note\n")
    write_file(str(path), ApiKeyCredentials("org_1", "key_1", secret))
    document = parse_document(path.read_text())
    assert not isinstance(document, ConfigurationError)
    assert document["SCOPE_API_SECRET"] == secret


def test_makes_a_file_that_is_its_owners_alone(path) -> None:
    write_file(str(path), CREDENTIALS)
    assert json.loads(path.read_text()) == {"org_id": "org_2", "api_key": "key_2", "api_secret": "secret_2"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keeps_mode_and_owner(path) -> None:
    path.write_text("{}")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    before = path.stat()
    write_file(str(path), CREDENTIALS)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_follows_a_link(path, tmp_path) -> None:
    target = tmp_path / "target"
    target.write_text("{}")
    path.symlink_to(target)
    write_file(str(path), CREDENTIALS)
    assert path.is_symlink()
    assert "secret_2" in target.read_text()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_refuses_what_is_no_regular_file_and_leaves_it(path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="no regular file"):
        write_file(str(path), CREDENTIALS)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list(path.parent.iterdir()) == [path]


def test_refuses_a_file_that_is_no_credentials_file_by_its_size(path) -> None:
    path.write_text(" " * 65_537)
    with pytest.raises(ConfigurationError, match="larger than 65536 characters"):
        write_file(str(path), CREDENTIALS)


def test_concurrent_change_is_a_conflict(path, monkeypatch) -> None:
    path.write_text("{}")
    write = module._write_beside

    def write_then_lose(*arguments):
        beside = write(*arguments)
        path.write_text('{"by": "another"}')
        return beside

    monkeypatch.setattr(module, "_write_beside", write_then_lose)
    with pytest.raises(ConflictError, match="another writer"):
        write_file(str(path), CREDENTIALS)
    assert path.read_text() == '{"by": "another"}'
    assert list(path.parent.iterdir()) == [path]


def test_file_that_another_writer_makes_is_left_alone(path, monkeypatch) -> None:
    write = module._write_beside

    def write_then_lose(*arguments):
        path.write_text("another")
        return write(*arguments)

    monkeypatch.setattr(module, "_write_beside", write_then_lose)
    with pytest.raises(ConflictError, match="another writer made it"):
        write_file(str(path), CREDENTIALS)
    assert path.read_text() == "another"


def test_of_many_writers_at_once_each_one_wins_or_hears_of_a_conflict(path) -> None:
    path.write_text('{"other": 1}')
    outcomes: dict[str, object] = {}

    def write(number: int) -> None:
        secret = f"secret_{number}"
        try:
            write_file(str(path), ApiKeyCredentials("org_1", f"key_{number}", secret))
            outcomes[secret] = "written"
        except ConflictError as error:
            outcomes[secret] = error

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    document = json.loads(path.read_text())
    assert document["other"] == 1
    assert outcomes[document["api_secret"]] == "written"
    assert document["api_key"].removeprefix("key_") == document["api_secret"].removeprefix("secret_")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (b"{broken secret_1", "not valid JSON"),
        (b"no pair secret_1", "line 1 is not KEY=value"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_file_that_cannot_be_understood_is_left_alone(path, before, said) -> None:
    path.write_bytes(before)
    with pytest.raises(ConfigurationError, match=said) as caught:
        write_file(str(path), CREDENTIALS)
    assert path.read_bytes() == before
    assert "secret_" not in f"{caught.value} {caught.value.__context__}"


@pytest.mark.parametrize(
    ("before", "secret"),
    [("A=x\n", "both ' and \""), ("NOTE='\nSCOPE_API_KEY=x\n'\nSCOPE_ORG_ID=a\n", "secret_2")],
)
def test_values_that_the_form_cannot_hold_are_refused(path, before, secret) -> None:
    path.write_text(before)
    with pytest.raises(ConfigurationError, match="make it a JSON object") as caught:
        write_file(str(path), ApiKeyCredentials("org_1", "key_1", secret))
    assert path.read_text() == before
    assert secret not in str(caught.value)


def test_folder_cannot_be_written(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="it is a folder"):
        write_file(str(tmp_path), CREDENTIALS)


def test_place_that_does_not_exist_is_named(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot write the credentials file .*: No such file"):
        write_file(str(tmp_path / "absent" / "file"), CREDENTIALS)
