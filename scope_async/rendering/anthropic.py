"""Chat messages as Anthropic's Messages API takes them: `system` apart, and blocks for tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from scope_async._core.frozen_json import is_array, is_object
from scope_async.errors import RenderError
from scope_async.rendering.messages import Messages

Block = dict[str, Any]

_SYSTEM = ("system", "developer")
# Fields of other models' messages that become something else here, or that the API has no place for.
_CONVERTED = ("role", "content", "name", "tool_calls", "tool_call_id", "cache_control")
_NOT_CONVERTED = ("input_audio", "file", "refusal")


class AnthropicPrompt(TypedDict):
    """Keyword arguments for `anthropic.messages.create`; without a system message no `system`."""

    system: NotRequired[Any]
    messages: list[Any]


def anthropic_prompt(messages: Messages) -> AnthropicPrompt:
    """Return rendered messages as the Messages API takes them.

    System and developer messages, wherever they are, make up `system`. Results of tools become
    blocks of a user message, tool calls blocks of the assistant's, images Anthropic's images;
    `name` is left out. A part of a type that is not known goes on as it is.

    Raises:
        RenderError: a message that Anthropic's API has no place for.
    """
    system: list[Block] = []
    converted: list[dict[str, Any]] = []
    for message in messages:
        if not is_object(message) or not isinstance(message.get("role"), str):
            raise RenderError(
                f"for Anthropic a message has to be a mapping with a role, got a {_kind(message)}"
            )
        role = message["role"]
        if role in _SYSTEM:
            system += _system_blocks(message)
        elif role == "tool":
            _add_result(converted, message)
        elif role in ("user", "assistant"):
            rest = {
                key: value for key, value in message.items() if key not in _CONVERTED and value is not None
            }
            converted.append({"role": role, "content": _content(message), **rest})
        else:
            raise RenderError(f"Anthropic's API has no role {role[:100]!r}")
    prompt = AnthropicPrompt(messages=converted)
    if system:
        plain = all(block.keys() == {"type", "text"} for block in system)
        prompt["system"] = "\n\n".join(block["text"] for block in system) if plain else system
    return prompt


def _system_blocks(message: Mapping[str, Any]) -> list[Block]:
    blocks = _blocks(message)
    for block in blocks:
        if block.get("type") != "text":
            raise RenderError(f"a system message for Anthropic has text alone, not {_type(block)}")
    return blocks


def _content(message: Mapping[str, Any]) -> str | list[Block]:
    content = message.get("content")
    calls = _list(message.get("tool_calls"))
    if isinstance(content, str) and not calls and message.get("cache_control") is None:
        return content
    blocks = _blocks(message, [_tool_use(call) for call in calls])
    if not blocks:
        raise RenderError(f"a message of the role {message['role']!r} has no content for Anthropic")
    return blocks


def _blocks(message: Mapping[str, Any], more: list[Block] | None = None) -> list[Block]:
    """Return the message's content as blocks; its `cache_control` goes to the last one."""
    content = message.get("content")
    if isinstance(content, str):
        blocks = [{"type": "text", "text": content}] if content else []  # an empty text is refused
    else:
        blocks = [_block(part) for part in _list(content)]
    blocks += more or []
    if blocks and message.get("cache_control") is not None:
        blocks[-1] = {**blocks[-1], "cache_control": message["cache_control"]}
    return blocks


def _list(value: object) -> list[Any] | tuple[Any, ...]:
    if value is None or is_array(value):
        return value or ()
    raise RenderError(f"a message for Anthropic has a {_kind(value)} where a list should be")


def _block(part: object) -> Block:
    if not is_object(part):
        raise RenderError(f"a part of a message for Anthropic has to be a mapping, got a {_kind(part)}")
    if part.get("type") in _NOT_CONVERTED:
        raise RenderError(f"Anthropic's API has no part for {_type(part)}")
    if part.get("type") != "image_url":
        return dict(part)
    image = part.get("image_url")
    url = image.get("url") if is_object(image) else image
    if not isinstance(url, str):
        raise RenderError("an image of a message for Anthropic has no url")
    rest = {key: value for key, value in part.items() if key not in ("type", "image_url")}
    return {"type": "image", "source": _image_source(url), **rest}


def _image_source(url: str) -> dict[str, str]:
    """Return the source of an image; that of a `data:` URL (RFC 2397) is sent as it is."""
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    media_type, encoded, data = url.removeprefix("data:").partition(";base64,")
    if not encoded:
        raise RenderError("an image of a message for Anthropic is a data: URL without base64")
    return {"type": "base64", "media_type": media_type.partition(";")[0], "data": data}


def _tool_use(call: object) -> Block:
    function = call.get("function") if is_object(call) else None
    if not is_object(call) or not is_object(function):
        raise RenderError("a tool call of a message for Anthropic is no function call")
    arguments = function.get("arguments")
    try:
        given = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        given = None
    if not is_object(given):
        raise RenderError("the arguments of a tool call for Anthropic have to be a JSON object")
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given}


def _add_result(converted: list[dict[str, Any]], message: Mapping[str, Any]) -> None:
    """Add a tool's result; those in a row are one message, as the API asks for."""
    if not isinstance(message.get("tool_call_id"), str):
        raise RenderError("a message of the role 'tool' has no tool_call_id")
    content = message.get("content")
    result: Block = {"type": "tool_result", "tool_use_id": message["tool_call_id"]}
    if content is not None:
        result["content"] = content if isinstance(content, str) else [_block(part) for part in _list(content)]
    if message.get("cache_control") is not None:
        result["cache_control"] = message["cache_control"]
    last = converted[-1] if converted else {}
    if last.get("role") == "user" and is_array(last["content"]) and _is_result(last["content"][-1]):
        last["content"] = [*last["content"], result]
    else:
        converted.append({"role": "user", "content": [result]})


def _is_result(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "tool_result"


def _type(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    return repr(kind[:100]) if isinstance(kind, str) else "a part without a type"


def _kind(value: object) -> str:
    return type(value).__name__
