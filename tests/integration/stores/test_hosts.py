"""Two hosts, in network namespaces: the one that is cut off from the store goes on alone, and comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from scope_async.local import LocalScope
from tests.fakes.redis_server import RedisServer, running
from tests.integration.stores.fleet import fleet

PROMPTS = {"greeting": "Hello"}

pytestmark = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="network namespaces need root and ip (Debian: apt-get install iproute2)",
)


@attrs.frozen
class RemoteHost:
    """A namespace with two links to this one: to Scope, and to the store."""

    name: str
    scope_address: str
    store_address: str

    @property
    def command(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def cut_off_from_store(self) -> None:
        ip("-n", self.name, "link", "set", "store0", "down")

    def reconnect_to_store(self) -> None:
        ip("-n", self.name, "link", "set", "store0", "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def remote() -> Iterator[RemoteHost]:
    # Addresses for benchmarks between networks (RFC 2544), with the process in them: tests run side by side.
    name, network = f"scope-{os.getpid()}", f"198.18.{os.getpid() % 256}"
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        for number, link in enumerate(("scope", "store")):
            ours, theirs = f"{network}.{4 * number + 1}", f"{network}.{4 * number + 2}"
            device = f"{link}{os.getpid()}"
            ip("link", "add", device, "type", "veth", "peer", "name", f"{link}0", "netns", name)
            ip("address", "add", f"{ours}/30", "dev", device)
            ip("link", "set", device, "up")
            ip("-n", name, "address", "add", f"{theirs}/30", "dev", f"{link}0")
            ip("-n", name, "link", "set", f"{link}0", "up")
        yield RemoteHost(name, f"{network}.1", f"{network}.5")
    finally:
        ip("netns", "delete", name)  # and with it the links


async def test_host_that_is_cut_off_from_the_store_goes_on_alone(remote: RemoteHost, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", "--protected-mode", "no", host=remote.store_address)
    with running(server):
        async with (
            LocalScope(token_ttl=2, prompts=PROMPTS, host=remote.scope_address) as local,
            fleet(local, server.url, 1) as here,
            fleet(local, server.url, 1, host=remote.command) as there,
        ):
            await local.journal.wait_for("prompt", 10, timeout=60)
            before = local.journal.arrivals("exchange")
            remote.cut_off_from_store()
            # Each host renews on its own: two exchanges and more for two lives of a token.
            await local.journal.wait_for("exchange", before + 4, timeout=60)
            remote.reconnect_to_store()
            await local.journal.wait_for("prompt", local.journal.arrivals("prompt") + 20, timeout=60)
            outcomes = [await made.stop() for made in (here, there)]
    assert [outcome.errors for outcome in outcomes] == [(), ()]
    assert all(outcome.calls > 20 for outcome in outcomes)
