"""ModelRegistry.add_verifier: new spec versions only, the owner only, once."""

from __future__ import annotations

import pytest

from tests.support.market import NO_CODE, Market, event, reverts, toy_model


def test_default_behavior(market: Market) -> None:
    market.models.add_verifier(2, market.verifier, sender=market.owner)
    added = event(market.models, "VerifierAdded")
    assert (added.spec_version, added.verifier) == (2, market.verifier.address)
    assert market.models.verifier_of_spec(2) == market.verifier.address
    market.models.register(toy_model(spec_version=2).abi())


@pytest.mark.parametrize("version", [1, 2])
def test_revert_has_its_verifier(market: Market, version: int) -> None:
    market.models.add_verifier(2, market.verifier, sender=market.owner)
    with reverts("model_registry: spec version has its verifier"):
        market.models.add_verifier(version, market.bond_token, sender=market.owner)
    assert market.models.verifier_of_spec(version) == market.verifier.address


def test_revert_not_the_owner(market: Market) -> None:
    with reverts("ownable: caller is not the owner"):
        market.models.add_verifier(2, market.verifier, sender=market.stranger)


def test_revert_renounced(market: Market) -> None:
    market.models.renounce_ownership(sender=market.owner)
    with reverts("ownable: caller is not the owner"):
        market.models.add_verifier(2, market.verifier, sender=market.owner)


def test_revert_not_a_contract(market: Market) -> None:
    with reverts("model_registry: verifier is not a contract"):
        market.models.add_verifier(2, NO_CODE, sender=market.owner)
