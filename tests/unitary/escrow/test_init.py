"""Escrow: constructor and the one-shot link to the settlement."""

from __future__ import annotations

import boa
import pytest

from tests.support.market import DELAY, NO_CODE, Market, deployer, event, reverts


def test_default_behavior(market: Market) -> None:
    with boa.env.prank(market.deployer):
        escrow = deployer("network/Escrow")(market.payment_token, DELAY)
        escrow.set_settlement(market.settlement)
    assert event(escrow, "SettlementSet").settlement == market.settlement.address
    assert escrow.payment_token() == market.payment_token.address
    assert escrow.withdrawal_seconds() == DELAY
    assert escrow.settlement() == market.settlement.address


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(0, "tickets: no delay"), (365 * 86_400 + 1, "tickets: delay too long")],
)
def test_revert_delay_out_of_bounds(market: Market, seconds: int, reason: str) -> None:
    with reverts(reason):
        deployer("network/Escrow")(market.payment_token, seconds)


def test_revert_token_is_not_a_contract() -> None:
    with reverts("escrow: token is not a contract"):
        deployer("network/Escrow")(NO_CODE, DELAY)


def test_revert_set_settlement_twice_or_by_a_stranger(market: Market) -> None:
    with reverts("one_shot: caller is not the deployer"):
        market.escrow.set_settlement(market.game, sender=market.stranger)
    with reverts("one_shot: already set"):
        market.escrow.set_settlement(market.game, sender=market.deployer)
