"""A file system that hangs delays a close by its limit and no more."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from scope_async import ScopeClient
from scope_async.prompts import service as api
from tests.auth_double import ADDRESSES, CREDENTIALS


async def test_a_close_does_not_wait_for_ever_for_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(api, "_FLUSH_LIMIT", 0.05)
    monkeypatch.setattr("scope_async.prompts.cache.snapshot.write_snapshot", lambda *_: gate.wait(20))
    scope = ScopeClient(CREDENTIALS, snapshot_path=tmp_path / "kept.json", **ADDRESSES)
    snapshot = scope._prompts._snapshot
    assert snapshot is not None
    snapshot._changed = True
    try:
        await scope.aclose()
        assert "not written after" in caplog.text
    finally:
        gate.set()
