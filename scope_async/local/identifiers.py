"""Identifiers, secrets and their digests."""

from __future__ import annotations

import hashlib
import secrets
import zlib

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH = 6
_IDENTIFIER_BYTES = 16
_SECRET_BYTES = 32


def base62(data: bytes) -> str:
    """Return `data` in base 62; the width depends on the length of `data` alone."""
    number = int.from_bytes(data, "big")
    width = -(-len(data) * 8 * 1000 // 5954)  # log2(62) is 5.954
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def new_identifier(prefix: str) -> str:
    """Return `prefix_` and 128 random bits; a double click selects all of it."""
    return f"{prefix}_{base62(secrets.token_bytes(_IDENTIFIER_BYTES))}"


def new_secret(prefix: str) -> str:
    """Return `prefix_`, 256 random bits and a CRC-32 checksum; a double click selects all of it."""
    body = f"{prefix}_{base62(secrets.token_bytes(_SECRET_BYTES))}"
    return body + checksum(body)


def digest(secret: str) -> bytes:
    """Return the SHA-256 of `secret`, the only form in which a secret is stored.

    A plain hash is enough: dictionary attacks fail against 256 random bits.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def checksum(body: str) -> str:
    """Return what ends a secret that begins with `body`, so that scanners can tell it from a likeness."""
    value = zlib.crc32(body.encode("utf-8", "surrogatepass"))
    return base62(value.to_bytes(4, "big")).rjust(_CHECKSUM_LENGTH, _ALPHABET[0])
