from __future__ import annotations

import builtins
import copy
import inspect
import pickle

import pytest

from scope_async import errors
from scope_async.errors import NoProductionVersionError, RateLimitError, ServerError, TokenRefreshError

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


def test_errors_form_the_tree_of_the_contract() -> None:
    parents = {kind.__name__: kind.__bases__[0].__name__ for kind in EVERY_ERROR}
    assert parents.pop("ScopeError") == "Exception"
    assert parents == TREE


def test_network_errors_are_builtin_ones_too() -> None:
    assert issubclass(errors.ConnectionError, builtins.ConnectionError)
    assert issubclass(errors.TimeoutError, builtins.TimeoutError)
    assert issubclass(errors.TimeoutError, builtins.ConnectionError)
    assert issubclass(errors.NoProductionVersionError, errors.ResourceError)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("duplicate", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_errors_can_be_pickled(kind, duplicate) -> None:
    original = kind("what happened")
    for name, value in {"http_status": 503, "request_id": "r-1", "missing_variables": ("a",)}.items():
        if hasattr(original, name):
            setattr(original, name, value)
    again = duplicate(original)
    assert type(again) is kind
    assert str(again) == str(original)
    assert vars(again) == vars(original)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_errors_say_their_message(kind) -> None:
    assert str(kind("what happened")) == "what happened"


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_errors_can_be_made_with_nothing_and_have_the_facts_a_handler_asks_for(kind) -> None:
    error = kind()
    assert error.message
    assert error.message == str(error)
    assert (error.http_status, error.error_code, error.request_id) == (None, None, None)
    told = kind("told", http_status=418, error_code="c", request_id="r")
    assert (told.message, told.http_status, told.error_code, told.request_id) == ("told", 418, "c", "r")


def test_errors_take_the_facts_of_their_own() -> None:
    missing = errors.MissingVariableError(missing_variables=["name", "app"])
    assert missing.missing_variables == ("name", "app")
    assert "name, app" in str(missing)
    assert errors.MissingVariableError().missing_variables == ()
    assert RateLimitError(retry_after=5).retry_after == 5


def test_api_error_ends_with_status_code_and_request_id() -> None:
    error = errors.NotFoundError(
        "no such prompt", http_status=404, error_code="prompt_not_found", request_id="r-1"
    )
    assert str(error) == "no such prompt (HTTP 404, code prompt_not_found, request id r-1)"
    assert error.message == "no such prompt"


def test_api_error_cuts_the_body_and_keeps_it_out_of_the_message() -> None:
    error = errors.ServerError("broken", http_body="x" * 10_000)
    assert error.http_body is not None
    assert len(error.http_body) == 2000
    assert "x" * 10 not in f"{error} {error!r}"


def test_replace_returns_a_copy_with_other_attributes_and_without_traceback_or_notes() -> None:
    error = RateLimitError(
        "slow", http_status=429, error_code="c", request_id="r", http_body="b", retry_after=1
    )
    error.add_note("seen by one caller")
    replaced = error.replace(retry_after=5)
    assert type(replaced) is RateLimitError
    assert vars(replaced) == {**vars(RateLimitError("slow")), "http_status": 429, "error_code": "c"} | {
        "request_id": "r",
        "http_body": "b",
        "retry_after": 5,
    }
    assert (replaced.__traceback__, replaced.__cause__) == (None, None)
    assert str(replaced) == str(error)


def test_replace_returns_an_error_of_another_class() -> None:
    error = ServerError("down", http_status=503, request_id="r").replace(
        TokenRefreshError, message="no token"
    )
    assert type(error) is TokenRefreshError
    assert str(error) == "no token (HTTP 503, request id r)"


def test_replace_keeps_what_a_subclass_has_besides() -> None:
    error = NoProductionVersionError("none", http_status=404)
    error.name = "greeting"
    assert error.replace(message="still none").name == "greeting"
