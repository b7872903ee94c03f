"""Timelock: constructor; roles, and that nobody but the timelock is admin."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_utils import function_signature_to_4byte_selector

from tests.support.evm import DAY, deployer, event, reverts
from tests.unitary.timelock.conftest import DELAY, Governance

ZERO = "0x" + "00" * 20


def fresh(delay: int = DELAY, proposers: Any = (ZERO[:-1] + "1",), executors: Any = (ZERO,)) -> Any:
    return deployer("governance/Timelock")(delay, list(proposers), list(executors))


def test_default_behavior(governance: Governance) -> None:
    timelock = governance.timelock
    assert timelock.get_minimum_delay() == DELAY
    assert governance.minter.owner() == timelock.address
    roles = {
        timelock.DEFAULT_ADMIN_ROLE(): timelock.address,
        timelock.PROPOSER_ROLE(): governance.proposer,
        timelock.CANCELLER_ROLE(): governance.proposer,
        timelock.EXECUTOR_ROLE(): governance.executor,
    }
    accounts = [*set(roles.values()), governance.deployer, governance.stranger, ZERO]
    for role, holder in roles.items():
        assert [a for a in accounts if timelock.hasRole(role, a)] == [holder]
        assert timelock.getRoleAdmin(role) == timelock.DEFAULT_ADMIN_ROLE()


@pytest.mark.parametrize("delay", [1, 30 * DAY])
def test_bounds_of_the_delay(delay: int) -> None:
    timelock = fresh(delay)
    assert event(timelock, "MinimumDelayChange").new_duration == delay
    assert timelock.get_minimum_delay() == delay


@pytest.mark.parametrize(
    ("delay", "reason"),
    [(0, "timelock: delay too short"), (30 * DAY + 1, "timelock: delay too long")],
)
def test_revert_delay_out_of_bounds(delay: int, reason: str) -> None:
    with reverts(reason):
        fresh(delay)


@pytest.mark.parametrize("proposers", [[], [ZERO], [ZERO[:-1] + "1", ZERO]])
def test_revert_no_proposer(proposers: list[str]) -> None:
    with reverts("timelock: no proposer"):
        fresh(proposers=proposers)


def test_revert_no_executor() -> None:
    with reverts("timelock: no executor"):
        fresh(executors=[])


@pytest.mark.parametrize(
    "signature",
    [
        "onERC721Received(address,address,uint256,bytes)",
        "onERC1155Received(address,address,uint256,uint256,bytes)",
        "supportsInterface(bytes4)",
    ],
)
def test_revert_withheld(governance: Governance, signature: str) -> None:
    call = function_signature_to_4byte_selector(signature) + bytes(320)
    target = governance.timelock.address
    assert boa.env.execute_code(target, governance.stranger, data=call).is_error


def test_revert_ether(governance: Governance) -> None:
    boa.env.set_balance(governance.stranger, 1)
    target = governance.timelock.address
    assert boa.env.execute_code(target, governance.stranger, value=1).is_error
