"""CreditLedger: constructor, the one-shot link to the settlement, the fee's setter."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.credit import NOBODY, Credit, deploy_ledger
from tests.support.economy import FEE_BPS, WITHDRAWAL_DELAY
from tests.support.market import NO_CODE, event, reverts

YEAR = 365 * 86_400

DECIMALS = """
# pragma version 0.4.3
decimals: public(immutable(uint8))

@deploy
def __init__(count: uint8):
    decimals = count
"""


def deploy(credit: Credit, **changes: Any) -> Any:
    with boa.env.prank(credit.market.deployer):
        return deploy_ledger(credit.economy, **changes)


def test_default_behavior(credit: Credit) -> None:
    market, ledger = credit.market, deploy(credit)
    assert ledger.payment_token() == market.usdc.address
    assert ledger.karat() == market.karat.address
    assert ledger.staking() == market.staking.address
    assert ledger.emissions() == market.emissions.address
    assert ledger.router() == market.router.address
    assert ledger.owner() == market.owner
    assert ledger.fee_bps() == FEE_BPS
    assert ledger.withdrawal_seconds() == WITHDRAWAL_DELAY
    assert ledger.settlement() == NOBODY
    ledger.set_settlement(market.settlement, sender=market.deployer)
    assert event(ledger, "SettlementSet").settlement == market.settlement.address
    assert ledger.settlement() == market.settlement.address


def test_domain(credit: Credit) -> None:
    _, name, version, chain, contract, _, _ = credit.ledger.eip712Domain()
    assert (name, version, contract) == ("Assay credit", "1", credit.ledger.address)
    assert chain == boa.env.evm.patch.chain_id


def test_deployed_size(credit: Credit) -> None:
    """EIP-170."""
    assert len(boa.env.get_code(credit.ledger.address)) < 24_576


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payment_token": NO_CODE}, "credit_ledger: token is not a contract"),
        ({"karat": NO_CODE}, "credit_ledger: KARAT is not a contract"),
        ({"staking": NO_CODE}, "credit_ledger: staking is not a contract"),
        ({"emissions": NO_CODE}, "credit_ledger: emissions is not a contract"),
        ({"router": NO_CODE}, "credit_ledger: router is not a contract"),
        ({"owner": NOBODY}, "credit_ledger: no owner"),
        ({"fee_bps": 2_001}, "credit_ledger: fee too large"),
        ({"withdrawal_seconds": 0}, "tickets: no delay"),
        ({"withdrawal_seconds": YEAR + 1}, "tickets: delay too long"),
    ],
)
def test_revert_out_of_bounds(credit: Credit, changes: dict[str, Any], reason: str) -> None:
    with reverts(reason):
        deploy(credit, **changes)


@pytest.mark.parametrize(
    "changes", [{"fee_bps": 0}, {"fee_bps": 2_000}, {"withdrawal_seconds": 1}], ids=str
)
def test_bounds_are_allowed(credit: Credit, changes: dict[str, int]) -> None:
    ((name, value),) = changes.items()
    assert getattr(deploy(credit, **changes), name)() == value


@pytest.mark.parametrize("decimals", [0, 2, 5, 7, 8, 18])
def test_revert_decimals(credit: Credit, decimals: int) -> None:
    """Prices are micro-USD; any other unit would be wrong by powers of ten."""
    token = boa.loads(DECIMALS, decimals)
    with reverts("credit_ledger: token has not 6 decimals"):
        deploy(credit, payment_token=token.address)


def test_six_decimals(credit: Credit) -> None:
    token = boa.loads(DECIMALS, 6)
    assert deploy(credit, payment_token=token.address).payment_token() == token.address


def test_revert_set_settlement_twice_or_by_a_stranger(credit: Credit) -> None:
    market = credit.market
    with reverts("one_shot: caller is not the deployer"):
        credit.ledger.set_settlement(market.game, sender=market.stranger)
    with reverts("one_shot: already set"):
        credit.ledger.set_settlement(market.game, sender=market.deployer)
    with reverts("one_shot: not a contract"):
        deploy(credit).set_settlement(NO_CODE, sender=market.deployer)


@pytest.mark.parametrize("fee_bps", [0, 1, 2_000])
def test_set_fee(credit: Credit, fee_bps: int) -> None:
    credit.ledger.set_fee(fee_bps, sender=credit.market.owner)
    assert event(credit.ledger, "FeeSet").fee_bps == credit.ledger.fee_bps() == fee_bps


def test_revert_set_fee_too_large(credit: Credit) -> None:
    with reverts("credit_ledger: fee too large"):
        credit.ledger.set_fee(2_001, sender=credit.market.owner)


@pytest.mark.parametrize("role", ["deployer", "provider", "stranger"])
def test_revert_set_fee_not_the_owner(credit: Credit, role: str) -> None:
    with reverts("ownable: caller is not the owner"):
        credit.ledger.set_fee(1, sender=getattr(credit.market, role))
    assert credit.ledger.fee_bps() == FEE_BPS


def test_ownership_moves_and_ends(credit: Credit) -> None:
    ledger, market = credit.ledger, credit.market
    ledger.transfer_ownership(market.stranger, sender=market.owner)
    assert ledger.owner() == market.stranger
    ledger.renounce_ownership(sender=market.stranger)
    with reverts("ownable: caller is not the owner"):
        ledger.set_fee(1, sender=market.stranger)
