"""Staking: constructor."""

from __future__ import annotations

import pytest

from tests.support.economy import STAKE_COOLDOWN
from tests.support.evm import DAY, deployer, reverts
from tests.unitary.staking.conftest import Pool

ZERO = "0x" + "00" * 20


def test_default_behavior(pool: Pool) -> None:
    assert pool.staking.token() == pool.token.address
    assert pool.staking.emissions() == pool.emissions.address
    assert pool.staking.cooldown_seconds() == STAKE_COOLDOWN
    assert (pool.staking.total_stake(), pool.staking.total_tickets()) == (0, 0)
    fresh = deployer("staking/Staking")(pool.token, pool.emissions, 1)
    assert fresh.minter() == ZERO


@pytest.mark.parametrize("seconds", [1, 90 * DAY])
def test_cooldown_bounds(pool: Pool, seconds: int) -> None:
    fresh = deployer("staking/Staking")(pool.token, pool.emissions, seconds)
    assert fresh.cooldown_seconds() == seconds


def test_revert_cooldown_out_of_bounds(pool: Pool) -> None:
    for seconds, reason in ((0, "no delay"), (90 * DAY + 1, "delay too long")):
        with reverts(f"tickets: {reason}"):
            deployer("staking/Staking")(pool.token, pool.emissions, seconds)


def test_revert_other_token(pool: Pool) -> None:
    with reverts("staking: other token"):
        deployer("staking/Staking")(pool.staking, pool.emissions, 1)
