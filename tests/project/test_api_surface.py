from __future__ import annotations

from tests.project import api_surface
from tests.project.api_surface import difference, incompatible_changes, load, target

METHOD = "scope_async.ScopeClient.get_prompt_version"


def test_public_api_is_the_committed_list() -> None:
    assert difference() == "", "if that is wanted: python -m tests.project.api_surface --write"


def test_incompatible_changes_are_those_of_public_names() -> None:
    old, new = load(), load()
    assert incompatible_changes(old, new) == []
    del target(new, METHOD).parameters["cache_ttl"]
    del target(new, "scope_async.http.transport.Transport").members["aclose"]
    (change,) = incompatible_changes(old, new)
    assert "get_prompt_version(cache_ttl)" in change


def test_last_tag_is_none_outside_of_a_repository(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(api_surface, "ROOT", tmp_path)
    assert api_surface.last_tag() is None
