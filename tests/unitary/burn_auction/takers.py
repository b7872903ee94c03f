"""Takers that do in their callback whatever a test tells them, and a contract that asks."""

from __future__ import annotations

from functools import cache
from typing import Any

import boa

TAKER = """
# pragma version 0.4.3
from ethereum.ercs import IERC20

interface IAuction:
    def take(
        usd: uint256, limit: uint256, recipient: address, data: Bytes[1024]
    ) -> uint256: nonpayable

AUCTION: immutable(address)
ASSAY: immutable(address)
CONSENT: constant(bytes4) = method_id(
    "auction_taken(address,uint256,uint256,bytes)", output_type=bytes4
)

target: address
payload: Bytes[2048]
pays: public(bool)
answer: bytes4

calls: public(uint256)
caller: public(address)
usd_micro: public(uint256)
due: public(uint256)
data: public(Bytes[1024])
succeeded: public(bool)
response: public(Bytes[1024])

@deploy
def __init__(auction: address, assay: address):
    AUCTION = auction
    ASSAY = assay
    self.pays = True
    self.answer = CONSENT

@external
def plan(target: address, payload: Bytes[2048]):
    self.target = target
    self.payload = payload

@external
def set_pays(status: bool):
    self.pays = status

@external
def set_answer(answer: bytes4):
    self.answer = answer

@external
def take(usd: uint256, limit: uint256) -> uint256:
    return extcall IAuction(AUCTION).take(usd, limit, self, b"now")

@external
def auction_taken(caller: address, usd: uint256, due: uint256, data: Bytes[1024]) -> bytes4:
    self.calls += 1
    self.caller = caller
    self.usd_micro = usd
    self.due = due
    self.data = data
    if self.target != empty(address):
        self.succeeded, self.response = raw_call(
            self.target, self.payload, max_outsize=1024, revert_on_failure=False
        )
    if self.pays:
        extcall IERC20(ASSAY).approve(AUCTION, due)
    return self.answer
"""

WALLET = """
# pragma version 0.4.3
@external
def execute(target: address, payload: Bytes[2048]):
    raw_call(target, payload)

@external
@payable
def __default__():
    pass
"""

READER = """
# pragma version 0.4.3
@external
def ask(target: address, payload: Bytes[2048]) -> Bytes[1024]:
    return raw_call(target, payload, max_outsize=1024, is_static_call=True)
"""


@cache
def _deployer(source: str) -> Any:
    return boa.loads_partial(source)


def plain_taker(auction: Any, assay: Any) -> Any:
    """Pays with what it holds; `plan(target, payload)` makes it call that first."""
    return _deployer(TAKER)(auction, assay)


def wallet() -> Any:
    """A contract account whose fallback accepts every call and answers nothing."""
    return _deployer(WALLET)()


def reader() -> Any:
    """Another protocol's contract, which relies on what a view says."""
    return _deployer(READER)()
