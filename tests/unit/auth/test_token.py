from __future__ import annotations

import jwt
import pytest

from scope_async.auth.token import AccessToken, invalidated, no_token, read_claims

VALUE = jwt.encode({"sub": "key_1", "exp": 2, "iat": 1}, "k" * 32)


def token(now: float = 0.0) -> AccessToken:
    return AccessToken(VALUE, f"Bearer {VALUE}", 1, "key_1", 100.0, 40.0, 98.0, 100.0, lambda: now)


def test_repr_and_str_show_no_token() -> None:
    assert VALUE not in repr(token())
    assert VALUE not in str(token())


def test_expires_in_is_negative_after_the_expiry() -> None:
    assert token(now=40.0).expires_in() == 60.0
    assert token(now=101.0).expires_in() == -1.0


@pytest.mark.parametrize("value", ["", "opaque", "a.b.c", "e30.e30."])
def test_read_claims_of_what_is_no_jwt_are_empty(value) -> None:
    assert read_claims(value) == {}


def test_claims_are_read_without_verification() -> None:
    assert token().claims == {"sub": "key_1", "exp": 2, "iat": 1}


def test_invalidated_token_is_unusable_and_due_for_a_refresh() -> None:
    given_up = invalidated(token())
    assert given_up.usable_until == given_up.refresh_at == float("-inf")
    assert (given_up.value, given_up.generation) == (VALUE, 1)


def test_no_token_is_unusable_from_the_start() -> None:
    assert no_token(lambda: 0.0).usable_until == float("-inf")
