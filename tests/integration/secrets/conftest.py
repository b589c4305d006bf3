"""The secret managers of these tests: one process of each for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.fakes.secret_managers import MotoServer, OpenBao, without_managers
from tests.fakes.vault import VaultStub


@pytest.fixture(autouse=True)
def _no_managers_of_their_own(monkeypatch, tmp_path) -> None:
    without_managers(monkeypatch, tmp_path)


@pytest.fixture(scope="session")
def _openbao() -> Iterator[OpenBao]:
    with OpenBao() as server:
        yield server


@pytest.fixture
def openbao(_openbao, monkeypatch) -> OpenBao:
    """OpenBao, with its address in the environment."""
    monkeypatch.setenv("VAULT_ADDR", _openbao.url)
    return _openbao


@pytest.fixture(scope="session")
def _moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def moto(_moto, monkeypatch) -> MotoServer:
    """AWS, with an identity in the environment."""
    for name, value in _moto.variables.items():
        monkeypatch.setenv(name, value)
    return _moto


@pytest.fixture
def file_keyring(tmp_path) -> Iterator[Any]:
    """A keyring in a file, in place of the machine's own."""
    keyring = pytest.importorskip("keyring")
    files = pytest.importorskip("keyrings.alt.file", reason="keyrings.alt is not installed")
    before, backend = keyring.get_keyring(), files.PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring.cfg")
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
async def vault_stub() -> AsyncIterator[VaultStub]:
    async with VaultStub() as stub:
        yield stub
