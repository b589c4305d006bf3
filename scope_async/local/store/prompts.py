"""Prompts and their versions: an index in memory for requests, and the transactions that change it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import attrs

from scope_async._core.clock import Clock
from scope_async.errors import ConflictError, NotFoundError, ValidationError
from scope_async.local.identifiers import new_identifier
from scope_async.local.store.database import Database, Statement, Transaction
from scope_async.local.store.prompt_models import NAME_LIMIT, Draft, StoredPrompt, StoredVersion


class PromptStore:
    """Holds every prompt in memory, with the encoded replies of its labels."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._by_name: dict[str, StoredPrompt] = {}
        self._names: dict[str, str] = {}
        self._bodies: dict[tuple[str, str], bytes] = {}

    async def load(self) -> None:
        """Read the prompts from the database."""
        prompts = {
            row[0]: StoredPrompt(*row)
            for row in await self._database.fetch_rows(
                "SELECT id, name, created_at, production_id FROM prompts"
            )
        }
        versions: dict[str, list[StoredVersion]] = {prompt_id: [] for prompt_id in prompts}
        query = f"SELECT {VERSION_COLUMNS} FROM versions ORDER BY version_number"  # noqa: S608 - constant
        rows = await self._database.fetch_rows(query)
        for row in rows:
            versions[row[1]].append(read_version(row, prompts[row[1]].name))
        self.replace_all(
            attrs.evolve(prompt, versions=tuple(versions[prompt_id])) for prompt_id, prompt in prompts.items()
        )

    def replace_all(self, prompts: Iterable[StoredPrompt]) -> None:
        """Replace the content by `prompts`."""
        self._by_name = {prompt.name: prompt for prompt in prompts}
        self._names = {prompt.id: prompt.name for prompt in self._by_name.values()}
        self._bodies.clear()

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

    def body_by_label(self, name: str, label: str) -> bytes:
        """Return the reply's body for the `production` or the `latest` version.

        Raises:
            NotFoundError: the prompt, or a version with this label, does not exist; the codes differ.
        """
        return self._bodies.get((name, label)) or self._body_by_label(name, label)

    def _body_by_label(self, name: str, label: str) -> bytes:
        prompt = self.get_prompt(name)
        if label == "production":
            version = None if prompt.production_id is None else prompt.version(prompt.production_id)
            if version is None:
                raise _not_found("no_production_version", f"prompt {name!r} has no production version")
        else:
            version = prompt.latest
            if version is None:
                raise _not_found("no_published_version", f"prompt {name!r} has no published version")
        body = self._bodies[name, label] = _body(prompt, version)
        return body

    def body_by_version(self, name: str, version_id: str) -> bytes:
        """Return the reply's body for a version in any status.

        Raises:
            NotFoundError: the prompt or the version does not exist; the codes differ.
        """
        prompt = self.get_prompt(name)
        return _body(prompt, _version_of(prompt, version_id))

    async def add(
        self, *drafts: Draft, by: str = "local", unless_same: bool = False
    ) -> tuple[StoredVersion, ...]:
        """Add each draft as the next version of its prompt, in one transaction; create missing prompts.

        With `unless_same`, a draft equal to the newest version is skipped.
        """

        def plan() -> Transaction[tuple[StoredVersion, ...]]:
            grown: dict[str, StoredPrompt] = {}
            versions: list[StoredVersion] = []
            statements: list[Statement] = []
            for draft in drafts:
                found = self.find_prompt(draft.name)
                name = draft.name if found is None else found.name
                prompt = grown.get(name) or found or self._new_prompt(name)
                newest = prompt.versions[-1] if prompt.versions else None
                if unless_same and newest is not None and draft.is_in(newest):
                    versions.append(newest)
                    continue
                prompt = grown[name] = self._with_version(prompt, draft, by)
                versions.append(prompt.versions[-1])
                statements += [prompt_row(prompt), version_row(prompt.versions[-1])]

            def on_commit() -> tuple[StoredVersion, ...]:
                for prompt in grown.values():
                    self._put(prompt)
                return tuple(versions)

            return Transaction(tuple(statements), on_commit)

        return await self._database.write(plan)

    def _new_prompt(self, name: str) -> StoredPrompt:
        return StoredPrompt(new_identifier("prompt"), name, self._clock.time())

    def _with_version(self, prompt: StoredPrompt, draft: Draft, by: str) -> StoredPrompt:
        now = self._clock.time()
        version = StoredVersion(
            id=new_identifier("version"),
            prompt_id=prompt.id,
            name=prompt.name,
            version_number=prompt.versions[-1].version_number + 1 if prompt.versions else 1,
            content=draft.content,
            status="published" if draft.publish else "draft",
            created_at=now,
            updated_at=now,
            prompt_type=draft.prompt_type,
            metadata=draft.metadata,
            tags=draft.tags,
            promoted_at=now if draft.promote else None,
            promoted_by=by if draft.promote else None,
        )
        production_id = version.id if draft.promote else prompt.production_id
        return attrs.evolve(prompt, versions=(*prompt.versions, version), production_id=production_id)

    async def publish(self, name: str, version_id: str) -> StoredVersion:
        """Publish a draft. Idempotent.

        Raises:
            NotFoundError: the prompt or version does not exist.
            ConflictError: the version is archived.
        """
        return await self._database.write(lambda: self._changed(name, version_id, "publish"))

    async def promote(self, name: str, version_id: str, *, by: str = "local") -> StoredVersion:
        """Make the version the production version; a draft is published.

        Raises:
            NotFoundError: the prompt or version does not exist.
            ConflictError: the version is archived.
        """
        return await self._database.write(lambda: self._changed(name, version_id, "promote", by))

    async def archive(self, name: str, version_id: str) -> StoredVersion:
        """Archive the version; production is left empty if this was the production version.

        Raises:
            NotFoundError: the prompt or version does not exist.
        """
        return await self._database.write(lambda: self._changed(name, version_id, "archive"))

    def _changed(
        self, name: str, version_id: str, action: str, by: str | None = None
    ) -> Transaction[StoredVersion]:
        prompt = self.get_prompt(name)
        version, now = _version_of(prompt, version_id), self._clock.time()
        if action == "archive":
            changed = attrs.evolve(version, status="archived", updated_at=now)
            production_id = None if prompt.production_id == version_id else prompt.production_id
        else:
            if version.status == "archived":
                raise ConflictError(
                    f"cannot {action} version {version.version_number} of {name!r}: it is archived",
                    http_status=409,
                    error_code="version_archived",
                )
            changed = attrs.evolve(version, status="published", updated_at=now)
            production_id = prompt.production_id
            if action == "promote":
                changed = attrs.evolve(changed, promoted_at=now, promoted_by=by)
                production_id = version_id
        versions = tuple(changed if other.id == version_id else other for other in prompt.versions)
        return self._saving(attrs.evolve(prompt, production_id=production_id, versions=versions), changed)

    def _saving(self, prompt: StoredPrompt, version: StoredVersion) -> Transaction[StoredVersion]:
        def on_commit() -> StoredVersion:
            self._put(prompt)
            return version

        return Transaction((prompt_row(prompt), version_row(version)), on_commit)

    def _put(self, prompt: StoredPrompt) -> None:
        self._by_name[prompt.name] = prompt
        self._names[prompt.id] = prompt.name
        self._bodies.clear()


