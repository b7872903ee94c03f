"""Payment tokens that take a fee, return nothing, or return False."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.attacks.arena import Defect, economy, without
from tests.support.credit import deploy_ledger
from tests.support.economy import DOLLAR, FEE_BPS, WITHDRAWAL_DELAY, Economy
from tests.support.evm import deployer, reverts
from tests.support.odd_tokens import answering_token, silent_token

UNCOUNTED = Defect(
    "network/CreditLedger",
    '    assert arrived == amount, "credit_ledger: token took a fee"\n',
    "",
    "modules/prepaid",
)
UNASKED = Defect(
    "network/CreditLedger",
    "    assert extcall IERC20(payment_token).transferFrom(\n"
    "        msg.sender, self, amount, default_return_value=True\n"
    '    ), "credit_ledger: transfer failed"\n',
    "    assert extcall IERC20(payment_token).transferFrom(msg.sender, self, amount)\n",
    "modules/prepaid",
)


def ledger_of(economy: Economy, token: Any, code: Any = None) -> Any:
    if code is None:
        return deploy_ledger(economy, payment_token=token)
    parts = [economy.contracts[name] for name in ("karat", "staking", "emissions", "router")]
    return code(token, *parts, economy.owner, FEE_BPS, WITHDRAWAL_DELAY)


def deposit_and_leave(ledger: Any, token: Any) -> tuple[int, int]:
    """One deposits honestly; one with a fee; the latter leaves. What is owed, what is held."""
    honest, attacker = (boa.env.generate_address(name) for name in ("honest", "attacker"))
    token.mint(honest, 100 * DOLLAR)
    token.mint(attacker, 100 * DOLLAR)
    ledger.deposit(100 * DOLLAR, sender=honest)
    token.set_fee(1_000)
    ledger.deposit(100 * DOLLAR, sender=attacker)
    ticket = ledger.request_withdrawal(100 * DOLLAR, sender=attacker)
    boa.env.time_travel(seconds=ledger.withdrawal_seconds())
    ledger.withdraw(ticket, attacker, sender=attacker)
    return int(ledger.balance_of(honest)), int(token.balanceOf(ledger.address))


def six_decimals(token: Any) -> Any:
    assert token.decimals() == 6
    return token


def test_a_fee_on_deposit_fails() -> None:
    with economy() as sound:
        token = six_decimals(answering_token())
        with reverts("credit_ledger: token took a fee"):
            deposit_and_leave(ledger_of(sound, token), token)


def test_a_fee_on_deposit_bites() -> None:
    with economy() as sound:
        token = answering_token()
        ledger = ledger_of(sound, token, without(UNCOUNTED))
        owed, held = deposit_and_leave(ledger, token)
        assert held < owed == 100 * DOLLAR


def test_a_token_without_answers_works() -> None:
    """In and out, to the last unit."""
    with economy() as sound:
        token, holder = silent_token(), boa.env.generate_address("holder")
        ledger = ledger_of(sound, token)
        token.mint(holder, DOLLAR)
        ledger.deposit(DOLLAR, sender=holder)
        ledger.request_withdrawal(DOLLAR, sender=holder)
        boa.env.time_travel(seconds=ledger.withdrawal_seconds())
        ledger.withdraw(0, holder, sender=holder)
        assert token.balanceOf(holder) == DOLLAR


def test_a_token_without_answers_bites() -> None:
    with economy() as sound:
        token, holder = silent_token(), boa.env.generate_address("holder")
        token.mint(holder, DOLLAR)
        with pytest.raises(boa.BoaError):
            ledger_of(sound, token, without(UNASKED)).deposit(DOLLAR, sender=holder)


@pytest.mark.parametrize("taking", ["fee_router: transfer failed", "fee_router: token took a fee"])
def test_the_fee_router(taking: str) -> None:
    with economy() as sound:
        token, payer = answering_token(), boa.env.generate_address("payer")
        auction = deployer("treasury/BurnAuction")(
            token, sound.token, sound.owner, tuple(sound.auction.parameters())
        )
        router = deployer("treasury/FeeRouter")(token, auction, sound.owner)
        router.set_plan(1, DOLLAR, sender=sound.owner)
        token.mint(payer, DOLLAR)
        if "fee" in taking.split(": ")[1]:
            token.set_fee(1)
        else:
            token.refuse(True)
        with reverts(taking):
            router.subscribe(payer, 1, 1, sender=payer)
        assert router.subscribed_until(payer, 1) == 0
