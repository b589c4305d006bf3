"""Encryption of entries: who can read them, and what is absent."""

from __future__ import annotations

import attrs
import pytest

from scope_async.stores.encryption import Binding, EntryCipher

BINDING = Binding(
    base_url="https://api.example.com",
    auth_api_url="https://auth.example.com",
    org_id="org_1",
    environment="production",
    api_key="key_1",
    api_secret="secret_0123456789abcdef",
)
OTHER = [
    {"base_url": "https://api.example.org"},
    {"auth_api_url": "https://auth.example.org"},
    {"org_id": "org_2"},
    {"environment": "staging"},
    {"api_key": "key_2"},
    {"api_secret": "secret_0123456789abcdeg"},
    {"org_id": "org_", "environment": "1production"},
]


def test_decrypt_returns_what_was_encrypted() -> None:
    content = EntryCipher(BINDING).encrypt("prompt", "ab", b"Hello, {{name}}!")
    assert EntryCipher(BINDING).decrypt("prompt", "ab", content) == b"Hello, {{name}}!"


@pytest.mark.parametrize("change", OTHER)
def test_every_part_of_the_binding_changes_namespace_names_and_keys(change) -> None:
    one, other = EntryCipher(BINDING), EntryCipher(attrs.evolve(BINDING, **change))
    assert one.namespace != other.namespace
    assert one.name("greeting") != other.name("greeting")
    assert other.decrypt("token", "ab", one.encrypt("token", "ab", b"secret")) is None


def test_decrypt_returns_none_for_another_name_or_kind() -> None:
    cipher = EntryCipher(BINDING)
    content = cipher.encrypt("token", "ab", b"secret")
    assert cipher.decrypt("token", "ac", content) is None
    assert cipher.decrypt("prompt", "ab", content) is None


@pytest.mark.parametrize("garbage", [b"", b"x", b"x" * 11, b"x" * 12, b"x" * 27, b"x" * 28, b"x" * 1000])
def test_decrypt_returns_none_for_garbage(garbage) -> None:
    assert EntryCipher(BINDING).decrypt("token", "ab", garbage) is None


def test_decrypt_returns_none_when_any_byte_was_changed() -> None:
    cipher = EntryCipher(BINDING)
    content = cipher.encrypt("token", "ab", b"secret")
    for index in range(len(content)):
        changed = bytearray(content)
        changed[index] ^= 1
        assert cipher.decrypt("token", "ab", bytes(changed)) is None


def test_nonces_are_never_repeated() -> None:
    cipher = EntryCipher(BINDING)
    assert len({cipher.encrypt("token", "ab", b"secret")[:12] for _ in range(10_000)}) == 10_000


def test_names_are_opaque_and_tell_their_parts_apart() -> None:
    cipher = EntryCipher(BINDING)
    names = {cipher.name(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}
    assert len(names) == 4
    assert all(len(name) == 40 and set(name) <= set("0123456789abcdef") for name in names)


def test_binding_shows_no_secret() -> None:
    assert "0123456789abcdef" not in repr(BINDING)


@pytest.mark.parametrize(("length", "strong"), [(15, False), (16, True)])
def test_secret_of_fewer_than_16_characters_is_weak(length, strong) -> None:
    assert attrs.evolve(BINDING, api_secret="x" * length).is_secret_strong is strong
