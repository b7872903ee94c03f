"""The timelock's own delay and roles change only by calls that went through it."""

from __future__ import annotations

import boa
import pytest

from tests.support.evm import DAY, event, reverts
from tests.unitary.timelock.conftest import DELAY, Governance


def through(governance: Governance, call: bytes) -> None:
    operation = governance.operation(governance.timelock, call)
    governance.schedule(*operation)
    boa.env.time_travel(seconds=DELAY)
    governance.execute(*operation)


@pytest.mark.parametrize("delay", [1, 30 * DAY])
def test_update_delay(governance: Governance, delay: int) -> None:
    through(governance, governance.timelock.update_delay.prepare_calldata(delay))
    changed = event(governance.timelock, "MinimumDelayChange")
    assert (changed.old_duration, changed.new_duration) == (DELAY, delay)
    assert governance.timelock.get_minimum_delay() == delay


@pytest.mark.parametrize(
    ("delay", "reason"),
    [(0, "timelock: delay too short"), (30 * DAY + 1, "timelock: delay too long")],
)
def test_revert_delay_out_of_bounds(governance: Governance, delay: int, reason: str) -> None:
    with reverts(reason):
        through(governance, governance.timelock.update_delay.prepare_calldata(delay))


def test_revert_update_delay_by_a_role(governance: Governance) -> None:
    for caller in (governance.deployer, governance.proposer, governance.executor):
        with reverts("timelock: caller is not the timelock"):
            governance.timelock.update_delay(1, sender=caller)


def test_grant_and_revoke(governance: Governance) -> None:
    timelock = governance.timelock
    role = timelock.PROPOSER_ROLE()
    through(governance, timelock.grantRole.prepare_calldata(role, governance.stranger))
    assert timelock.hasRole(role, governance.stranger)
    through(governance, timelock.revokeRole.prepare_calldata(role, governance.proposer))
    with reverts("access_control: account is missing role"):
        governance.schedule()


def test_revert_grant_by_a_role(governance: Governance) -> None:
    timelock = governance.timelock
    for caller in (governance.deployer, governance.proposer, governance.executor):
        for role in (timelock.DEFAULT_ADMIN_ROLE(), timelock.PROPOSER_ROLE()):
            with reverts("access_control: account is missing role"):
                timelock.grantRole(role, caller, sender=caller)
            with reverts("access_control: account is missing role"):
                timelock.set_role_admin(role, timelock.PROPOSER_ROLE(), sender=caller)


def test_renounce(governance: Governance) -> None:
    """A role may be given up; only one's own."""
    timelock = governance.timelock
    role = timelock.PROPOSER_ROLE()
    with reverts("access_control: can only renounce roles for itself"):
        timelock.renounceRole(role, governance.proposer, sender=governance.stranger)
    timelock.renounceRole(role, governance.proposer, sender=governance.proposer)
    assert not timelock.hasRole(role, governance.proposer)
