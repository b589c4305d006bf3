"""The status of a token source, computed from its parts; no I/O."""

from __future__ import annotations

from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.renewer import TokenRenewer
from scope_async.auth.token import AccessToken, HeldToken, TokenState, TokenStatus


def token_status(
    held: HeldToken, policy: RefreshPolicy, renewer: TokenRenewer, now: float, *, refreshing: bool
) -> TokenStatus:
    """Return the status at the instant `now` of a source that has `held`."""
    token, closed = held.token, held.closed
    backing_off = policy.error is not None and policy.next_at > now
    return TokenStatus(
        state="closed" if closed else _state(token, policy, now),
        generation=token.generation,
        expires_in=token.expires_in() if token.generation else None,
        renews_in=None if closed else max(0.0, policy.due_at(token) - now),
        refreshing=refreshing,
        retries_in=policy.next_at - now if backing_off else None,
        exchanges=renewer.exchanges,
        failures=renewer.failures,
        last_error=policy.error,
        shared=renewer.shared and token.generation > 0,
    )


def _state(token: AccessToken, policy: RefreshPolicy, now: float) -> TokenState:
    if now < token.usable_until:
        return "fresh" if now < token.refresh_at else "stale"
    if policy.refusal is not None:
        return "refused"
    return "expired" if token.generation else "empty"
