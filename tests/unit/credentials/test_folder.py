from __future__ import annotations

import threading
from pathlib import Path

import pytest

from scope_async.credentials import ApiKeyCredentials
from scope_async.credentials import folder as module
from scope_async.credentials.folder import read_folder
from scope_async.errors import ConfigurationError, MissingApiKeyError

NAMES = ("org_id", "api_key", "api_secret")


def generation(path, number: int, names=NAMES):
    made = path / f"..generation_{number}"
    made.mkdir()
    for name, value in zip(names, ("org_1", f"key_{number}", f"secret_{number}"), strict=True):
        (made / name).write_text(f"{value}\n")
    return made


def swap(path, made) -> None:
    """Make a generation the current one, as the kubelet does."""
    link = path / "..data_tmp"
    link.symlink_to(made.name)
    link.rename(path / "..data")


def mounted(path, number: int = 1, names=NAMES) -> None:
    swap(path, generation(path, number, names))
    for name in names:
        (path / name).symlink_to(f"..data/{name}")


def of(number: int) -> ApiKeyCredentials:
    return ApiKeyCredentials("org_1", f"key_{number}", f"secret_{number}")


def test_reads_a_plain_folder(tmp_path) -> None:
    generation(tmp_path, 1)
    (tmp_path / "..generation_1" / "unrelated").write_bytes(b"\xff")
    assert read_folder(str(tmp_path / "..generation_1")) == of(1)


@pytest.mark.parametrize("names", [NAMES, ("SCOPE_ORG_ID", "SCOPE_CLIENT_ID", "SCOPE_CLIENT_SECRET")])
def test_reads_what_kubernetes_mounts(tmp_path, names) -> None:
    mounted(tmp_path, names=names)
    assert read_folder(str(tmp_path)) == of(1)


def test_reads_one_generation_though_another_comes_meanwhile(tmp_path, monkeypatch) -> None:
    mounted(tmp_path)
    read = module._read_files

    def read_then_swap(path: str):
        values = read(path)
        if path.endswith("_1"):
            swap(tmp_path, generation(tmp_path, 2))
        return values

    monkeypatch.setattr(module, "_read_files", read_then_swap)
    assert read_folder(str(tmp_path)) == of(2)


def test_reads_the_next_generation_when_this_one_is_removed(tmp_path, monkeypatch) -> None:
    mounted(tmp_path)
    read = module._read_files

    def swap_then_read(path: str):
        if path.endswith("_1"):
            swap(tmp_path, generation(tmp_path, 2))
            for name in NAMES:
                Path(path, name).unlink()
        return read(path)

    monkeypatch.setattr(module, "_read_files", swap_then_read)
    assert read_folder(str(tmp_path)) == of(2)


def test_folder_never_mixes_two_generations(tmp_path) -> None:
    mounted(tmp_path)
    stop = threading.Event()

    def rotate() -> None:
        number = 1
        while not stop.is_set():
            number += 1
            swap(tmp_path, generation(tmp_path, number))
            for name in NAMES:
                (tmp_path / f"..generation_{number - 1}" / name).unlink()
            (tmp_path / f"..generation_{number - 1}").rmdir()

    rotating = threading.Thread(target=rotate)
    rotating.start()
    try:
        found = [read_folder(str(tmp_path)) for _ in range(300)]
    finally:
        stop.set()
        rotating.join()
    read = [one for one in found if isinstance(one, ApiKeyCredentials)]
    assert read
    assert all(one.api_key.removeprefix("key_") == one.api_secret.removeprefix("secret_") for one in read)
    # What is left changed three times in a row while it was read, and says so.
    assert all("changes while" in str(one) or "No such" in str(one) for one in found if one not in read)


def test_missing_value_is_named(tmp_path) -> None:
    mounted(tmp_path)
    (tmp_path / "..data" / "api_key").unlink()
    error = read_folder(str(tmp_path))
    assert type(error) is MissingApiKeyError
    assert f"credentials folder {tmp_path}: it has no api_key" in str(error)


@pytest.mark.parametrize("path", ["/nowhere/at/all", "nul\x00"])
def test_folder_that_cannot_be_read_is_named(path) -> None:
    error = read_folder(path)
    assert type(error) is ConfigurationError
    assert "cannot read the credentials folder" in str(error)


def test_file_that_is_not_text_is_an_error(tmp_path) -> None:
    mounted(tmp_path)
    (tmp_path / "..data" / "api_key").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in str(read_folder(str(tmp_path)))
