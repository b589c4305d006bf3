"""The clock of Local Scope: an hour passes in a millisecond."""

from __future__ import annotations

from tests.integration.local.raw_client import Caller


async def test_a_token_ends_when_its_time_has_come(caller: Caller):
    await caller.local.add_prompt("greeting", "x")
    token = await caller.token()
    caller.local.clock.advance(3590)
    assert (await caller.prompt(token)).status == 200
    caller.local.clock.advance(10)
    assert (await caller.prompt(token)).code == "token_expired"
    assert (await caller.prompt(await caller.token())).status == 200


async def test_the_wall_clock_can_be_stepped_as_an_administrator_does(caller: Caller):
    await caller.local.add_prompt("greeting", "x")
    token = await caller.token()
    caller.local.clock.step_wall(4000)
    assert (await caller.prompt(token)).code == "token_expired"
    caller.local.clock.step_wall(-4000)
    assert (await caller.prompt(token)).status == 200


async def test_what_is_written_down_follows_the_clock(caller: Caller):
    first = await caller.local.add_prompt("greeting", "x")
    caller.local.clock.advance(86_400)
    second = await caller.local.add_prompt("greeting", "y")
    assert 86_400 <= second.created_at - first.created_at < 86_400 + 60
