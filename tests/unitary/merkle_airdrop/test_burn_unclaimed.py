"""MerkleAirdrop.burn_unclaimed: anyone, after the deadline, a real burn."""

from __future__ import annotations

import boa

from tests.support.economy import ETHER
from tests.support.evm import event, now, reverts
from tests.unitary.merkle_airdrop.conftest import Drop


def pass_deadline(drop: Drop) -> None:
    boa.env.time_travel(seconds=drop.contract.deadline() - now() + 1)


def test_default_behavior(drop: Drop) -> None:
    supply = drop.token.totalSupply()
    drop.claim(drop.claimants[2])
    pass_deadline(drop)
    assert drop.contract.burn_unclaimed(sender=drop.stranger) == 3 * ETHER
    assert event(drop.contract, "UnclaimedBurned").amount == 3 * ETHER
    assert drop.token.balanceOf(drop.contract.address) == 0
    assert drop.token.totalSupply() == supply - 3 * ETHER


def test_donation_burns_too(drop: Drop) -> None:
    pass_deadline(drop)
    drop.contract.burn_unclaimed()
    drop.token.transfer(drop.contract.address, 5, sender=drop.treasury)
    assert drop.contract.burn_unclaimed() == 5


def test_revert_at_the_deadline(drop: Drop) -> None:
    boa.env.time_travel(seconds=drop.contract.deadline() - now())
    with reverts("merkle_airdrop: before the deadline"):
        drop.contract.burn_unclaimed()


def test_revert_nothing_left(drop: Drop) -> None:
    for account in drop.claimants:
        drop.claim(account)
    pass_deadline(drop)
    with reverts("merkle_airdrop: nothing left"):
        drop.contract.burn_unclaimed()
