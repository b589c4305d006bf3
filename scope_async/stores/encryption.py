"""Encryption of shared entries: without the API secret the store's content says nothing.

HKDF-SHA-256 (RFC 5869) derives one key per kind of entry and one for names from the API secret;
its salt is everything else the entries are bound to. AES-256-GCM (NIST SP 800-38D) with random
96-bit nonces encrypts; HMAC-SHA-256 makes the names. HKDF suits random secrets, no passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Literal, Self

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials

Kind = Literal["token", "prompt"]

FORMAT = b"scope-async store 1"
MIN_SECRET_LENGTH = 16
"""Characters; a shorter secret could be guessed from the store's content."""

_NONCE_BYTES = 12
_NAME_BYTES = 20


@attrs.frozen(kw_only=True)
class Binding:
    """What entries are bound to: those of another key, environment or service are other entries."""

    base_url: str
    auth_api_url: str
    org_id: str
    environment: str
    api_key: str
    api_secret: str = attrs.field(repr=False)

    @classmethod
    def of(cls, config: Config, credentials: ApiKeyCredentials) -> Self:
        """Return the binding of a client with these options and credentials."""
        return cls(
            base_url=config.base_url,
            auth_api_url=config.auth_api_url,
            org_id=credentials.org_id,
            environment=config.environment,
            api_key=credentials.api_key,
            api_secret=credentials.api_secret,
        )

    @property
    def is_secret_strong(self) -> bool:
        return len(self.api_secret) >= MIN_SECRET_LENGTH


class EntryCipher:
    """Names, encrypts and decrypts the entries of one binding; does no I/O."""

    def __init__(self, binding: Binding) -> None:
        salt = _digest(
            FORMAT,
            binding.base_url.encode(),
            binding.auth_api_url.encode(),
            binding.org_id.encode(),
            binding.environment.encode(),
            binding.api_key.encode(),
        )

        def key_for(purpose: str) -> bytes:
            info = FORMAT + b" " + purpose.encode()
            hkdf = HKDF(algorithm=SHA256(), length=32, salt=salt, info=info)
            return hkdf.derive(binding.api_secret.encode())

        self._name_key = key_for("names")
        self._ciphers = {kind: AESGCM(key_for(kind)) for kind in ("token", "prompt")}
        self.namespace = self.name("namespace")

    def name(self, *parts: str) -> str:
        """Return the opaque name of what `parts` name together."""
        message = _framed(*(part.encode("utf-8", "surrogatepass") for part in parts))
        return hmac.digest(self._name_key, message, "sha256")[:_NAME_BYTES].hex()

    def encrypt(self, kind: Kind, name: str, content: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[kind].encrypt(nonce, content, self._associated_data(kind, name))
        return nonce + sealed

    def decrypt(self, kind: Kind, name: str, content: bytes) -> bytes | None:
        """Return what was encrypted for this kind and name; None for anything else."""
        nonce, sealed = content[:_NONCE_BYTES], content[_NONCE_BYTES:]
        try:
            return self._ciphers[kind].decrypt(nonce, sealed, self._associated_data(kind, name))
        except (InvalidTag, ValueError):
            return None

    def _associated_data(self, kind: Kind, name: str) -> bytes:
        return _framed(FORMAT, kind.encode(), self.namespace.encode(), name.encode())


def _framed(*parts: bytes) -> bytes:
    """Return the parts as one text that no other parts make: each follows its length."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(_framed(*parts)).digest()
