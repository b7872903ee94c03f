"""EmissionController: the owner hands over, or gives up."""

from __future__ import annotations

from tests.support.evm import event, reverts
from tests.unitary.emission_controller.conftest import Emission

ZERO = "0x" + "00" * 20


def test_default_behavior(emission: Emission) -> None:
    emission.controller.transfer_ownership(emission.stranger, sender=emission.owner)
    moved = event(emission.controller, "OwnershipTransferred")
    assert (moved.previous_owner, moved.new_owner) == (emission.owner, emission.stranger)
    emission.controller.lower_rate(0, 1, sender=emission.stranger)
    with reverts("ownable: caller is not the owner"):
        emission.controller.lower_rate(0, 0, sender=emission.owner)


def test_renounce(emission: Emission) -> None:
    emission.controller.renounce_ownership(sender=emission.owner)
    assert emission.controller.owner() == ZERO
    with reverts("ownable: caller is not the owner"):
        emission.controller.lower_rate(0, 1, sender=emission.owner)


def test_revert_not_the_owner(emission: Emission) -> None:
    for caller in (emission.deployer, emission.stranger):
        with reverts("ownable: caller is not the owner"):
            emission.controller.transfer_ownership(caller, sender=caller)
        with reverts("ownable: caller is not the owner"):
            emission.controller.renounce_ownership(sender=caller)
