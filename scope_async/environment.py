"""The environment variables, and the one module that reads them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from scope_async.errors import ConfigurationError, MissingApiKeyError

CREDENTIAL_VARIABLES = {
    "org_id": ("SCOPE_ORG_ID",),
    "api_key": ("SCOPE_API_KEY", "SCOPE_CLIENT_ID"),
    "api_secret": ("SCOPE_API_SECRET", "SCOPE_CLIENT_SECRET"),
}
OPTION_VARIABLES = {
    "base_url": "SCOPE_API_URL",
    "auth_api_url": "SCOPE_AUTH_API_URL",
    "environment": "SCOPE_ENVIRONMENT",
    "token_refresh_buffer": "SCOPE_TOKEN_REFRESH_BUFFER",
}
LOG_VARIABLE = "SCOPE_LOG"
LOG_LEVELS = ("debug", "info", "warning", "error")
ADMIN_TOKEN_VARIABLE = "SCOPE_ADMIN_TOKEN"  # noqa: S105 - the variable's name, not its value
ALLOW_INSECURE_VARIABLE = "SCOPE_ALLOW_INSECURE"
LOCAL_ADMIN_TOKEN_VARIABLE = "SCOPE_LOCAL_ADMIN_TOKEN"  # noqa: S105 - the variable's name, not its value
LOCAL_CREDENTIALS_VARIABLE = "SCOPE_LOCAL_CREDENTIALS"
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


class Environment:
    """One reading of the environment that collects what is missing or wrong.

    An empty or blank variable counts as missing. Problems are raised by `check` alone, so
    that a first start names all of them at once.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self._missing: list[str] = []
        self._problems: list[str] = []
        self._credentials_missing = False

    def text(self, *spellings: str) -> str | None:
        """Return the value of a variable that has one or more names; None when not set."""
        found = {name: self._variables.get(name, "").strip() for name in spellings}
        values = {name: value for name, value in found.items() if value}
        if len(set(values.values())) > 1:
            # No value is shown: one of the pairs is the API secret.
            self._problems.append(f"{' and '.join(values)} are set to different values; unset one of them")
        return next(iter(values.values()), None)

    def required(self, *spellings: str) -> str:
        """Return the value of a variable; when it is missing, note that and return an empty string."""
        value = self.text(*spellings)
        if value is None:
            self._missing.append(spellings[0])
        return value or ""

    def number(self, name: str) -> float | None:
        """Return the number of seconds in a variable; None when it is missing, or wrong, which is noted."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return float(value)
        except ValueError:
            self._problems.append(f"{name} must be a number of seconds, got {value!r}")
            return None

    def allow_insecure(self) -> bool:
        """Return True if plain `http://` to other machines is allowed."""
        value = (self.text(ALLOW_INSECURE_VARIABLE) or "0").lower()
        if value not in _FLAGS:
            self._problems.append(f"{ALLOW_INSECURE_VARIABLE} must be 1 or 0, got {value!r}")
        return _FLAGS.get(value, False)

    def log_level(self) -> str | None:
        """Return the level in `SCOPE_LOG`, in small letters; None when it is not set."""
        value = self.text(LOG_VARIABLE)
        if value is not None and value.lower() not in LOG_LEVELS:
            self._problems.append(f"{LOG_VARIABLE} must be one of {', '.join(LOG_LEVELS)}, got {value!r}")
            return None
        return None if value is None else value.lower()

    def credentials(self) -> dict[str, str]:
        """Return organization ID, API key and API secret; note which are missing."""
        known = len(self._missing)
        values = {field: self.required(*names) for field, names in CREDENTIAL_VARIABLES.items()}
        self._credentials_missing = len(self._missing) > known
        return values

    def options(self, explicit: Iterable[str] = ()) -> dict[str, Any]:
        """Return `Config`'s options that are set here, leaving out the `explicit` ones."""
        wanted = {name: variable for name, variable in OPTION_VARIABLES.items() if name not in set(explicit)}
        found: dict[str, Any] = {}
        for option, variable in wanted.items():
            if option == "token_refresh_buffer":
                value: str | float | None = self.number(variable)
            elif option == "environment":
                value = self.text(variable)
            else:
                value = self.required(variable)
            if value not in (None, ""):
                found[option] = value
        if "allow_insecure" not in set(explicit) and self.allow_insecure():
            found["allow_insecure"] = True
        return found

    def check(self) -> None:
        """Raise one error that names everything found missing or wrong so far.

        Raises:
            MissingApiKeyError: a credential is missing (other problems are named too).
            ConfigurationError: anything else is missing or wrong.
        """
        sentences = list(self._problems)
        if self._missing:
            sentences.insert(0, f"not set: {', '.join(self._missing)}")
        if sentences:
            kind = MissingApiKeyError if self._credentials_missing else ConfigurationError
            raise kind("; ".join(sentences))
