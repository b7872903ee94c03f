"""ModelRegistry: constructor."""

from __future__ import annotations

import boa

from tests.support.market import NO_CODE, Market, deployer, reverts


def test_default_behavior(market: Market) -> None:
    owner = boa.env.generate_address("another owner")
    registry = deployer("network/ModelRegistry")(7, market.verifier, owner)
    assert registry.owner() == owner
    assert registry.verifier_of_spec(7) == market.verifier.address


def test_revert_verifier_is_not_a_contract() -> None:
    with reverts("model_registry: verifier is not a contract"):
        deployer("network/ModelRegistry")(1, NO_CODE, NO_CODE)


def test_revert_no_owner(market: Market) -> None:
    with reverts("model_registry: no owner"):
        deployer("network/ModelRegistry")(1, market.verifier, "0x" + "00" * 20)
