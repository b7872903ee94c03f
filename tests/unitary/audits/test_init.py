"""Audits: constructor, and the link from the settlement."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.economy import Economy
from tests.support.market import (
    NO_CODE,
    PAY_BPS,
    RATE_BPS,
    REQUEST_BOND,
    SEAT,
    SEED_DELAY,
    SLOTS,
    Market,
    deploy_audits,
    deploy_parts,
    event,
    reverts,
)


@pytest.fixture
def parts(market: Market) -> dict[str, Any]:
    """All contracts, not yet wired."""
    fresh = Economy(market.deployer, market.owner, market.economy.treasury)
    with boa.env.prank(market.deployer):
        deploy_parts(fresh)
    return fresh.contracts


def test_default_behavior(market: Market) -> None:
    audits = market.audits
    assert audits.settlement() == market.settlement.address
    assert audits.bond_token() == market.bond_token.address
    assert audits.payment_token() == market.payment_token.address
    assert (audits.rate_bps(), audits.slots(), audits.pay_bps()) == (RATE_BPS, SLOTS, PAY_BPS)
    assert (audits.seat_deposit(), audits.request_bond()) == (SEAT, REQUEST_BOND)
    assert audits.seed_delay_blocks() == SEED_DELAY
    assert (audits.round_count(), audits.seat_count()) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"settlement": NO_CODE}, "settlement is not a contract"),
        ({"bond_token": NO_CODE}, "bond token is not a contract"),
        ({"payment_token": NO_CODE}, "payment token is not a contract"),
        ({"rate_bps": 0}, "rate out of bounds"),
        ({"rate_bps": 10_001}, "rate out of bounds"),
        ({"slots": 0}, "slots out of bounds"),
        ({"slots": 9}, "slots out of bounds"),
        ({"rate_bps": 100, "slots": 2, "pay_bps": 201}, "pay above the price"),
        ({"seat_deposit": 0}, "deposit out of bounds"),
        ({"seat_deposit": 2**128 + 1}, "deposit out of bounds"),
        ({"request_bond": 0}, "no request bond"),
        ({"seed_delay_blocks": 0}, "delay out of bounds"),
        ({"seed_delay_blocks": 257}, "delay out of bounds"),
    ],
)
def test_revert_out_of_bounds(market: Market, changes: dict[str, Any], reason: str) -> None:
    with reverts(f"audits: {reason}"):
        deploy_audits(market.economy.contracts, **changes)


def test_set_audits(market: Market, parts: dict[str, Any]) -> None:
    settlement = parts["settlement"]
    settlement.set_audits(parts["audits"], sender=market.deployer)
    assert event(settlement, "AuditsSet").audits == parts["audits"].address
    assert settlement.audits() == parts["audits"].address


def test_revert_set_audits_twice(market: Market, parts: dict[str, Any]) -> None:
    parts["settlement"].set_audits(parts["audits"], sender=market.deployer)
    with reverts("one_shot: already set"):
        parts["settlement"].set_audits(parts["audits"], sender=market.deployer)


def test_revert_set_audits_by_a_stranger(market: Market, parts: dict[str, Any]) -> None:
    with reverts("one_shot: caller is not the deployer"):
        parts["settlement"].set_audits(parts["audits"], sender=market.stranger)


def test_revert_set_audits_after_the_game(market: Market, parts: dict[str, Any]) -> None:
    """Else the deployer could add, later on, a contract that convicts whom it likes."""
    with boa.env.prank(market.deployer):
        for name in ("providers", "ledger"):
            parts[name].set_settlement(parts["settlement"])
        parts["settlement"].set_game(parts["game"])
        with reverts("settlement: game is set"):
            parts["settlement"].set_audits(parts["audits"])


def test_revert_not_a_contract_or_of_another(market: Market, parts: dict[str, Any]) -> None:
    with reverts("one_shot: not a contract"):
        parts["settlement"].set_audits(NO_CODE, sender=market.deployer)
    with reverts("settlement: audits name another settlement"):
        parts["settlement"].set_audits(market.audits, sender=market.deployer)
