"""Timelock.execute: moves a real curve, not too early, not twice, by an executor."""

from __future__ import annotations

import boa
import pytest

from tests.support.economy import CURVE, ETHER
from tests.support.evm import event, reverts
from tests.unitary.timelock.conftest import (
    DELAY,
    NEW_CURVE,
    NO_HASH,
    SALT,
    Governance,
    set_up,
)

NOT_READY = "timelock_controller: operation is not ready"


def test_default_behavior(governance: Governance) -> None:
    operation = governance.schedule()
    boa.env.time_travel(seconds=DELAY)
    governance.execute()
    executed = event(governance.timelock, "CallExecuted")
    assert (executed.id, executed.target) == (operation, governance.minter.address)
    assert event(governance.timelock, "CurveSet").curve == NEW_CURVE
    assert governance.minter.curve() == NEW_CURVE
    assert governance.timelock.is_operation_done(operation)


def test_anyone_executes_if_the_zero_address_may() -> None:
    with boa.env.anchor():
        governance = set_up(executor="0x" + "00" * 20)
        governance.schedule()
        boa.env.time_travel(seconds=DELAY)
        governance.execute(sender=governance.stranger)
        assert governance.minter.curve() == NEW_CURVE


def test_the_owner_is_the_timelock_alone(governance: Governance) -> None:
    for caller in (governance.deployer, governance.proposer, governance.executor):
        with reverts("ownable: caller is not the owner"):
            governance.minter.set_curve(NEW_CURVE, sender=caller)


def test_batch(governance: Governance) -> None:
    """All calls or none: the second set_curve comes too soon."""
    target, call = governance.minter.address, governance.call
    batch = ([target, target], [0, 0], [call, call], NO_HASH, SALT)
    governance.timelock.schedule_batch(*batch, DELAY, sender=governance.proposer)
    boa.env.time_travel(seconds=DELAY)
    with reverts("credit_minter: curve set too recently"):
        governance.timelock.execute_batch(*batch, sender=governance.executor)
    assert governance.minter.curve() == CURVE


def test_revert_too_early(governance: Governance) -> None:
    with reverts(NOT_READY):
        governance.execute()
    governance.schedule()
    boa.env.time_travel(seconds=DELAY - 1)
    with reverts(NOT_READY):
        governance.execute()
    assert governance.minter.curve() == CURVE


def test_revert_twice(governance: Governance) -> None:
    governance.schedule()
    boa.env.time_travel(seconds=DELAY)
    governance.execute()
    with reverts(NOT_READY):
        governance.execute()
    with reverts("timelock_controller: operation already scheduled"):
        governance.schedule()


def test_revert_wrong_role(governance: Governance) -> None:
    governance.schedule()
    boa.env.time_travel(seconds=DELAY)
    for caller in (governance.deployer, governance.proposer, governance.stranger):
        with reverts("access_control: account is missing role"):
            governance.execute(sender=caller)


def test_revert_other_arguments(governance: Governance) -> None:
    """Who schedules one curve executes no other."""
    governance.schedule()
    boa.env.time_travel(seconds=DELAY)
    other = governance.minter.set_curve.prepare_calldata((96 * ETHER, *CURVE[1:]))
    with reverts(NOT_READY):
        governance.execute(*governance.operation(payload=other))


def test_revert_before_its_predecessor(governance: Governance) -> None:
    renounce = governance.minter.renounce_ownership.prepare_calldata()
    first = governance.operation()
    second = governance.operation(payload=renounce, predecessor=governance.identity(*first))
    governance.schedule(*first)
    governance.schedule(*second)
    boa.env.time_travel(seconds=DELAY)
    with reverts("timelock_controller: missing dependency"):
        governance.execute(*second)
    governance.execute(*first)
    governance.execute(*second)
    assert governance.minter.owner() == "0x" + "00" * 20


@pytest.mark.parametrize("base", [CURVE[0] * 2, 1])
def test_revert_reason_of_the_target(governance: Governance, base: int) -> None:
    """A call that its target refuses stays pending."""
    call = governance.minter.set_curve.prepare_calldata((base, *CURVE[1:]))
    operation = governance.operation(payload=call)
    identity = governance.schedule(*operation)
    boa.env.time_travel(seconds=DELAY)
    with reverts("credit_minter: step too large"):
        governance.execute(*operation)
    assert governance.timelock.is_operation_ready(identity)
