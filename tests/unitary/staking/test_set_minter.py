"""Staking.set_minter: the deployer, once."""

from __future__ import annotations

from typing import Any

import boa

from tests.support.evm import deployer, event, reverts
from tests.support.market import NO_CODE
from tests.unitary.staking.conftest import Pool


def unlinked(pool: Pool) -> Any:
    with boa.env.prank(pool.deployer):
        return deployer("staking/Staking")(pool.token, pool.emissions, 1)


def test_default_behavior(pool: Pool) -> None:
    staking = unlinked(pool)
    staking.set_minter(pool.minter, sender=pool.deployer)
    assert event(staking, "MinterSet").minter == pool.minter == staking.minter()


def test_revert_already_set(pool: Pool) -> None:
    with reverts("one_shot: already set"):
        pool.staking.set_minter(pool.token.address, sender=pool.deployer)


def test_revert_not_the_deployer(pool: Pool) -> None:
    staking = unlinked(pool)
    for caller in (pool.owner, pool.stranger):
        with reverts("one_shot: caller is not the deployer"):
            staking.set_minter(pool.minter, sender=caller)


def test_revert_not_a_contract(pool: Pool) -> None:
    with reverts("one_shot: not a contract"):
        unlinked(pool).set_minter(NO_CODE, sender=pool.deployer)
