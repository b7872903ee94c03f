"""ModelRegistry: constructor."""

from __future__ import annotations

import boa

from tests.support.market import NO_CODE, Market, deployer, reverts


def test_default_behavior(market: Market) -> None:
    owner = boa.env.generate_address("owner")
    with boa.env.prank(owner):
        registry = deployer("network/ModelRegistry")(7, market.verifier)
    assert registry.owner() == owner
    assert registry.verifier_of_spec(7) == market.verifier.address


def test_revert_verifier_is_not_a_contract() -> None:
    with reverts("model_registry: verifier is not a contract"):
        deployer("network/ModelRegistry")(1, NO_CODE)
