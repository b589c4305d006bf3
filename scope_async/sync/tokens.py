"""The tokens of a synchronous client."""

from __future__ import annotations

from scope_async.auth.source import TokenSource
from scope_async.auth.token import AccessToken, TokenStatus
from scope_async.sync.calls import ClientCalls


class ClientTokens:
    """Keeps one valid token for all threads that use the client: `scope.tokens`."""

    def __init__(self, source: TokenSource, calls: ClientCalls) -> None:
        self._source = source
        self._calls = calls

    def peek(self) -> AccessToken | None:
        """Return the valid token, or None; takes no lock, does no I/O, callable from any thread."""
        return self._source.peek()

    def get(self) -> AccessToken:
        """Return a token that the service will accept now.

        While the current token is valid this never waits. Callers that arrive without
        one share a single exchange, from whichever thread; interrupting a caller leaves the
        exchange to the others. One that fails for a transient reason is tried again for as long as a
        caller waits, which is `timeout` seconds each.

        Raises:
            InvalidCredentialsError: the service refused the credentials; fix them, do not retry.
            TokenRefreshError: no exchange has succeeded before the token expired; trying again
                after `retry_after` seconds may help.
            ConfigurationError: the credential provider returned something else than credentials.
            ClientClosedError: the source was closed.
        """
        return self._source.peek() or self._calls.run(self._source.get)

    def invalidate(self, token: AccessToken) -> None:
        """Stop using `token`, which the service refused; a newer one is left alone.

        Renewals that are forced in this way are limited to three at once and one in ten
        seconds: beyond that the token stays, since more of them do not help a service that
        refuses every new token. Callable from any thread.
        """
        self._source.invalidate(token)

    def refresh(self) -> AccessToken:
        """Renew the token now, because the credentials have changed, and return the new one.

        Callers share a single exchange that began after they called; the old token stays in use until
        it has succeeded. Limited as `invalidate`: beyond that the current token is returned.

        Raises:
            InvalidCredentialsError, TokenRefreshError, ConfigurationError, ClientClosedError: as `get`.
        """
        return self._calls.run(self._source.refresh)

    def status(self) -> TokenStatus:
        """Return what the source looks like now; never waits, callable from any thread."""
        return self._source.status()

    def __repr__(self) -> str:
        return repr(self._source)
