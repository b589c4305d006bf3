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
CREDENTIAL_FILE_VARIABLES = {field: f"{names[0]}_FILE" for field, names in CREDENTIAL_VARIABLES.items()}
OPTION_VARIABLES = {
    "base_url": "SCOPE_API_URL",
    "auth_api_url": "SCOPE_AUTH_API_URL",
    "environment": "SCOPE_ENVIRONMENT",
    "token_refresh_buffer": "SCOPE_TOKEN_REFRESH_BUFFER",
    "allow_insecure": "SCOPE_ALLOW_INSECURE",
    "store_url": "SCOPE_STORE_URL",
}
_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
CREDENTIALS_VARIABLE = "SCOPE_CREDENTIALS"
LOG_VARIABLE = "SCOPE_LOG"
LOG_LEVELS = ("debug", "info", "warning", "error")
ADMIN_TOKEN_VARIABLE = "SCOPE_ADMIN_TOKEN"  # noqa: S105 - the variable's name, not its value
LOCAL_ADMIN_TOKEN_VARIABLE = "SCOPE_LOCAL_ADMIN_TOKEN"  # noqa: S105 - the variable's name, not its value
LOCAL_CREDENTIALS_VARIABLE = "SCOPE_LOCAL_CREDENTIALS"


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

    def flag(self, name: str) -> bool | None:
        """Return the switch in a variable; None when it is missing, or wrong, which is noted."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in _FLAGS:
            self._problems.append(f"{name} must be 1 or true, 0 or false, got {value!r}")
        return _FLAGS.get(value.lower())

    def log_level(self) -> str | None:
        """Return the level in `SCOPE_LOG`, in small letters; None when it is not set."""
        value = self.text(LOG_VARIABLE)
        if value is not None and value.lower() not in LOG_LEVELS:
            self._problems.append(f"{LOG_VARIABLE} must be one of {', '.join(LOG_LEVELS)}, got {value!r}")
            return None
        return None if value is None else value.lower()

    def credentials(self) -> dict[str, str]:
        """Return organization ID, API key and API secret; note which are missing.

        A value that is in a file, see `credential_files`, is an empty string.
        """
        known = len(self._missing)
        values = {}
        for field, names in CREDENTIAL_VARIABLES.items():
            file = CREDENTIAL_FILE_VARIABLES[field]
            if self.text(file) is None:
                values[field] = self.required(*names)
                continue
            values[field] = ""
            if beside := [name for name in names if self.text(name) is not None]:
                self._problems.append(f"{' and '.join([*beside, file])} are both set; unset one of them")
        self._credentials_missing = len(self._missing) > known
        return values

    def require_credentials(self) -> None:
        """Note which credentials are missing, unless `SCOPE_CREDENTIALS` says where they are."""
        if self.text(CREDENTIALS_VARIABLE) is None:
            self.credentials()

    def credential_files(self) -> dict[str, tuple[str, str]]:
        """Return variable and path for each credential that is in a file of its own."""
        paths = {field: (name, self.text(name)) for field, name in CREDENTIAL_FILE_VARIABLES.items()}
        return {field: (name, path) for field, (name, path) in paths.items() if path is not None}

    def options(self, explicit: Iterable[str] = ()) -> dict[str, Any]:
        """Return `Config`'s options that are set here, leaving out the `explicit` ones."""
        wanted = {name: variable for name, variable in OPTION_VARIABLES.items() if name not in set(explicit)}
        found: dict[str, Any] = {}
        for option, variable in wanted.items():
            if option == "token_refresh_buffer":
                value: str | float | None = self.number(variable)
            elif option == "allow_insecure":
                value = self.flag(variable)
            elif option in ("environment", "store_url"):
                value = self.text(variable)
            else:
                value = self.required(variable)
            if value not in (None, ""):
                found[option] = value
        return found

    def proxies(self) -> dict[str, tuple[str, str]]:
        """Return variable and value of the proxy for `http` and for `https`, as curl and Go read them.

        The name in small letters counts first, an empty one is not set. `HTTP_PROXY` is ignored where
        `REQUEST_METHOD` says that this is a CGI program: there it is a header of the request
        (https://httpoxy.org).
        """
        found = {}
        for scheme in ("http", "https"):
            names = [f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
            if self._variables.get("REQUEST_METHOD"):
                names = [name for name in names if name != "HTTP_PROXY"]
            set_ones = [(name, value) for name in names if (value := self._variables.get(name, "").strip())]
            if set_ones:
                found[scheme] = set_ones[0]
        return found

    def no_proxy(self) -> str:
        """Return the list of hosts that are connected to directly."""
        return self._variables.get("no_proxy", "").strip() or self._variables.get("NO_PROXY", "")

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
