from __future__ import annotations

from collections.abc import Sequence

import attrs

from scope_async.http.token_provider import replay_while_unauthorized


@attrs.frozen
class Token:
    authorization: str


@attrs.frozen
class Response:
    status: int


A, B, C = (Token(f"Bearer {name}") for name in "abc")


class Service:
    """Answers with `statuses`, one after the other, and hands out `tokens`, until there is none."""

    def __init__(self, statuses: Sequence[int], tokens: Sequence[Token | None]) -> None:
        self.statuses = list(statuses)
        self.tokens = list(tokens)
        self.asked: list[list[Token]] = []
        self.sent: list[tuple[Token, list[Token]]] = []

    async def replacement(self, rejected: Sequence[Token]) -> Token | None:
        self.asked.append(list(rejected))
        return self.tokens.pop(0)

    async def send(self, token: Token, rejected: Sequence[Token]) -> Response:
        self.sent.append((token, list(rejected)))
        return Response(self.statuses.pop(0))

    async def replay(self, status: int) -> int:
        response = await replay_while_unauthorized(
            Response(status), A, replacement=self.replacement, send=self.send
        )
        return response.status


async def test_replay_of_another_status_than_401_asks_for_no_token() -> None:
    service = Service([], [])
    assert await service.replay(403) == 403
    assert service.asked == []


async def test_replay_after_a_401_sends_the_replacement() -> None:
    service = Service([200], [B])
    assert await service.replay(401) == 200
    assert service.sent == [(B, [A])]


async def test_replay_goes_on_while_there_is_a_replacement() -> None:
    service = Service([401, 503], [B, C])
    assert await service.replay(401) == 503
    assert service.asked == [[A], [A, B]]
    assert service.sent == [(B, [A]), (C, [A, B])]


async def test_replay_returns_the_last_401_when_there_is_no_replacement() -> None:
    service = Service([401], [B, None])
    assert await service.replay(401) == 401
    assert service.asked == [[A], [A, B]]
