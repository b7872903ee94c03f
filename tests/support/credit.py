"""Owners of credit, their channels and vouchers, on top of the market.

KARAT comes from one account that locked a great stake, so an owner has exactly the KARAT and the
stake that a test gives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boa
from eth_account import Account
from eth_account.signers.local import LocalAccount

from assay.core.hashes import keccak
from assay.core.signing import sign_voucher
from assay.core.vouchers import SignedVoucher, Voucher
from tests.support.economy import DOLLAR, ETHER, FEE_BPS, WITHDRAWAL_DELAY, Economy
from tests.support.evm import DAY, begin_day, deployer, now, today
from tests.support.market import Market

KARAT = ETHER
NOBODY = "0x" + "00" * 20
WHALE_STAKE = 1_000_000 * ETHER


def account(name: str) -> LocalAccount:
    """A key of its own for a role."""
    return Account.from_key(keccak(name.encode()))


def deploy_ledger(economy: Economy, **changes: Any) -> Any:
    """A ledger beside the economy's own, unlinked; `changes` by the constructor's names."""
    parts = economy.contracts
    arguments = {
        "payment_token": parts["usdc"],
        "karat": parts["karat"],
        "staking": parts["staking"],
        "emissions": parts["emissions"],
        "router": parts["router"],
        "owner": economy.owner,
        "fee_bps": FEE_BPS,
        "withdrawal_seconds": WITHDRAWAL_DELAY,
    }
    return deployer("network/CreditLedger")(*(arguments | changes).values())


@dataclass(repr=False)
class Credit:
    """A market in which credit is spent.

    `owner` has KARAT and stake; `payee` is whom its channel pays; `key` signs for the owner.
    """

    market: Market
    owner: LocalAccount = field(default_factory=lambda: account("owner of credit"))
    key: LocalAccount = field(default_factory=lambda: account("session key"))
    payee: str = ""
    whale: str = ""

    @property
    def economy(self) -> Economy:
        return self.market.economy

    @property
    def ledger(self) -> Any:
        return self.market.ledger

    def begin(self) -> None:
        """Go to the first second of a day; lay in KARAT."""
        self.payee = boa.env.generate_address("payee")
        self.whale = boa.env.generate_address("whale")
        self.economy.stake(self.whale, WHALE_STAKE)
        self.market.minter.mint(WHALE_STAKE, 0, sender=self.whale)
        begin_day()

    def give_karat(self, owner: str, amount: int) -> None:
        """KARAT, staked."""
        self.market.karat.transfer(owner, amount, sender=self.whale)
        self.market.karat.stake(amount, sender=owner)

    def give_dollars(self, owner: str, amount: int) -> None:
        """Dollars in the wallet, approved for the ledger."""
        self.economy.give(owner, usd_micro=amount)
        self.market.usdc.approve(self.ledger.address, amount, sender=owner)

    def open(
        self,
        karat_micro: int = 0,
        capacity_bps: int = 0,
        *,
        owner: str | None = None,
        payee: str | None = None,
        key: str = NOBODY,
        expires_at: int | None = None,
        deposit: int = 0,
    ) -> None:
        """Set a channel; its dollars are given to the owner. Expires in 30 days."""
        owner, payee = owner or self.owner.address, payee or self.payee
        if deposit:
            self.give_dollars(owner, deposit)
        expiry = now() + 30 * DAY if expires_at is None else expires_at
        arguments = (payee, karat_micro, capacity_bps, key, expiry, deposit)
        self.ledger.set_channel(*arguments, sender=owner)

    def sign(
        self,
        cumulative: int,
        *,
        day: int | None = None,
        signer: LocalAccount | None = None,
        owner: str | None = None,
        payee: str | None = None,
        chain_id: int | None = None,
        ledger: str | None = None,
    ) -> SignedVoucher:
        """A voucher of today, signed by the owner, unless said otherwise."""
        voucher = Voucher(
            owner or self.owner.address,
            payee or self.payee,
            today() if day is None else day,
            cumulative,
        )
        chain = boa.env.evm.patch.chain_id if chain_id is None else chain_id
        return sign_voucher(signer or self.owner, voucher, chain, ledger or self.ledger.address)

    def collect(self, cumulative: int, **changes: Any) -> int:
        """Sign and collect; the collector is a stranger."""
        signed = self.sign(cumulative, **changes)
        return int(self.ledger.collect(signed.abi(), sender=self.market.stranger))

    def state(self, day: int | None = None, owner: str | None = None) -> Any:
        """The channel's state on a day, today's unless said otherwise."""
        parties = (owner or self.owner.address, self.payee)
        return self.ledger.channel_state(*parties, today() if day is None else day)

    def pay(
        self,
        price: int,
        credit_cap: int | None = None,
        *,
        consumer: str | None = None,
        posted_at: int | None = None,
    ) -> int:
        """As the settlement pays a claim of the payee's, posted now and of any price."""
        cap = price if credit_cap is None else credit_cap
        parties = (consumer or self.payee, self.market.provider)
        arguments = (b"\x01" * 32, *parties, price, cap, now() if posted_at is None else posted_at)
        return int(self.ledger.pay(*arguments, sender=self.market.settlement.address))


def usdc_owed(credit: Credit, accounts: list[str], channels: list[tuple[str, str]]) -> int:
    """All that the ledger owes, in dollars, to those who have anything there."""
    ledger = credit.ledger
    owed = int(ledger.fees())
    for holder in accounts:
        owed += int(ledger.balance_of(holder)) + int(ledger.earnings_of(holder))
    for owner, payee in channels:
        owed += int(ledger.channel(owner, payee).deposit)
    return owed


__all__ = ["DOLLAR", "KARAT", "NOBODY", "Credit", "account", "deploy_ledger", "usdc_owed"]
