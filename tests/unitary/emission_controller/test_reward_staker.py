"""EmissionController.reward_staker: the staking contract, within the stakers' part."""

from __future__ import annotations

from tests.support.economy import GENESIS
from tests.support.evm import event, now, reverts, travel_to
from tests.unitary.emission_controller.conftest import SCALE, STAGE_SECONDS, Emission


def test_default_behavior(emission: Emission) -> None:
    travel_to(now() + STAGE_SECONDS)
    emission.controller.reward_staker(emission.stranger, 12, sender=emission.staking)
    rewarded = event(emission.controller, "StakersRewarded")
    assert (rewarded.account, rewarded.amount) == (emission.stranger, 12)
    assert emission.token.balanceOf(emission.stranger) == 12
    assert emission.token.totalSupply() == GENESIS + 12
    assert emission.controller.minted_to_stakers() == 12


def test_all_of_the_stakers_part(emission: Emission) -> None:
    """To the wei, on the day, after it, and before any other call has rolled."""
    minted = 0
    for gap in (1, STAGE_SECONDS, 1, 8 * STAGE_SECONDS):
        travel_to(emission.stages[0][0] + gap if not minted else now() + gap)
        part = emission.integral(0) * 9_000 // SCALE
        with reverts("emissions: above the stakers' part"):
            emission.controller.reward_staker(
                emission.stranger, part - minted + 1, sender=emission.staking
            )
        emission.controller.reward_staker(emission.stranger, part - minted, sender=emission.staking)
        minted = part
        assert emission.controller.minted_to_stakers() == minted


def test_revert_above_the_stakers_part(emission: Emission) -> None:
    with reverts("emissions: above the stakers' part"):
        emission.controller.reward_staker(emission.stranger, 1, sender=emission.staking)


def test_revert_not_the_staking_contract(emission: Emission) -> None:
    travel_to(now() + STAGE_SECONDS)
    for caller in (emission.owner, emission.deployer, emission.ledger, emission.stranger):
        with reverts("emissions: caller is not the staking contract"):
            emission.controller.reward_staker(caller, 1, sender=caller)
