"""A payment token that calls back finds every function of the ledger locked, views included."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.credit import NOBODY, Credit, deploy_ledger
from tests.support.evm import DAY, now
from tests.support.market import reverts

HOOKED = """
# pragma version 0.4.3
decimals: public(constant(uint8)) = 6
balanceOf: public(HashMap[address, uint256])
call: Bytes[512]
entered: public(uint256)
refused: public(uint256)

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount

@external
def set_call(call: Bytes[512]):
    self.call = call

@internal
def _move(owner: address, to: address, amount: uint256, ledger: address):
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    if len(self.call) > 0 and raw_call(ledger, self.call, revert_on_failure=False):
        self.entered += 1
    else:
        self.refused += 1

@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount, msg.sender)
    return True

@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    self._move(owner, to, amount, msg.sender)
    return True
"""


@pytest.fixture
def token() -> Any:
    return boa.loads(HOOKED)


@pytest.fixture
def ledger(credit: Credit, token: Any) -> Any:
    """A ledger of that token; its deployer is its settlement's stand-in."""
    return deploy_ledger(credit.economy, payment_token=token, fee_bps=0)


CALLS = {
    "deposit": (1,),
    "request_withdrawal": (1,),
    "withdraw": (0, NO_ONE := "0x" + "11" * 20),
    "withdraw_earnings": (NO_ONE,),
    "set_channel": (NO_ONE, 0, 0, NOBODY, 2**39, 0),
    "close_channel": (NO_ONE, NO_ONE),
    "collect_many": ([],),
    "sweep_fees": (),
    "balance_of": (NO_ONE,),
    "available": (NO_ONE,),
    "earnings_of": (NO_ONE,),
    "credit_of": (NO_ONE, 0),
    "committed_of": (NO_ONE,),
    "channel": (NO_ONE, NO_ONE),
    "fees": (),
}


@pytest.mark.parametrize("name", CALLS)
def test_locked_during_a_transfer(credit: Credit, ledger: Any, token: Any, name: str) -> None:
    holder = credit.market.stranger
    token.mint(holder, 100)
    token.set_call(getattr(ledger, name).prepare_calldata(*CALLS[name]))
    ledger.deposit(50, sender=holder)
    arguments = (credit.payee, 0, 0, NOBODY, now() + DAY, 10)
    ledger.set_channel(*arguments, sender=holder)
    ledger.request_withdrawal(50, sender=holder)
    boa.env.time_travel(seconds=ledger.withdrawal_seconds())
    ledger.withdraw(0, holder, sender=holder)
    assert (token.entered(), token.refused()) == (0, 3)
    assert token.balanceOf(ledger.address) == 10


def test_the_same_calls_are_possible_outside(ledger: Any) -> None:
    """They are refused for the lock alone."""
    for name in ("collect_many", "sweep_fees", "balance_of", "fees", "channel"):
        getattr(ledger, name)(*CALLS[name])
    with reverts("credit_ledger: no such channel"):
        ledger.close_channel(*CALLS["close_channel"])
