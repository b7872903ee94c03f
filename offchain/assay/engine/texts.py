"""Cuts a text into the token windows that calibration and quality figures are measured on."""

from __future__ import annotations

from collections.abc import Sequence

from assay.engine.tokenizer import Tokenizer

WINDOW_TOKENS = 512


def token_windows(
    tokenizer: Tokenizer, text: str | bytes, context: int, end_tokens: Sequence[int]
) -> list[list[int]]:
    """Windows of at most min(512, context) inputs and one more token, the last one's target.

    The text is split where it holds the tokenizer's start token, so that each document stands on
    its own; it gets one in front if it has none. A document's last target is the next start token
    if that also ends texts.
    """
    tokens = tokenizer.encode(text, add_special_tokens=False)
    start = tokenizer.encode("")[:1]
    if tokens[:1] != start:
        tokens = start + tokens
    length = min(WINDOW_TOKENS, context)
    closing = start if set(start) <= set(end_tokens) else []
    windows = []
    for document in _documents(tokens, start, closing):
        for first in range(0, len(document) - 1, length):
            windows.append(document[first : first + length + 1])
    return windows


def _documents(tokens: list[int], start: list[int], closing: list[int]) -> list[list[int]]:
    cuts = [i for i, token in enumerate(tokens) if [token] == start] if start else [0]
    documents = []
    for first, last in zip(cuts, [*cuts[1:], None], strict=True):
        documents.append(tokens[first:last] + (closing if last is not None else []))
    return documents


def first_tokens(windows: list[list[int]], limit: int) -> list[list[int]]:
    """The inputs (without the last target) of the first windows, `limit` tokens in all."""
    inputs = []
    for window in windows:
        part = window[:-1][:limit]
        limit -= len(part)
        if part:
            inputs.append(part)
    return inputs
