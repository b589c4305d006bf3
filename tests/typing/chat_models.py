"""What `render_messages` and `render_anthropic` return goes into chat models' clients as it is.

The types are those of the packages `openai` and `anthropic`, reduced to their shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Required, TypedDict

from scope_async import PromptVersion


class TextPart(TypedDict, total=False):
    text: Required[str]
    type: Required[Literal["text"]]


class ImageUrl(TypedDict, total=False):
    url: Required[str]
    detail: Literal["auto", "low", "high"]


class ImagePart(TypedDict, total=False):
    image_url: Required[ImageUrl]
    type: Required[Literal["image_url"]]


class SystemMessage(TypedDict, total=False):
    content: Required[str | Iterable[TextPart]]
    role: Required[Literal["system"]]
    name: str


class DeveloperMessage(TypedDict, total=False):
    content: Required[str | Iterable[TextPart]]
    role: Required[Literal["developer"]]
    name: str


class UserMessage(TypedDict, total=False):
    content: Required[str | Iterable[TextPart | ImagePart]]
    role: Required[Literal["user"]]
    name: str


class FunctionCall(TypedDict):
    arguments: str
    name: str


class ToolCall(TypedDict):
    id: str
    function: FunctionCall
    type: Literal["function"]


class AssistantMessage(TypedDict, total=False):
    role: Required[Literal["assistant"]]
    content: str | Iterable[TextPart] | None
    name: str
    tool_calls: Iterable[ToolCall]


class ToolMessage(TypedDict):
    content: str | Iterable[TextPart]
    role: Literal["tool"]
    tool_call_id: str


class FunctionDefinition(TypedDict, total=False):
    name: Required[str]
    parameters: dict[str, object]


class Tool(TypedDict):
    function: FunctionDefinition
    type: Literal["function"]


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class Completions:
    """`openai.AsyncOpenAI().chat.completions`."""

    async def create(
        self, *, model: str, messages: Iterable[Message], tools: Iterable[Tool] = ()
    ) -> object: ...


class CacheControl(TypedDict):
    type: Literal["ephemeral"]


class TextBlock(TypedDict, total=False):
    text: Required[str]
    type: Required[Literal["text"]]
    cache_control: CacheControl | None


class ToolUseBlock(TypedDict):
    id: str
    input: object
    name: str
    type: Literal["tool_use"]


class AnthropicMessage(TypedDict):
    content: str | Iterable[TextBlock | ToolUseBlock]
    role: Literal["user", "assistant"]


class AnthropicMessages:
    """`anthropic.AsyncAnthropic().messages`."""

    async def create(
        self,
        *,
        model: str,
        max_tokens: int,
        messages: Iterable[AnthropicMessage],
        system: str | Iterable[TextBlock] = "",
    ) -> object: ...


async def to_openai(version: PromptVersion, completions: Completions, history: list[Message]) -> None:
    await completions.create(model="m", messages=version.render_messages(name="Alice"))
    await completions.create(
        model="m",
        messages=version.render_messages({"name": "Alice"}, history=history),
        tools=version.metadata["tools"],
    )


async def to_anthropic(version: PromptVersion, messages: AnthropicMessages) -> None:
    await messages.create(model="m", max_tokens=9, **version.render_anthropic(name="Alice"))
    prompt = version.render_anthropic(name="Alice")
    await messages.create(
        model="m", max_tokens=9, system=prompt.get("system", ""), messages=prompt["messages"]
    )
