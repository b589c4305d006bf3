"""The clock of Local Scope."""

from __future__ import annotations

from tests.integration.local.raw_client import RawClient


async def test_clock_expires_a_token(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    token = await raw_client.token()
    raw_client.local.clock.advance(3590)
    assert (await raw_client.prompt(token)).status == 200
    raw_client.local.clock.advance(10)
    assert (await raw_client.prompt(token)).code == "token_expired"
    assert (await raw_client.prompt(await raw_client.token())).status == 200


async def test_clock_steps_its_wall_time_alone(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    token = await raw_client.token()
    raw_client.local.clock.step_wall(4000)
    assert (await raw_client.prompt(token)).code == "token_expired"
    raw_client.local.clock.step_wall(-4000)
    assert (await raw_client.prompt(token)).status == 200


async def test_clock_sets_stored_times(raw_client: RawClient):
    first = await raw_client.local.add_prompt("greeting", "x")
    raw_client.local.clock.advance(86_400)
    second = await raw_client.local.add_prompt("greeting", "y")
    assert 86_400 <= second.created_at - first.created_at < 86_400 + 60
