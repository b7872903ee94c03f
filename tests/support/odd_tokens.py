"""Dollars that are not plain ERC-20: no return values, refusal by `False`, a fee on transfers."""

from __future__ import annotations

from functools import cache
from typing import Any

import boa

HEAD = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
fee_bps: public(uint256)
refusing: public(bool)

@view
@external
def decimals() -> uint8:
    return 6

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount

@external
def set_fee(bps: uint256):
    self.fee_bps = bps

@external
def refuse(status: bool):
    self.refusing = status

@internal
def _move(owner: address, to: address, amount: uint256):
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount - amount * self.fee_bps // 10_000
"""

SILENT = """
@external
def approve(spender: address, amount: uint256):
    pass

@external
def transfer(to: address, amount: uint256):
    self._move(msg.sender, to, amount)

@external
def transferFrom(owner: address, to: address, amount: uint256):
    self._move(owner, to, amount)
"""

ANSWERING = """
@external
def approve(spender: address, amount: uint256) -> bool:
    return not self.refusing

@external
def transfer(to: address, amount: uint256) -> bool:
    if not self.refusing:
        self._move(msg.sender, to, amount)
    return not self.refusing

@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    if not self.refusing:
        self._move(owner, to, amount)
    return not self.refusing
"""


@cache
def _deployer(body: str) -> Any:
    return boa.loads_partial(HEAD + body)


def silent_token() -> Any:
    """Transfers return nothing, as USDT's; no allowance is needed."""
    return _deployer(SILENT)()


def answering_token() -> Any:
    """Transfers return a bool; `refuse(True)` makes them return False and move nothing,
    `set_fee(bps)` makes them take a fee."""
    return _deployer(ANSWERING)()
