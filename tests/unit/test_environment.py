from __future__ import annotations

import pytest

from scope_async.environment import CREDENTIAL_VARIABLES, Environment
from scope_async.errors import ConfigurationError, MissingApiKeyError


def test_check_names_everything_missing_at_once() -> None:
    environment = Environment({"SCOPE_API_KEY": "  "})
    environment.credentials()
    environment.options()
    with pytest.raises(MissingApiKeyError) as caught:
        environment.check()
    for name in (
        "SCOPE_ORG_ID",
        "SCOPE_API_KEY",
        "SCOPE_API_SECRET",
        "SCOPE_API_URL",
        "SCOPE_AUTH_API_URL",
    ):
        assert name in str(caught.value)


@pytest.mark.parametrize("names", [names for names in CREDENTIAL_VARIABLES.values() if len(names) > 1])
def test_text_with_two_spellings_that_differ_is_a_problem_without_values(names) -> None:
    first, second = names
    environment = Environment({first: "one", second: "two"})
    environment.text(first, second)
    with pytest.raises(ConfigurationError) as caught:
        environment.check()
    assert first in str(caught.value)
    assert second in str(caught.value)
    # One of the pairs is the API secret.
    assert "'one'" not in str(caught.value)
    assert "'two'" not in str(caught.value)


@pytest.mark.parametrize("names", [names for names in CREDENTIAL_VARIABLES.values() if len(names) > 1])
def test_text_accepts_either_spelling(names) -> None:
    first, second = names
    for variables in ({first: "v"}, {second: "v"}, {first: "v", second: " v "}, {first: "", second: "v"}):
        environment = Environment(variables)
        assert environment.text(first, second) == "v"
        environment.check()


@pytest.mark.parametrize(("value", "level"), [("DEBUG", "debug"), (" info ", "info"), ("", None)])
def test_log_level_is_lower_case_and_none_when_blank(value, level) -> None:
    environment = Environment({"SCOPE_LOG": value})
    assert environment.log_level() == level
    environment.check()


def test_log_level_that_does_not_exist_is_named_with_those_that_do() -> None:
    environment = Environment({"SCOPE_LOG": "loud"})
    assert environment.log_level() is None
    with pytest.raises(ConfigurationError, match="SCOPE_LOG must be one of debug, info, warning, error"):
        environment.check()
