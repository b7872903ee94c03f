"""From what a request says to the tokens that a model reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from assay.core.errors import InputError
from assay.core.types import Model
from assay.engine.chat import Chat, ChatTemplate
from assay.engine.tokenizer import Tokenizer
from assay.gateway.calls import CallFormat
from assay.gateway.requests import GenerationRequest, plain_chat

SHORT_PROMPT = 2_048
"""Characters or tokens that are read sooner than a thread is asked to: some 0.5 ms."""
FEW_MESSAGES = 16


@dataclass(frozen=True)
class Prompts:
    """Tokenizers and chat templates by the hashes that models' headers name.

    Models whose tokenizer is not here are not served; one without a template is given plain text.
    """

    tokenizers: Mapping[bytes, Tokenizer]
    templates: Mapping[bytes, ChatTemplate]

    def knows(self, model: Model) -> bool:
        return model.tokenizer_hash in self.tokenizers

    def tokenizer_of(self, model: Model) -> Tokenizer:
        """The tokenizer of a model that is served."""
        return self.tokenizers[model.tokenizer_hash]

    def call_format(self, model: Model) -> CallFormat | None:
        """How the model was trained to call tools; None if that is not known."""
        template = self.templates.get(model.tokenizer_hash)
        return CallFormat.of_template(template.tool_source) if template else None

    async def read(self, request: GenerationRequest, model: Model) -> list[int]:
        """As `tokens`; a long prompt keeps no other request waiting."""
        if _is_short(request.prompt):
            return self.tokens(request, model)
        return await run_in_threadpool(self.tokens, request, model)

    def tokens(self, request: GenerationRequest, model: Model) -> list[int]:
        """InputError if the template refuses the messages, or a token is not the model's."""
        if isinstance(request.prompt, str):
            return self.tokenizer_of(model).encode(request.prompt)
        if isinstance(request.prompt, Chat):
            return self._chat_tokens(request.prompt, model)
        outside = [token for token in request.prompt if token >= model.vocab_size]
        if outside:
            raise InputError(
                f"token {outside[0]} is outside the vocabulary of {model.vocab_size}",
                code="invalid_value",
                param="input" if model.embeds else "prompt",
            )
        return list(request.prompt)

    def _chat_tokens(self, chat: Chat, model: Model) -> list[int]:
        """By the model's template, which writes its special tokens itself."""
        tokenizer, template = self.tokenizer_of(model), self.templates.get(model.tokenizer_hash)
        if template is None:
            return tokenizer.encode(plain_chat(chat))
        tokens = tokenizer.encode(template.render(chat), add_special_tokens=False)
        if not tokens:
            raise InputError(
                "the model's chat template makes an empty prompt of these messages; add one",
                code="empty_prompt",
                param="messages",
            )
        return tokens


def _is_short(prompt: str | Chat | tuple[int, ...]) -> bool:
    if not isinstance(prompt, Chat):
        return len(prompt) <= SHORT_PROMPT
    if prompt.tools or len(prompt.messages) > FEW_MESSAGES:
        return False
    if any(message.get("tool_calls") for message in prompt.messages):
        return False
    return sum(len(message["content"] or "") for message in prompt.messages) <= SHORT_PROMPT
