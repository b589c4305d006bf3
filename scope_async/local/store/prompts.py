"""Prompts and their versions: an index in memory for requests, and the transactions that change it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
from attrs import frozen

from scope_async._core.clock import Clock
from scope_async.errors import NotFoundError, ValidationError
from scope_async.local.identifiers import new_identifier
from scope_async.local.store import lifecycle
from scope_async.local.store.database import Database, Statement, Transaction
from scope_async.local.store.lifecycle import LifecycleStep, find_version
from scope_async.local.store.prompt_models import (
    NAME_LIMIT,
    Content,
    Draft,
    Promotion,
    StoredPrompt,
    StoredVersion,
)
from scope_async.local.store.prompt_rows import (
    PROMOTION_COLUMNS,
    VERSION_COLUMNS,
    file_row,
    promotion_row,
    prompt_row,
    read_version,
    version_row,
)


@frozen
class EncodedVersion:
    """A version as a reply's body, and its strong `ETag` (RFC 9110, 8.8.3)."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, version: StoredVersion) -> EncodedVersion:
        body = json.dumps(version.document(), ensure_ascii=False).encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


class PromptStore:
    """Holds every prompt in memory, with the encoded replies of its labels."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._by_name: dict[str, StoredPrompt] = {}
        self._names: dict[str, str] = {}
        self._encoded: dict[tuple[str, str], EncodedVersion] = {}
        self._file_digests: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read the prompts from the database."""
        fetch = self._database.fetch_rows
        prompts = {
            row[0]: StoredPrompt(*row) for row in await fetch("SELECT id, name, created_at FROM prompts")
        }
        versions: dict[str, list[StoredVersion]] = {prompt_id: [] for prompt_id in prompts}
        promotions: dict[str, list[Promotion]] = {prompt_id: [] for prompt_id in prompts}
        for row in await fetch(f"SELECT {VERSION_COLUMNS} FROM versions ORDER BY version_number"):  # noqa: S608 - constant
            versions[row[1]].append(read_version(row, prompts[row[1]].name))
        for row in await fetch(f"SELECT {PROMOTION_COLUMNS} FROM promotions ORDER BY seq"):  # noqa: S608 - constant
            promotions[row[1]].append(Promotion(*row))
        self.replace_all(
            attrs.evolve(prompt, versions=tuple(versions[id]), promotions=tuple(promotions[id]))
            for id, prompt in prompts.items()
        )
        self._file_digests = dict(await fetch("SELECT name, digest FROM prompt_files"))

    def replace_all(self, prompts: Iterable[StoredPrompt]) -> None:
        """Replace the content by `prompts`."""
        self._by_name = {prompt.name: prompt for prompt in prompts}
        self._names = {prompt.id: prompt.name for prompt in self._by_name.values()}
        self._encoded.clear()

    def all(self) -> list[StoredPrompt]:
        """Return every prompt, by name."""
        return sorted(self._by_name.values(), key=lambda prompt: prompt.name)

    def find_prompt(self, name: str) -> StoredPrompt | None:
        """Return the prompt with this name, else with this id, else None."""
        return self._by_name.get(name) or self._by_name.get(self._names.get(name, ""))

    def get_prompt(self, name: str) -> StoredPrompt:
        """Return the prompt with this name or id.

        Raises:
            ValidationError: the name is too long.
            NotFoundError: the prompt does not exist.
        """
        if len(name) > NAME_LIMIT:
            raise ValidationError(f"name: 1 to {NAME_LIMIT} characters, got {len(name)}")
        if (prompt := self.find_prompt(name)) is None:
            raise _not_found("prompt_not_found", f"there is no prompt {name!r}")
        return prompt

    def encoded_by_label(self, name: str, label: str) -> EncodedVersion:
        """Return the `production` or the `latest` version as a reply.

        Raises:
            NotFoundError: the prompt, or a version with this label, does not exist; the codes differ.
        """
        return self._encoded.get((name, label)) or self._encode(name, label)

    def _encode(self, name: str, label: str) -> EncodedVersion:
        prompt = self.get_prompt(name)
        version = prompt.production if label == "production" else prompt.latest
        if version is None:
            raise _not_found(f"no_{label}_version", f"prompt {name!r} has no {label} version")
        encoded = self._encoded[name, label] = EncodedVersion.of(version)
        return encoded

    def encoded_by_version(self, name: str, version_id: str) -> EncodedVersion:
        """Return a version in any status as a reply.

        Raises:
            NotFoundError: the prompt or the version does not exist; the codes differ.
        """
        return EncodedVersion.of(find_version(self.get_prompt(name), version_id))

    async def add(self, draft: Draft, *, by: str = "local") -> StoredVersion:
        """Add `draft` as the next version of its prompt; create the prompt if it is missing."""

        def plan() -> Transaction[StoredVersion]:
            prompt = self.find_prompt(draft.name) or self._new_prompt(draft.name)
            return self._storing(lifecycle.add_version(prompt, draft, by=by, at=self._clock.time()))

        return await self._database.write(plan)

    async def add_files(self, drafts: Sequence[Draft], *, again: bool = False) -> None:
        """Add what the prompt files hold, in one transaction, as far as they changed since the last start.

        What was made of a prompt meanwhile stays. With `again`, the last start is forgotten.
        """

        def plan() -> Transaction[None]:
            statements: list[Statement] = []
            digests: dict[str, bytes] = {}
            grown: dict[str, StoredPrompt] = {}
            for draft in drafts:
                digests[draft.name] = digest = _digest(draft)
                statements.append(file_row(draft, digest))
                if self._file_digests.get(draft.name) == digest and not again:
                    continue
                found = self.find_prompt(draft.name)
                prompt = grown.get(draft.name) or found or self._new_prompt(draft.name)
                step = self._step_to(prompt, draft, is_known=draft.name in self._file_digests)
                if step is not None:
                    grown[draft.name] = step.prompt
                    statements += _rows(step)

            def on_commit() -> None:
                self._file_digests = {**self._file_digests, **digests}
                for prompt in grown.values():
                    self._put(prompt)

            return Transaction(tuple(statements), on_commit)

        await self._database.write(plan)

    def _step_to(self, prompt: StoredPrompt, draft: Draft, *, is_known: bool) -> LifecycleStep | None:
        at, newest = self._clock.time(), prompt.latest
        if newest is not None and draft.is_in(newest):
            if newest.status == "draft" and draft.status == "published":
                return lifecycle.promote(prompt, newest.id, by="local", at=at)
            return None
        if not is_known and any(map(draft.is_in, prompt.versions)):
            # A store that was made before files were noted has this content already.
            return None
        return lifecycle.add_version(prompt, draft, by="local", at=at)

    async def promote(
        self,
        name: str,
        version_id: str,
        *,
        by: str = "local",
        notes: str | None = None,
        archive_previous_production: bool = True,
    ) -> StoredVersion:
        """Make a draft the production version. See `lifecycle.promote`."""

        def step(prompt: StoredPrompt, at: float) -> LifecycleStep:
            return lifecycle.promote(
                prompt,
                version_id,
                by=by,
                at=at,
                notes=notes,
                archive_previous_production=archive_previous_production,
            )

        return await self._change(name, step)

    async def archive(self, name: str, version_id: str) -> StoredVersion:
        """Archive a draft. See `lifecycle.archive`."""
        return await self._change(name, lambda prompt, at: lifecycle.archive(prompt, version_id, at=at))

    async def unarchive(self, name: str, version_id: str) -> StoredVersion:
        """Make an archived version a draft. See `lifecycle.unarchive`."""
        return await self._change(name, lambda prompt, at: lifecycle.unarchive(prompt, version_id, at=at))

    async def edit(
        self,
        name: str,
        version_id: str,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
    ) -> StoredVersion:
        """Change a draft in place. See `lifecycle.edit`."""
        return await self._change(
            name,
            lambda prompt, at: lifecycle.edit(
                prompt, version_id, content, at=at, metadata=metadata, tags=tags
            ),
        )

    async def _change(self, name: str, step: Callable[[StoredPrompt, float], LifecycleStep]) -> StoredVersion:
        return await self._database.write(
            lambda: self._storing(step(self.get_prompt(name), self._clock.time()))
        )

    def _storing(self, step: LifecycleStep) -> Transaction[StoredVersion]:
        def on_commit() -> StoredVersion:
            self._put(step.prompt)
            return step.version

        return Transaction(_rows(step), on_commit)

    def _new_prompt(self, name: str) -> StoredPrompt:
        return StoredPrompt(new_identifier("prompt"), name, self._clock.time())

    def _put(self, prompt: StoredPrompt) -> None:
        self._by_name[prompt.name] = prompt
        self._names[prompt.id] = prompt.name
        self._encoded.clear()


def _rows(step: LifecycleStep) -> tuple[Statement, ...]:
    promotions = () if step.promotion is None else (promotion_row(step.promotion),)
    return (prompt_row(step.prompt), *map(version_row, step.changed), *promotions)


def _digest(draft: Draft) -> bytes:
    return hashlib.sha256(json.dumps(attrs.astuple(draft), sort_keys=True).encode()).digest()


def _not_found(code: str, message: str) -> NotFoundError:
    return NotFoundError(message, http_status=404, error_code=code)
