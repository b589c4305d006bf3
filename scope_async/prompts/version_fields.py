"""The slots of a prompt version, set while it is being made."""

from __future__ import annotations

from scope_async.rendering.renderers import ChatRenderer, TextRenderer


class VersionFields:
    """The fields of a version that is being made, before `freeze_fields`."""

    # A frozen class sets a field in four times the time that this one takes, which is most of what
    # there is to do for an answer whose fields were checked while it was decoded.
    __slots__ = (  # noqa: RUF023 - in the order of the version's fields
        "id", "prompt_id", "name", "version_number", "content", "variables", "status", "is_production",
        "type", "metadata", "tags", "created_at", "updated_at", "promoted_at", "promoted_by", "created_by",
        "_raw", "_bound", "is_stale", "is_fallback", "unknown_variables", "_renderer", "__weakref__",
    )  # fmt: skip

    _renderer: TextRenderer | ChatRenderer | None
