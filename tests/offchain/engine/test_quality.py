"""The quality bars, on the model that newcomers see first, and the command behind them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from assay.core.errors import InputError
from assay.engine.importer import SHIPPED_MODEL
from assay.engine.quality import check
from assay.engine.texts import first_tokens, token_windows
from assay.engine.tokenizer import Tokenizer
from tests.offchain.engine.checkpoints import write_checkpoint


def test_the_shipped_model_meets_the_bars() -> None:
    seen: list[tuple[str, float]] = []
    report = check(
        SHIPPED_MODEL, max_positions=4000, progress=lambda what, share: seen.append((what, share))
    )
    assert [variant.stress for variant in report.variants] == [1, 30, 1000]
    for variant in report.variants:
        assert variant.ratio <= 1.005
        assert variant.top1_agreement >= (0.99 if variant.stress == 1 else 0.98)
        assert variant.passes
    assert report.passes and report.positions == 4000
    assert 20 < report.float_perplexity < 100
    assert report.exact_bytes < report.checkpoint_bytes
    said = list(dict.fromkeys(what for what, _ in seen))
    assert said[0] == "reading" and said[-1] == "measuring"
    assert "rounding with error feedback" in said and "importing under stress 1000" in said
    assert all(0 <= share < 1 for _, share in seen)
    json.dumps(asdict(report))


def test_a_bad_model_fails_the_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of 3 bits instead of 8: the bars must notice."""
    from assay.engine import feedback, quantise

    monkeypatch.setattr(feedback, "LIMIT", 3)
    monkeypatch.setattr(quantise, "WEIGHT_MAX", 3)
    report = check(write_checkpoint(tmp_path), max_positions=600, limits=())
    assert not report.passes and not report.variants[0].passes


def test_any_text(tmp_path: Path) -> None:
    folder, text = write_checkpoint(tmp_path / "tiny"), tmp_path / "own.txt"
    text.write_text("Return the number of items in the list. " * 20)
    report = check(folder, text=text, limits=(50.0,))
    assert report.text == "own.txt" and [v.stress for v in report.variants] == [1, 50]
    assert report.variants[1].logit_error < 1.1 * report.variants[0].logit_error


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xff", "not valid UTF-8"), (b"", "no two tokens"), (None, "cannot read")],
)
def test_revert_bad_text(tmp_path: Path, content: bytes | None, message: str) -> None:
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    with pytest.raises(InputError, match=message):
        check(SHIPPED_MODEL, text=text)


def test_windows_follow_documents() -> None:
    tokenizer = Tokenizer.of_checkpoint(SHIPPED_MODEL)
    first, second = (tokenizer.encode(t, add_special_tokens=False) for t in ("Open a file.", "Bye"))
    text = "<|endoftext|>Open a file.<|endoftext|>Bye<|endoftext|>"
    assert token_windows(tokenizer, text, 512, (0,)) == [[0, *first, 0], [0, *second, 0]]
    assert token_windows(tokenizer, text, 512, ()) == [[0, *first], [0, *second]]
    assert token_windows(tokenizer, "Bye", 512, (0,)) == [[0, *second]]
    long = [0, *first, 0]
    assert token_windows(tokenizer, text, 2, (0,))[:2] == [long[:3], long[2:5]]
    assert first_tokens([[1, 2, 3], [4, 5, 6]], 3) == [[1, 2], [4]]
