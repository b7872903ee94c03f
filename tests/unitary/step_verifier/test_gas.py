"""Every kind of verification at the widths of large models, under a transaction's gas limit."""

from __future__ import annotations

from typing import Any

import pytest

from assay.core.hashes import PROMPT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import Op
from scripts.bench.calldata import Calldata
from scripts.bench.verifier_gas import (
    GAS_LIMIT,
    MODELS,
    POSITIONS,
    Meter,
    Model,
    cases,
    context_cases,
)


@pytest.fixture(scope="module")
def meter(verifier: Any) -> Meter:
    prompt = TokenList(range(POSITIONS), bytes(32), PROMPT_SIDE)
    return Meter(verifier, prompt, TokenList([9] * 64, bytes(32), PROMPT_SIDE))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"K={model.width}")
def test_widths(meter: Meter, model: Model) -> None:
    seen = set()
    for case in cases(model):
        measured = meter.measure(model, case)
        assert 21_000 < int(str(measured["gas"])) <= GAS_LIMIT, case
        seen.add(case.op)
    assert seen == {op.name for op in Op} - {
        "ROWMAX", "SUM", "SCORES", "EXP2", "TRANSPOSE", "ATTEND",
    }  # fmt: skip


def test_context(meter: Meter) -> None:
    for case in context_cases(MODELS[0]):
        assert 21_000 < int(str(meter.measure(MODELS[0], case)["gas"])) <= GAS_LIMIT, case


def test_sample(meter: Meter) -> None:
    assert 21_000 < int(str(meter.sample(MODELS[0])["gas"])) <= GAS_LIMIT


def test_code_fits(verifier: Any) -> None:
    """EIP-170."""
    assert len(verifier.env.get_code(verifier.address)) <= 24_576


@pytest.mark.parametrize(
    ("data", "execution", "gas"),
    [
        (b"", 0, 21_000),
        (b"", 5_000, 26_000),
        (b"\0" * 10, 0, 21_100),
        (b"\1" * 10, 0, 21_400),
        (b"\1" * 10, 240, 21_400),
        (b"\1" * 10, 241, 21_401),
        (b"\0\1", 1_000, 22_020),
    ],
)
def test_transaction_gas(data: bytes, execution: int, gas: int) -> None:
    """EIP-7623: the larger of execution with 4 and 16 a byte, and 10 and 40 a byte alone."""
    assert Calldata.of(data).transaction_gas(execution) == gas
