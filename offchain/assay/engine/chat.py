"""A checkpoint's chat template: from messages to the prompt's text, as its authors trained it.

Knows the files that hold templates and special tokens; how a template is run is in `templates`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from assay.core.errors import InputError, ModelError
from assay.engine.templates import Template

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
TEMPLATE_FILE, TEMPLATE_FOLDER = "chat_template.jinja", "additional_chat_templates"
DEFAULT, WITH_TOOLS = "default", "tool_use"


@dataclass(frozen=True)
class Chat:
    """What a conversation's next answer follows from.

    messages  role, content and whatever else the template knows, oldest first
    tools     descriptions of functions that the model may name; None for none
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] | None = None


class ChatTemplate:
    """The templates of one checkpoint.

    Args:
        sources: by name; "default", and perhaps "tool_use" for requests with tools.
        special_tokens: what templates call `bos_token` and the like.
        place: the folder, for messages.

    Raises:
        ModelError: a template is no Jinja2, or none is the default.
    """

    def __init__(
        self, sources: Mapping[str, str], special_tokens: Mapping[str, str], place: str
    ) -> None:
        if DEFAULT not in sources:
            raise ModelError(
                f'{place}: its chat templates are {sorted(sources)} and none is "{DEFAULT}"; name '
                "one so, or remove them all to chat without"
            )
        self._sources, self._special = dict(sources), dict(special_tokens)
        self._templates = {name: Template(source, place) for name, source in sources.items()}

    @classmethod
    def of_checkpoint(cls, folder: Path | str) -> ChatTemplate | None:
        """The templates beside a checkpoint's weights; None if there are none."""
        settings = _object(Path(folder) / SETTINGS)
        sources = _sources(Path(folder), settings)
        if not sources:
            return None
        special = _object(Path(folder) / SPECIAL_TOKENS) | settings
        return cls(sources, _special_tokens(special), str(folder))

    @property
    def tool_source(self) -> str:
        """The template for requests with tools: it shows how the model writes its calls."""
        return self._sources.get(WITH_TOOLS, self._sources[DEFAULT])

    @property
    def digest(self) -> bytes:
        """SHA-256 over everything that decides a prompt's text besides the messages."""
        text = json.dumps([self._sources, self._special], sort_keys=True)
        return sha256(text.encode()).digest()

    def render(self, chat: Chat) -> str:
        """The prompt's text, special tokens included, up to where the answer begins.

        Raises:
            InputError: the template knows no tools, refuses the messages, or fails on them.
        """
        name = WITH_TOOLS if chat.tools and WITH_TOOLS in self._templates else DEFAULT
        source = self._sources[name]
        if "tool" not in source:
            refuse_tools(chat, "the model's chat template knows no tools")
        values = {
            **self._special,
            "messages": [_known_role(message, source) for message in chat.messages],
            "tools": list(chat.tools) if chat.tools else None,
            "documents": None,
            "add_generation_prompt": True,
        }
        return self._templates[name].render(values)


def refuse_tools(chat: Chat, why: str) -> None:
    """Raise InputError if a chat offers or uses tools: who does not know them would drop them."""
    used = any(m["role"] == "tool" or m.get("tool_calls") for m in chat.messages)
    if chat.tools or used:
        raise InputError(
            f"{why}; leave out tools, messages of role tool and tool_calls",
            code="unsupported_parameter",
            param="tools" if chat.tools else "messages",
        )


def tokenizer_hash(folder: Path | str) -> bytes:
    """What a model is registered with: of tokenizer.json, and of the chat template if there is one.

    Raises:
        ModelError: a file is missing or malformed.
    """
    path = Path(folder) / TOKENIZER
    try:
        tokens = sha256(path.read_bytes()).digest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; copy the checkpoint again") from (
            error
        )
    template = ChatTemplate.of_checkpoint(folder)
    return sha256(tokens + template.digest).digest() if template else tokens


def _known_role(message: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """OpenAI's newer name of the system's role, for templates that know only the older one."""
    if message.get("role") == "developer" and "developer" not in source:
        return {**message, "role": "system"}
    return message


def _sources(folder: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """Name -> template: of files of their own, or else of the tokenizer's settings."""
    files = {DEFAULT: folder / TEMPLATE_FILE} if (folder / TEMPLATE_FILE).is_file() else {}
    files |= {path.stem: path for path in sorted((folder / TEMPLATE_FOLDER).glob("*.jinja"))}
    if files:
        return {name: _text(path) for name, path in files.items()}
    found = settings.get("chat_template")
    if isinstance(found, str):
        return {DEFAULT: found}
    if isinstance(found, list):
        named = {str(t.get("name")): t.get("template") for t in found if isinstance(t, dict)}
        if len(named) == len(found) and all(isinstance(t, str) for t in named.values()):
            return {name: str(template) for name, template in named.items()}
    if found is not None:
        raise ModelError(
            f"{folder / SETTINGS}: chat_template is neither text nor a list of named ones; copy "
            "the checkpoint again"
        )
    return {}


def _special_tokens(settings: Mapping[str, Any]) -> dict[str, str]:
    """bos_token and the like, written as text or as an object with `content`."""
    found = {}
    for name, value in settings.items():
        content = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(content, str):
            found[name] = content
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ModelError(f"cannot read {path} ({error}); copy the checkpoint again") from error


def _object(path: Path) -> dict[str, Any]:
    """A JSON object; empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(_text(path))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}); copy the checkpoint again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__} where an object is expected")
    return value
