"""A process that writes prompts into a shared snapshot file: `python snapshot_writer.py FILE WHO ROUNDS`."""

from __future__ import annotations

import sys
from pathlib import Path

from scope_async.prompts.cache.snapshot_format import RecordId, SnapshotBinding, SnapshotRecord
from scope_async.prompts.cache.snapshot_store import SnapshotStore


def main() -> None:
    path, who, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    binding = SnapshotBinding("https://scope.test/api/v1", "org_1", "production")
    store = SnapshotStore(path, max_entries=10_000, max_bytes=sys.maxsize, now=lambda: 1e10)
    for round_ in range(rounds):
        document = b'{"version_id": "v1", "version": 1, "content": "x", "status": "published"}'
        id = RecordId(binding, f"{who}-{round_}", "label", "production")
        shared = RecordId(binding, "shared", "label", "production")
        changes = {
            id: SnapshotRecord(float(round_), document),
            shared: SnapshotRecord(float(round_), b'{"round": %d}' % round_),
        }
        assert store.write(changes, binding) is not None


if __name__ == "__main__":
    main()
