"""EmissionController.set_links: the deployer, once."""

from __future__ import annotations

from typing import Any

import boa

from tests.support.economy import CAPACITY, CORNERS
from tests.support.evm import deployer, event, now, reverts
from tests.support.market import NO_CODE
from tests.unitary.emission_controller.conftest import Emission


def unlinked(emission: Emission) -> Any:
    arguments = (emission.token, emission.owner, [(now(), 1)], CORNERS, CAPACITY)
    with boa.env.prank(emission.deployer):
        return deployer("emissions/EmissionController")(*arguments)


def test_default_behavior(emission: Emission) -> None:
    controller = unlinked(emission)
    controller.set_links(emission.staking, emission.ledger, sender=emission.deployer)
    linked = event(controller, "LinksSet")
    assert (linked.staking, linked.ledger) == (emission.staking, emission.ledger)
    assert (controller.staking(), controller.ledger()) == (emission.staking, emission.ledger)


def test_revert_already_set(emission: Emission) -> None:
    with reverts("one_shot: already set"):
        emission.controller.set_links(emission.ledger, emission.staking, sender=emission.deployer)


def test_revert_not_the_deployer(emission: Emission) -> None:
    controller = unlinked(emission)
    for caller in (emission.owner, emission.stranger):
        with reverts("one_shot: caller is not the deployer"):
            controller.set_links(emission.staking, emission.ledger, sender=caller)


def test_revert_not_a_contract(emission: Emission) -> None:
    controller = unlinked(emission)
    with reverts("one_shot: not a contract"):
        controller.set_links(NO_CODE, emission.ledger, sender=emission.deployer)
    with reverts("emissions: ledger is not a contract"):
        controller.set_links(emission.staking, NO_CODE, sender=emission.deployer)
    assert controller.staking() == "0x" + "00" * 20
