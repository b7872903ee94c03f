"""Revert data of every shape becomes a reason."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from web3.exceptions import ContractLogicError

from assay.chain.reverts import REMEDIES, decode_revert, reason_of, remedy_for, reverted

STRING = bytes.fromhex("08c379a0") + encode(["string"], ["settlement: window is over"])


def test_error_string() -> None:
    assert decode_revert(STRING) == "settlement: window is over"


def test_panic() -> None:
    assert decode_revert(bytes.fromhex("4e487b71") + encode(["uint256"], [0x11])) == "panic 0x11"


@pytest.mark.parametrize("data", [b"", b"\x12", STRING[:20], b"\xde\xad\xbe\xef" * 9])
def test_anything_else_is_shown_as_it_is(data: bytes) -> None:
    assert decode_revert(data) == (f"0x{data.hex()}" if data else "")


def test_data_wins_over_the_message() -> None:
    error = ContractLogicError("execution reverted: custom", data="0x" + STRING.hex())
    assert reason_of(error) == "settlement: window is over"


def test_message_only() -> None:
    assert reason_of(ContractLogicError("execution reverted: no bond")) == "no bond"
    assert reason_of(ContractLogicError("execution reverted")) == ""


def test_error_names_call_reason_and_remedy() -> None:
    fragment, remedy = REMEDIES[0]
    error = reverted("Settlement.post_batch", f"some_contract: {fragment}", "0xabc")
    assert str(error).startswith("Settlement.post_batch reverted: some_contract: ")
    assert "(transaction 0xabc)" in str(error)
    assert str(error).endswith(remedy)
    assert remedy_for("something unheard of") == ""
