"""Timelock.schedule and cancel: proposers only, after the minimum delay at the earliest."""

from __future__ import annotations

import boa

from tests.support.evm import event, now, reverts
from tests.unitary.timelock.conftest import DELAY, SALT, Governance

NO_ROLE = "access_control: account is missing role"


def test_default_behavior(governance: Governance) -> None:
    operation = governance.schedule()
    scheduled = event(governance.timelock, "CallScheduled")
    assert (scheduled.id, scheduled.target) == (operation, governance.minter.address)
    assert (scheduled.payload, scheduled.delay) == (governance.call, DELAY)
    assert event(governance.timelock, "CallSalt").salt == SALT
    assert governance.timelock.get_timestamp(operation) == now() + DELAY
    assert governance.timelock.is_operation_pending(operation)
    assert not governance.timelock.is_operation_ready(operation)


def test_cancel(governance: Governance) -> None:
    operation = governance.schedule()
    boa.env.time_travel(seconds=DELAY)
    governance.timelock.cancel(operation, sender=governance.proposer)
    assert event(governance.timelock, "Cancelled").id == operation
    assert not governance.timelock.is_operation(operation)
    with reverts("timelock_controller: operation is not ready"):
        governance.execute()
    governance.schedule()


def test_revert_wrong_role(governance: Governance) -> None:
    operation = governance.schedule()
    for caller in (governance.deployer, governance.executor, governance.stranger):
        with reverts(NO_ROLE):
            governance.schedule(sender=caller)
        with reverts(NO_ROLE):
            governance.timelock.cancel(operation, sender=caller)


def test_revert_delay_too_short(governance: Governance) -> None:
    with reverts("timelock_controller: insufficient delay"):
        governance.schedule(delay=DELAY - 1)


def test_revert_scheduled_twice(governance: Governance) -> None:
    governance.schedule()
    with reverts("timelock_controller: operation already scheduled"):
        governance.schedule()


def test_revert_cancel_nothing(governance: Governance) -> None:
    with reverts("timelock_controller: operation cannot be cancelled"):
        governance.timelock.cancel(governance.identity(), sender=governance.proposer)


def test_revert_cancel_done(governance: Governance) -> None:
    operation = governance.schedule()
    boa.env.time_travel(seconds=DELAY)
    governance.execute()
    with reverts("timelock_controller: operation cannot be cancelled"):
        governance.timelock.cancel(operation, sender=governance.proposer)
