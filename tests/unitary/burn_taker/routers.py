"""A router that gives ASSAY at a set rate, honest or not, in place of Uniswap's."""

from __future__ import annotations

from functools import cache
from typing import Any

import boa

ROUTER = """
# pragma version 0.4.3
from ethereum.ercs import IERC20

# ASSAY wei per dollar.
rate: public(uint256)
checks: public(bool)
payload: Bytes[1024]
succeeded: public(bool)

@deploy
def __init__():
    self.checks = True

@external
def set_rate(rate: uint256):
    self.rate = rate

@external
def skip_checks():
    self.checks = False

@external
def call_back(payload: Bytes[1024]):
    self.payload = payload

@external
def swapExactTokensForTokens(
    amount_in: uint256, least: uint256, path: DynArray[address, 2], to: address, deadline: uint256
) -> DynArray[uint256, 2]:
    assert deadline >= block.timestamp
    if len(self.payload) > 0:
        self.succeeded = raw_call(msg.sender, self.payload, revert_on_failure=False)
    given: uint256 = amount_in * self.rate // 10**6
    assert not self.checks or given >= least, "router: too little"
    extcall IERC20(path[0]).transferFrom(msg.sender, self, amount_in)
    extcall IERC20(path[1]).transfer(to, given)
    return [amount_in, given]
"""


@cache
def _deployer() -> Any:
    return boa.loads_partial(ROUTER)


def rate_router() -> Any:
    """`set_rate(ASSAY wei per dollar)`; it pays from its own ASSAY. `call_back(payload)`
    makes it call its caller in the midst of a swap."""
    return _deployer()()
