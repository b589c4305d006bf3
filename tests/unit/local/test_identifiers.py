"""Identifiers, secrets, their checksums and digests."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter

import pytest

from scope_async.local.identifiers import base62, digest, new_identifier, new_secret


def test_new_secret_is_one_word_with_a_checksum():
    created = {new_secret("secret") for _ in range(200)}
    assert len(created) == 200
    for secret in created:
        assert re.fullmatch(r"secret_[0-9A-Za-z]{49}", secret)
        assert base62(zlib.crc32(secret[:-6].encode()).to_bytes(4, "big")) == secret[-6:]


def test_new_identifier_uses_the_whole_alphabet():
    identifiers = [new_identifier("key") for _ in range(500)]
    assert all(re.fullmatch(r"key_[0-9A-Za-z]{22}", identifier) for identifier in identifiers)
    assert len(Counter("".join(identifier[10:] for identifier in identifiers))) == 62


def test_base62_has_one_width_for_one_length():
    assert base62(b"\x00" * 16) == "0" * 22
    assert base62(b"\xff" * 16) == "7n42DGM5Tflk9n8mt7Fhc7"
    assert len(base62(b"\xff" * 32)) == len(base62(b"\x00" * 32)) == 43


@pytest.mark.parametrize("length", [0, 1, 22, 500])
def test_digest_is_sha_256(length):
    assert digest("x" * length) == hashlib.sha256(b"x" * length).digest()


def test_digest_takes_a_lone_surrogate():
    assert len(digest("\ud800")) == 32
