"""Text to token ids and back, with the checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import tokenizers

from assay.core.errors import InputError, ModelError

REPLACEMENT = "\ufffd"
"""What decoding gives for bytes that are not (yet) a UTF-8 character."""


class Tokenizer:
    """Wraps a `tokenizer.json`. Special tokens are encoded as such and decode to nothing."""

    def __init__(self, path: Path | str) -> None:
        try:
            self._inner = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for any malformed file
            raise ModelError(f"cannot read tokenizer {path}: {error}") from error
        # Some files bring padding and truncation for training; a text's tokens are its own.
        self._inner.no_padding()
        self._inner.no_truncation()

    @classmethod
    def of_checkpoint(cls, folder: Path | str) -> Tokenizer:
        """The tokenizer beside a checkpoint's weights."""
        return cls(Path(folder) / "tokenizer.json")

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return int(self._inner.get_vocab_size())

    def encode(self, text: str | bytes, add_special_tokens: bool = True) -> list[int]:
        """Token ids; with special tokens, what the tokenizer puts in front (bos) is there.

        Raises:
            InputError: bytes that are not UTF-8, or a str with lone surrogates.
        """
        encoding = self._inner.encode(_valid(text), add_special_tokens=add_special_tokens)
        return list(encoding.ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of complete tokens; bytes that form no character come out as U+FFFD."""
        return str(self._inner.decode(list(tokens), skip_special_tokens=True))

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Pieces of text as tokens come, never half a character; joined, they are `decode`'s."""
        decoder = StreamDecoder(self)
        for token in tokens:
            if piece := decoder.push(token):
                yield piece
        if rest := decoder.finish():
            yield rest


class StreamDecoder:
    """Incremental decoding: a last character that is not complete is held back.

    Bytes that can form no character come out as U+FFFD, as in `decode`; only the last one of a
    text can still change. Decoded again is only a window of recent tokens: it begins one clean
    piece back, because some tokenizers drop a leading space of what they decode.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._piece = 0  # tokens of the window up to the last clean point
        self._sent = 0  # characters of the window's text that were given out

    def push(self, token: int) -> str:
        """The text that became certain with this token; may be empty."""
        self._window.append(token)
        text = self._tokenizer.decode(self._window)
        if text.endswith(REPLACEMENT):
            return self._give(text[:-1])
        piece = self._give(text)
        self._window = self._window[self._piece :]
        self._piece = len(self._window)
        self._sent = len(self._tokenizer.decode(self._window))
        return piece

    def finish(self) -> str:
        """What was held back: an output may end within a character."""
        return self._give(self._tokenizer.decode(self._window))

    def _give(self, text: str) -> str:
        piece = text[self._sent :]
        self._sent = max(self._sent, len(text))
        return piece


def _valid(text: str | bytes) -> str:
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8")
        text.encode("utf-8")
    except UnicodeError as error:
        raise InputError(
            f"the text is not valid UTF-8 ({error}); send UTF-8",
            code="invalid_utf8",
            param="prompt",
        ) from error
    return text
