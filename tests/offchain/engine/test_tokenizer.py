"""Text and tokens: round trips, bad input, and streams that never show half a character."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import InputError, ModelError
from assay.engine.importer import SHIPPED_MODEL
from assay.engine.tokenizer import REPLACEMENT, StreamDecoder, Tokenizer

TOKENIZER = Tokenizer.of_checkpoint(SHIPPED_MODEL)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def test_a_start_token_comes_first() -> None:
    assert TOKENIZER.encode("") == [0]
    assert TOKENIZER.encode("Open a file")[0] == 0
    assert 0 not in TOKENIZER.encode("Open a file", add_special_tokens=False)
    assert TOKENIZER.vocab_size == 4096


@given(texts)
def test_round_trip(text: str) -> None:
    if "<|endoftext|>" not in text:
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
        assert TOKENIZER.encode(text.encode()) == TOKENIZER.encode(text)


@given(texts)
def test_a_stream_gives_whole_characters(text: str) -> None:
    pieces = list(TOKENIZER.stream(TOKENIZER.encode(text)))
    assert "".join(pieces) == text
    if REPLACEMENT not in text:
        assert not any(REPLACEMENT in piece for piece in pieces)


@given(st.lists(st.integers(0, 4095), max_size=40))
def test_a_stream_of_any_tokens_equals_decoding(tokens: list[int]) -> None:
    assert "".join(TOKENIZER.stream(tokens)) == TOKENIZER.decode(tokens)


@given(st.lists(st.integers(1, 256), max_size=24))
def test_a_stream_of_raw_bytes_equals_decoding(tokens: list[int]) -> None:
    """Ids 1 to 256 are single bytes: mostly ill-formed UTF-8."""
    assert "".join(TOKENIZER.stream(tokens)) == TOKENIZER.decode(tokens)


def test_text_is_given_out_as_soon_as_it_is_certain() -> None:
    decoder, tokens = StreamDecoder(TOKENIZER), TOKENIZER.encode("naïve 😀 end")[1:]
    given_out = ""
    for count, token in enumerate(tokens, 1):
        given_out += decoder.push(token)
        assert given_out == TOKENIZER.decode(tokens[:count]).rstrip(REPLACEMENT)
    assert decoder.finish() == ""


def test_a_stream_that_ends_within_a_character() -> None:
    tokens = TOKENIZER.encode("ok 😀")[:-1]
    assert "".join(TOKENIZER.stream(tokens)) == TOKENIZER.decode(tokens) == "ok " + REPLACEMENT


@pytest.mark.parametrize("text", [b"\xff", b"ok \xc3", b"\xed\xa0\x80", "\ud800", "ok \udfff"])
def test_revert_invalid_utf8(text: str | bytes) -> None:
    with pytest.raises(InputError, match="not valid UTF-8") as caught:
        TOKENIZER.encode(text)
    assert caught.value.code == "invalid_utf8" and caught.value.status == 400


def test_revert_unreadable(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(ModelError, match="cannot read tokenizer"):
        Tokenizer.of_checkpoint(tmp_path)
    with pytest.raises(ModelError, match="cannot read tokenizer"):
        Tokenizer(tmp_path / "absent.json")
