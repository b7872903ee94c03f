"""BurnAuction.take, paid by the caller."""

from __future__ import annotations

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.evm import deployer, event, reverts
from tests.support.odd_tokens import answering_token, silent_token
from tests.support.treasury import (
    DOLLAR,
    DURATION,
    ETHER,
    FLOOR,
    LOT,
    NO_LIMIT,
    PARAMETERS,
    SUPPLY,
    Treasury,
)


def test_default_behavior(treasury: Treasury) -> None:
    number = treasury.start()
    boa.env.time_travel(seconds=777)
    price = treasury.auction.price()
    due = treasury.auction.quote(LOT // 4)
    treasury.give_assay(treasury.taker, due + 5)
    paid = treasury.auction.take(LOT // 4, due, treasury.stranger, b"", sender=treasury.taker)
    taken = event(treasury.auction, "Taken")
    assert (taken.number, taken.taker, taken.recipient) == (
        number,
        treasury.taker,
        treasury.stranger,
    )
    assert (taken.usd_micro, taken.burned, taken.price) == (LOT // 4, due, price)
    assert paid == due == -(-(LOT // 4) * price // DOLLAR)
    assert treasury.usdc.balanceOf(treasury.stranger) == LOT // 4
    assert treasury.assay.balanceOf(treasury.taker) == 5
    assert treasury.assay.totalSupply() == SUPPLY - due
    assert treasury.assay.balanceOf(treasury.auction) == 0
    auction = treasury.auction.auction()
    assert (auction.left_usd_micro, auction.burned) == (LOT - LOT // 4, due)


def test_takes_what_is_left(treasury: Treasury) -> None:
    treasury.start()
    treasury.take(LOT - 3)
    due = treasury.auction.quote(3)
    treasury.give_assay(treasury.taker, due)
    assert treasury.auction.take(LOT, due, treasury.taker, b"", sender=treasury.taker) == due
    assert treasury.usdc.balanceOf(treasury.taker) == LOT
    assert not treasury.auction.is_live()


def test_one_micro_dollar(treasury: Treasury) -> None:
    treasury.start()
    assert treasury.take(1) == -(-treasury.auction.price() // DOLLAR) > 0
    assert treasury.usdc.balanceOf(treasury.taker) == 1


def test_least_price_still_costs_a_wei(treasury: Treasury) -> None:
    """At the least floor a micro-dollar is worth less than a wei of ASSAY near the end."""
    least = (10**6, 11_000, *PARAMETERS[2:])
    treasury.auction.set_parameters(least, sender=treasury.owner)
    treasury.start()
    boa.env.time_travel(seconds=DURATION - 1)
    assert treasury.take(1) >= 1


def test_revert_nothing(treasury: Treasury) -> None:
    treasury.start()
    with reverts("burn_auction: nothing to take"):
        treasury.auction.take(0, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)


def test_revert_before_the_first(treasury: Treasury) -> None:
    treasury.fund(LOT)
    with reverts("burn_auction: no auction is live"):
        treasury.auction.take(1, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)


def test_revert_after_the_end(treasury: Treasury) -> None:
    treasury.start()
    boa.env.time_travel(seconds=DURATION)
    with reverts("burn_auction: no auction is live"):
        treasury.auction.take(1, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)


def test_revert_sold_out(treasury: Treasury) -> None:
    treasury.start()
    treasury.fund(LOT)
    treasury.take(LOT)
    with reverts("burn_auction: no auction is live"):
        treasury.auction.take(1, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)


def test_revert_price_above_the_limit(treasury: Treasury) -> None:
    treasury.start()
    due = treasury.auction.quote(LOT)
    treasury.give_assay(treasury.taker, due)
    with reverts("burn_auction: price above the limit"):
        treasury.auction.take(LOT, due - 1, treasury.taker, b"", sender=treasury.taker)


def test_revert_no_allowance(treasury: Treasury) -> None:
    treasury.start()
    treasury.assay.transfer(treasury.taker, ETHER * 10_000, sender=treasury.deployer)
    with reverts("erc20: insufficient allowance"):
        treasury.auction.take(LOT, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)
    assert treasury.usdc.balanceOf(treasury.taker) == 0


def test_revert_no_assay(treasury: Treasury) -> None:
    treasury.start()
    treasury.assay.approve(treasury.auction.address, NO_LIMIT, sender=treasury.taker)
    with reverts("erc20: burn amount exceeds balance"):
        treasury.auction.take(LOT, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)


def test_revert_blacklisted_recipient_stops_nobody_else(treasury: Treasury) -> None:
    treasury.start()
    treasury.usdc.blacklist(treasury.taker, True, sender=treasury.deployer)
    with reverts("test_usd: blacklisted"):
        treasury.take(LOT)
    assert treasury.take(LOT, treasury.stranger) > 0
    assert treasury.usdc.balanceOf(treasury.stranger) == LOT


def test_the_auction_itself_as_recipient_is_a_donation(treasury: Treasury) -> None:
    treasury.start()
    due = treasury.auction.quote(LOT)
    treasury.give_assay(treasury.taker, due)
    treasury.auction.take(LOT, due, treasury.auction.address, b"", sender=treasury.taker)
    assert treasury.assay.totalSupply() == SUPPLY - due
    assert treasury.usdc.balanceOf(treasury.auction) == LOT
    assert not treasury.auction.is_live()


def test_donated_assay_changes_nothing(treasury: Treasury) -> None:
    treasury.start()
    treasury.assay.transfer(treasury.auction.address, 10_000 * ETHER, sender=treasury.deployer)
    with reverts("erc20: insufficient allowance"):
        treasury.auction.take(LOT, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)
    due = treasury.take(LOT)
    assert treasury.assay.totalSupply() == SUPPLY - due
    assert treasury.assay.balanceOf(treasury.auction) == 10_000 * ETHER


@given(
    parts=st.lists(
        st.tuples(st.integers(1, LOT // 2), st.integers(0, DURATION // 4)), min_size=1, max_size=8
    )
)
@settings(max_examples=25)
def test_any_partial_takes(deployed_treasury: Treasury, parts: list[tuple[int, int]]) -> None:
    """Each part pays at least its share at its price, less than a wei more; supply, lot and
    dollars agree after every one."""
    treasury = deployed_treasury
    with boa.env.anchor():
        treasury.start()
        left, burned, last = LOT, 0, 2 * FLOOR
        for wanted, wait in parts:
            boa.env.time_travel(seconds=wait)
            if not treasury.auction.is_live():
                break
            price, sold = treasury.auction.price(), min(wanted, left)
            paid = treasury.take(sold)
            assert price <= last
            assert 0 <= paid * DOLLAR - sold * price < DOLLAR
            left, burned, last = left - sold, burned + paid, price
            assert treasury.auction.auction().left_usd_micro == left
            assert treasury.usdc.balanceOf(treasury.auction) == left
            assert treasury.assay.totalSupply() == SUPPLY - burned
        assert treasury.auction.auction().burned == burned


@pytest.mark.parametrize("parts", [2, 10, 97])
def test_splitting_a_take_never_pays_less(treasury: Treasury, parts: int) -> None:
    treasury.start()
    whole = treasury.auction.quote(LOT)
    paid = [treasury.take(LOT // parts) for _ in range(parts)]
    if LOT % parts:
        paid.append(treasury.take(LOT % parts))
    assert whole <= sum(paid) < whole + len(paid)


def test_silent_token(treasury: Treasury) -> None:
    """Dollars whose transfers return nothing are sold too."""
    dollars = silent_token()
    auction = deployer("treasury/BurnAuction")(dollars, treasury.assay, treasury.owner, PARAMETERS)
    dollars.mint(auction, LOT)
    auction.start()
    treasury.assay.transfer(treasury.taker, SUPPLY // 2, sender=treasury.deployer)
    treasury.assay.approve(auction, NO_LIMIT, sender=treasury.taker)
    auction.take(LOT, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)
    assert dollars.balanceOf(treasury.taker) == LOT


def test_revert_transfer_refused(treasury: Treasury) -> None:
    dollars = answering_token()
    auction = deployer("treasury/BurnAuction")(dollars, treasury.assay, treasury.owner, PARAMETERS)
    dollars.mint(auction, LOT)
    auction.start()
    dollars.refuse(True)
    with reverts("burn_auction: transfer failed"):
        auction.take(LOT, NO_LIMIT, treasury.taker, b"", sender=treasury.taker)