def _body(prompt: StoredPrompt, version: StoredVersion) -> bytes:
    document = version.document(is_production=version.id == prompt.production_id)
    return json.dumps(document, ensure_ascii=False).encode()


def _version_of(prompt: StoredPrompt, version_id: str) -> StoredVersion:
    if (version := prompt.version(version_id)) is None:
        raise _not_found("version_not_found", f"prompt {prompt.name!r} has no version {version_id!r}")
    return version


def _not_found(code: str, message: str) -> NotFoundError:
    return NotFoundError(message, http_status=404, error_code=code)


VERSION_COLUMNS = (
    "id, prompt_id, version_number, content, status, created_at, updated_at, "
    "prompt_type, metadata, tags, promoted_at, promoted_by"
)


def prompt_row(prompt: StoredPrompt) -> Statement:
    """Return the statement that stores the prompt, new or changed, without its versions."""
    sql = (
        "INSERT INTO prompts (id, name, created_at, production_id) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET production_id = excluded.production_id"
    )
    return sql, (prompt.id, prompt.name, prompt.created_at, prompt.production_id)


def version_row(version: StoredVersion) -> Statement:
    """Return the statement that stores the version, new or changed."""
    values = (
        version.id,
        version.prompt_id,
        version.version_number,
        json.dumps(version.content),
        version.status,
        version.created_at,
        version.updated_at,
        version.prompt_type,
        None if version.metadata is None else json.dumps(version.metadata),
        json.dumps(version.tags),
        version.promoted_at,
        version.promoted_by,
    )
    return f"REPLACE INTO versions ({VERSION_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values  # noqa: S608 - our own columns


def read_version(row: tuple[Any, ...], name: str) -> StoredVersion:
    """Return the version in a row of `VERSION_COLUMNS`; `name` is the name of its prompt."""
    id, prompt_id, number, content, status, created, updated, prompt_type, metadata, tags, at, by = row
    return StoredVersion(
        id=id,
        prompt_id=prompt_id,
        name=name,
        version_number=number,
        content=json.loads(content),
        status=status,
        created_at=created,
        updated_at=updated,
        prompt_type=prompt_type,
        metadata=None if metadata is None else json.loads(metadata),
        tags=tuple(json.loads(tags)),
        promoted_at=at,
        promoted_by=by,
    )
