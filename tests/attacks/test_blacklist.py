"""A provider that the payment token refuses to pay: whom does it block?"""

from __future__ import annotations

import boa

from tests.attacks.arena import Defect, market
from tests.support.evm import reverts
from tests.support.market import SLASH, Claim, Market, earned

# Pays the provider when the claim is final, instead of leaving it to be fetched.
PUSHED = Defect(
    "network/CreditLedger",
    "    self.earnings_of[provider] += paid - fee\n",
    "    self._send(provider, paid - fee)\n",
    "modules/prepaid",
)


def finalise_all(market: Market) -> list[Claim]:
    """Two claims of one batch; the provider is blacklisted before they are final."""
    market.fund_provider(10 * SLASH)
    market.fund_consumer(1_000_000)
    claims = [market.claim(), market.claim()]
    market.post(*claims)
    market.after_window()
    market.usdc.blacklist(market.provider, True, sender=market.deployer)
    market.finalise_many(*claims)
    return claims


def test_claims_become_final() -> None:
    with market() as sound:
        claims = finalise_all(sound)
        due = sum(earned(claim.receipt.price) for claim in claims)
        assert sound.ledger.earnings_of(sound.provider) == due
        with reverts("test_usd: blacklisted"):
            sound.ledger.withdraw_earnings(sound.provider, sender=sound.provider)
        # Its money is not lost: it may go elsewhere, at its own call.
        assert sound.ledger.withdraw_earnings(sound.stranger, sender=sound.provider) == due


def test_others_are_not_blocked() -> None:
    """A blacklisted consumer's dollars pay its claims; others come and go."""
    with market() as sound:
        sound.fund_provider(10 * SLASH)
        sound.fund_consumer(1_000_000)
        claim = sound.claim()
        sound.post(claim)
        sound.usdc.blacklist(sound.consumer, True, sender=sound.deployer)
        sound.after_window()
        assert sound.finalise(claim) == claim.receipt.price
        sound.ledger.withdraw_earnings(sound.provider, sender=sound.provider)
        assert sound.ledger.sweep_fees() > 0
        other = boa.env.generate_address("other")
        sound.economy.deposit(other, 5)
        ticket = sound.ledger.request_withdrawal(1_000, sender=sound.consumer)
        boa.env.time_travel(seconds=sound.ledger.withdrawal_seconds())
        with reverts("test_usd: blacklisted"):
            sound.ledger.withdraw(ticket, sound.consumer, sender=sound.consumer)
        assert sound.ledger.withdraw(ticket, other, sender=sound.consumer) == 1_000


def test_bites() -> None:
    """Pushed, the payment of one provider blocks its batch, slash and all, for ever."""
    with market(PUSHED) as defective, reverts("test_usd: blacklisted"):
        finalise_all(defective)
