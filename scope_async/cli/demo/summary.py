"""The summary of the demo."""

from __future__ import annotations

from typing import Self

import attrs

from scope_async.cli.demo.load import LoadStats, TokenWaits


@attrs.frozen(kw_only=True)
class Summary:
    """The demo's figures; times are in seconds.

    Attributes:
        answered: replies of Local Scope, by its journal; the surplus over `requests` are retries
            after the token of the revoked key was refused.
        token_exchanges: all exchanges, the first one included; renewals are those under load.
        longest_token_wait: of a request under load, without the cold start.
    """

    seconds: float
    requests: int
    answered: int
    failures: int
    reasons: dict[str, int]
    requests_per_second: float
    token_exchanges: int
    token_renewals: int
    longest_token_wait: float
    requests_that_waited: int
    cold_start_token_wait: float

    @classmethod
    def of(cls, stats: LoadStats, waits: TokenWaits, *, answered: int, exchanges: int, renewals: int) -> Self:
        """Return the figures of a load that has ended."""
        return cls(
            seconds=round(stats.seconds, 3),
            requests=stats.requests,
            answered=answered,
            failures=stats.failures,
            reasons=stats.reasons,
            requests_per_second=round(stats.rate, 1),
            token_exchanges=exchanges,
            token_renewals=renewals,
            longest_token_wait=round(waits.longest, 6),
            requests_that_waited=waits.count,
            cold_start_token_wait=round(waits.cold_start, 6),
        )

    @property
    def succeeded(self) -> bool:
        """True if every request succeeded and the token was refreshed under load."""
        return 0 < self.requests <= self.answered and self.failures == 0 and self.token_renewals > 0
