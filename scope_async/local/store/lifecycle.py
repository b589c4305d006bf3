"""The lifecycle of prompt versions (contract 1.3): what each step makes of a prompt, without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from attrs import frozen

from scope_async.errors import ConflictError, NotFoundError
from scope_async.local.identifiers import new_identifier
from scope_async.local.store.prompt_models import Content, Draft, Promotion, StoredPrompt, StoredVersion


@frozen
class LifecycleStep:
    """A prompt after a step, the versions that changed in the order to store them, and the promotion.

    `version` is the one that the step was about. Nothing changed if `changed` is empty.
    """

    prompt: StoredPrompt
    version: StoredVersion
    changed: tuple[StoredVersion, ...] = ()
    promotion: Promotion | None = None


def add_version(prompt: StoredPrompt, draft: Draft, *, by: str, at: float) -> LifecycleStep:
    """Return the prompt with `draft` as its next version; a published one is promoted.

    Numbers are never used twice, because versions are never deleted.
    """
    version = StoredVersion(
        id=new_identifier("version"),
        prompt_id=prompt.id,
        name=prompt.name,
        version_number=prompt.versions[-1].version_number + 1 if prompt.versions else 1,
        content=draft.content,
        status="archived" if draft.status == "archived" else "draft",
        created_at=at,
        updated_at=at,
        prompt_type=draft.prompt_type,
        metadata=draft.metadata,
        tags=draft.tags,
        created_by=by,
    )
    grown = attrs.evolve(prompt, versions=(*prompt.versions, version))
    if draft.status == "published":
        return promote(grown, version.id, by=by, at=at)
    return LifecycleStep(grown, version, (version,))


def promote(
    prompt: StoredPrompt,
    version_id: str,
    *,
    by: str,
    at: float,
    notes: str | None = None,
    archive_previous_production: bool = True,
) -> LifecycleStep:
    """Return the prompt with a draft as its production version.

    The production version before it is archived, or becomes a draft again. To promote the
    production version changes nothing.

    Raises:
        NotFoundError: the version does not exist.
        ConflictError: the version is archived.
    """
    version, previous = find_version(prompt, version_id), prompt.production
    if version.status == "archived":
        raise _conflict("version_archived", prompt, version, "is archived: unarchive it first")
    if version.is_production:
        return LifecycleStep(prompt, version)
    promoted = attrs.evolve(version, status="published", updated_at=at, promoted_at=at, promoted_by=by)
    changed = [promoted]
    if previous is not None:
        left = _drafted(previous, at)
        if archive_previous_production:
            left = attrs.evolve(previous, status="archived", updated_at=at)
        # Stored first, because a prompt has one published version at every moment.
        changed.insert(0, left)
    promotion = Promotion(
        id=new_identifier("promotion"),
        prompt_id=prompt.id,
        version_id=version.id,
        version_number=version.version_number,
        promoted_by=by,
        promoted_at=at,
        previous_version=None if previous is None else previous.version_number,
        notes=notes,
    )
    after = attrs.evolve(_replaced(prompt, changed), promotions=(*prompt.promotions, promotion))
    return LifecycleStep(after, promoted, tuple(changed), promotion)


def archive(prompt: StoredPrompt, version_id: str, *, at: float) -> LifecycleStep:
    """Return the prompt with a draft archived; an archived version stays as it is.

    Raises:
        NotFoundError: the version does not exist.
        ConflictError: it is the production version.
    """
    version = find_version(prompt, version_id)
    if version.is_production:
        raise _conflict(
            "version_in_production", prompt, version, "is in production: promote another version first"
        )
    if version.status == "archived":
        return LifecycleStep(prompt, version)
    return _step(prompt, attrs.evolve(version, status="archived", updated_at=at))


def unarchive(prompt: StoredPrompt, version_id: str, *, at: float) -> LifecycleStep:
    """Return the prompt with an archived version as a draft again; a draft stays as it is.

    Raises:
        NotFoundError: the version does not exist.
        ConflictError: it is the production version.
    """
    version = find_version(prompt, version_id)
    if version.is_production:
        raise _conflict("version_in_production", prompt, version, "is in production, not archived")
    return (
        LifecycleStep(prompt, version) if version.status == "draft" else _step(prompt, _drafted(version, at))
    )


def edit(
    prompt: StoredPrompt,
    version_id: str,
    content: Content,
    *,
    at: float,
    metadata: Mapping[str, Any] | None = None,
    tags: Sequence[str] | None = None,
) -> LifecycleStep:
    """Return the prompt with a draft's content changed in place; None leaves metadata or tags as they are.

    Raises:
        NotFoundError: the version does not exist.
        ConflictError: the version is published or archived, and so immutable.
        ValidationError: a field is outside the contract.
    """
    version = find_version(prompt, version_id)
    if version.status != "draft":
        raise _conflict(
            "version_not_draft", prompt, version, f"is {version.status}: only a draft can be edited"
        )
    draft = Draft.checked(
        version.name,
        content,
        metadata=version.metadata if metadata is None else metadata,
        prompt_type=version.prompt_type,
        tags=version.tags if tags is None else tags,
    )
    edited = attrs.evolve(
        version, content=draft.content, metadata=draft.metadata, tags=draft.tags, updated_at=at
    )
    return _step(prompt, edited)


def find_version(prompt: StoredPrompt, version_id: str) -> StoredVersion:
    """Return the version.

    Raises:
        NotFoundError: the prompt has no such version.
    """
    if (version := prompt.version(version_id)) is None:
        raise NotFoundError(
            f"prompt {prompt.name!r} has no version {version_id!r}",
            http_status=404,
            error_code="version_not_found",
        )
    return version


def _step(prompt: StoredPrompt, version: StoredVersion) -> LifecycleStep:
    return LifecycleStep(_replaced(prompt, (version,)), version, (version,))


def _drafted(version: StoredVersion, at: float) -> StoredVersion:
    return attrs.evolve(version, status="draft", updated_at=at, promoted_at=None, promoted_by=None)


def _replaced(prompt: StoredPrompt, changed: Iterable[StoredVersion]) -> StoredPrompt:
    by_id = {version.id: version for version in changed}
    versions = tuple(by_id.get(version.id, version) for version in prompt.versions)
    return attrs.evolve(prompt, versions=versions)


def _conflict(code: str, prompt: StoredPrompt, version: StoredVersion, why: str) -> ConflictError:
    return ConflictError(
        f"version {version.version_number} of {prompt.name!r} {why}", http_status=409, error_code=code
    )
