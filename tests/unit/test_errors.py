from __future__ import annotations

import builtins
import copy
import inspect
import pickle

import pytest

from scope_async import errors

EVERY_ERROR = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaseException) and kind.__module__ == errors.__name__
]

# Contract 2.4, indented as there.
TREE = {
    "ConfigurationError": "ScopeError",
    "MissingApiKeyError": "ConfigurationError",
    "ApiError": "ScopeError",
    "AuthenticationError": "ApiError",
    "TokenRefreshError": "AuthenticationError",
    "InvalidCredentialsError": "AuthenticationError",
    "AuthorizationError": "ApiError",
    "NotFoundError": "ApiError",
    "NoProductionVersionError": "NotFoundError",
    "ConflictError": "ApiError",
    "RateLimitError": "ApiError",
    "ServerError": "ApiError",
    "ConnectionError": "ScopeError",
    "TimeoutError": "ConnectionError",
    "ResourceError": "ScopeError",
    "ValidationError": "ResourceError",
    "RenderError": "ResourceError",
    "MissingVariableError": "RenderError",
    "ClientClosedError": "ScopeError",
}


def test_the_tree_is_that_of_the_contract() -> None:
    parents = {kind.__name__: kind.__bases__[0].__name__ for kind in EVERY_ERROR}
    assert parents.pop("ScopeError") == "Exception"
    assert parents == TREE


def test_network_errors_are_also_the_builtin_ones() -> None:
    assert issubclass(errors.ConnectionError, builtins.ConnectionError)
    assert issubclass(errors.TimeoutError, builtins.TimeoutError)
    assert issubclass(errors.TimeoutError, builtins.ConnectionError)
    assert issubclass(errors.NoProductionVersionError, errors.ResourceError)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("duplicate", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_every_error_survives_a_process_border(kind, duplicate) -> None:
    original = kind("what happened")
    for name, value in {"http_status": 503, "request_id": "r-1", "missing_variables": ("a",)}.items():
        if hasattr(original, name):
            setattr(original, name, value)
    again = duplicate(original)
    assert type(again) is kind
    assert str(again) == str(original)
    assert vars(again) == vars(original)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_error_says_its_message(kind) -> None:
    assert str(kind("what happened")) == "what happened"


def test_an_api_error_ends_with_the_facts_to_quote() -> None:
    error = errors.NotFoundError(
        "no such prompt", http_status=404, error_code="prompt_not_found", request_id="r-1"
    )
    assert str(error) == "no such prompt (HTTP 404, code prompt_not_found, request id r-1)"
    assert error.message == "no such prompt"


def test_the_body_is_cut_and_not_in_the_message() -> None:
    error = errors.ServerError("broken", http_body="x" * 10_000)
    assert error.http_body is not None
    assert len(error.http_body) == 2000
    assert "x" * 10 not in f"{error} {error!r}"
