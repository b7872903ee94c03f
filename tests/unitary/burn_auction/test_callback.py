"""BurnAuction.take with a callback: who pays, who consents, and what reentrancy can see."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.evm import event, reverts
from tests.support.treasury import (
    ETHER,
    LOT,
    NO_LIMIT,
    PARAMETERS,
    SUPPLY,
    Treasury,
)
from tests.unitary.burn_auction.takers import plain_taker, reader, wallet

RICH = 100_000 * ETHER


@pytest.fixture
def taker(treasury: Treasury) -> Any:
    """A contract with enough ASSAY for the lot of a live auction."""
    treasury.start()
    contract = plain_taker(treasury.auction, treasury.assay)
    treasury.assay.transfer(contract, RICH, sender=treasury.deployer)
    return contract


def test_default_behavior(treasury: Treasury, taker: Any) -> None:
    due = treasury.auction.quote(LOT)
    assert treasury.auction.take(LOT, due, taker, b"hello", sender=treasury.stranger) == due
    taken = event(treasury.auction, "Taken")
    assert (taken.taker, taken.recipient) == (treasury.stranger, taker.address)
    assert (taker.calls(), taker.caller()) == (1, treasury.stranger)
    assert (taker.usd_micro(), taker.due(), taker.data()) == (LOT, due, b"hello")
    assert treasury.usdc.balanceOf(taker) == LOT
    assert treasury.assay.balanceOf(taker) == RICH - due
    assert treasury.assay.totalSupply() == SUPPLY - due


def test_dollars_arrive_first(treasury: Treasury, taker: Any) -> None:
    """In its callback the taker can spend what it bought."""
    payload = treasury.usdc.transfer.prepare_calldata(treasury.stranger, LOT)
    taker.plan(treasury.usdc, payload)
    taker.take(LOT, NO_LIMIT)
    assert taker.succeeded() and treasury.usdc.balanceOf(treasury.stranger) == LOT


def test_without_data_the_recipient_is_not_called(treasury: Treasury, taker: Any) -> None:
    due = treasury.auction.quote(LOT)
    treasury.give_assay(treasury.taker, due)
    treasury.auction.take(LOT, due, taker, b"", sender=treasury.taker)
    assert taker.calls() == 0
    assert treasury.usdc.balanceOf(taker) == LOT
    assert treasury.assay.balanceOf(taker) == RICH


def test_revert_taker_does_not_pay(treasury: Treasury, taker: Any) -> None:
    taker.set_pays(False)
    with reverts("erc20: insufficient allowance"):
        taker.take(LOT, NO_LIMIT)
    assert treasury.usdc.balanceOf(taker) == 0
    assert treasury.auction.auction().left_usd_micro == LOT


def test_revert_taker_spends_the_assay_elsewhere(treasury: Treasury, taker: Any) -> None:
    taker.plan(treasury.assay, treasury.assay.transfer.prepare_calldata(treasury.stranger, RICH))
    with reverts("erc20: burn amount exceeds balance"):
        taker.take(LOT, NO_LIMIT)


def test_burning_in_the_callback_does_not_count(treasury: Treasury, taker: Any) -> None:
    """What is due is burned by the auction, whatever the supply did meanwhile."""
    due = treasury.auction.quote(LOT)
    taker.plan(treasury.assay, treasury.assay.burn.prepare_calldata(due))
    taker.take(LOT, NO_LIMIT)
    assert treasury.assay.totalSupply() == SUPPLY - 2 * due
    assert treasury.auction.auction().burned == due


@pytest.mark.parametrize("answer", [b"\x00" * 4, b"\xff" * 4])
def test_revert_without_consent(treasury: Treasury, taker: Any, answer: bytes) -> None:
    taker.set_answer(answer)
    with reverts("burn_auction: recipient did not consent"):
        taker.take(LOT, NO_LIMIT)


def test_revert_a_wallet_that_accepts_every_call_is_not_made_to_pay(treasury: Treasury) -> None:
    """It approved the auction for takes of its own; a stranger names it at a bad price."""
    treasury.start()
    owner = wallet()
    treasury.assay.transfer(owner, RICH, sender=treasury.deployer)
    approval = treasury.assay.approve.prepare_calldata(treasury.auction, NO_LIMIT)
    owner.execute(treasury.assay, approval)
    with boa.reverts():
        treasury.auction.take(LOT, NO_LIMIT, owner, b"now", sender=treasury.stranger)
    assert treasury.assay.balanceOf(owner) == RICH


def test_revert_an_account_without_code_cannot_be_called(treasury: Treasury) -> None:
    treasury.start()
    treasury.give_assay(treasury.taker, RICH)
    with boa.reverts():
        treasury.auction.take(LOT, NO_LIMIT, treasury.taker, b"now", sender=treasury.stranger)
    assert treasury.assay.balanceOf(treasury.taker) == RICH


REENTRIES: dict[str, tuple[Any, ...]] = {
    "start": (),
    "set_parameters": (PARAMETERS,),
    "is_live": (),
    "price": (),
    "quote": (1,),
    "next_start": (),
    "last_price": (),
    "auction": (),
    "auction_count": (),
    "parameters": (),
}


@pytest.mark.parametrize("function", [*REENTRIES, "take"])
def test_reentry_is_refused(treasury: Treasury, taker: Any, function: str) -> None:
    arguments = REENTRIES.get(function, (1, NO_LIMIT, taker.address, b""))
    payload = getattr(treasury.auction, function).prepare_calldata(*arguments)
    treasury.auction.transfer_ownership(taker, sender=treasury.owner)
    taker.plan(treasury.auction, payload)
    due = taker.take(LOT // 2, NO_LIMIT)
    assert taker.calls() == 1 and not taker.succeeded()
    assert treasury.auction.auction().left_usd_micro == LOT // 2
    assert treasury.assay.totalSupply() == SUPPLY - due


@pytest.mark.parametrize("function", ["price", "auction", "last_price", "is_live"])
def test_read_only_reentry_through_another_contract(
    treasury: Treasury, taker: Any, function: str
) -> None:
    """Who relies on a view is not shown a state in which ASSAY is still owed."""
    other = reader()
    question = getattr(treasury.auction, function).prepare_calldata()
    assert other.ask(treasury.auction, question) != b""
    taker.plan(other, other.ask.prepare_calldata(treasury.auction, question))
    taker.take(LOT // 2, NO_LIMIT)
    assert taker.calls() == 1 and not taker.succeeded()


def test_a_second_taker_within_the_first(treasury: Treasury, taker: Any) -> None:
    """Through another contract the lock holds as well."""
    second = plain_taker(treasury.auction, treasury.assay)
    treasury.assay.transfer(second, RICH, sender=treasury.deployer)
    taker.plan(second, second.take.prepare_calldata(1, NO_LIMIT))
    taker.take(LOT // 2, NO_LIMIT)
    assert not taker.succeeded() and second.calls() == 0


def test_dollars_routed_in_the_callback_wait(treasury: Treasury, taker: Any) -> None:
    """The fee router may be called meanwhile; what it brings is not in the lot."""
    treasury.usdc.mint(treasury.router, 5 * LOT, sender=treasury.deployer)
    taker.plan(treasury.router, treasury.router.route.prepare_calldata())
    taker.take(LOT // 2, NO_LIMIT)
    assert taker.succeeded()
    assert treasury.auction.auction().left_usd_micro == LOT // 2
    assert treasury.usdc.balanceOf(treasury.auction) == 5 * LOT + LOT // 2
