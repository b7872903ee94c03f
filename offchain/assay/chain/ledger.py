"""Client of the credit ledger: allowances, prepaid dollars, channels, earnings.

All amounts are micro-USD, which are units of USDC. A day is Unix time // 86,400.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined
from assay.core.vouchers import DAY_SECONDS, SignedVoucher, Voucher, day_of


@dataclass(frozen=True)
class Channel:
    """An owner's standing promise to a payee.

    A day: `karat_micro` of the KARAT allowance and `capacity_bps` of the capacity allowance;
    then `deposit`, dollars of the channel's own. `session_key` may sign vouchers (zero: none).
    """

    karat_micro: int
    capacity_bps: int
    deposit: int
    session_key: str
    expires_at: int

    @property
    def closable_at(self) -> int:
        """Vouchers of a day can be collected until the end of the next one."""
        return (day_of(self.expires_at) + 2) * DAY_SECONDS


@dataclass(frozen=True)
class ChannelState:
    """What was collected of a channel on one day, and what may be."""

    day: int
    collected_credit: int
    collected_usdc: int
    credit_limit: int
    deposit: int
    expires_at: int

    @property
    def collected(self) -> int:
        """The next voucher's `cumulative` is this and what is to be paid."""
        return self.collected_credit + self.collected_usdc

    @property
    def left(self) -> int:
        """What the channel can still pay on this day."""
        return max(self.credit_limit - self.collected_credit, 0) + self.deposit


class CreditLedger(ContractClient):
    """Credit by UTC days, prepaid dollars, channels, and what claims are paid from."""

    def deposit(self, amount: int) -> Mined:
        """Add to the sender's dollars; approve them first."""
        return self.write("deposit", amount)

    def deposit_for(self, account: str, amount: int) -> Mined:
        return self.write("deposit_for", account, amount)

    def request_withdrawal(self, amount: int) -> Mined:
        return self.write("request_withdrawal", amount)

    def withdraw(self, ticket_id: int, to: str) -> Mined:
        return self.write("withdraw", ticket_id, to)

    def withdraw_earnings(self, to: str) -> Mined:
        """Provider: collect all that finalised claims have paid."""
        return self.write("withdraw_earnings", to)

    def set_channel(
        self,
        payee: str,
        karat_micro: int,
        capacity_bps: int,
        session_key: str,
        expires_at: int,
        added_deposit: int = 0,
    ) -> Mined:
        """Open or change the sender's channel to a payee; what falls, falls tomorrow.

        `added_deposit` comes from the sender's wallet: approve the ledger first.
        """
        return self.write(
            "set_channel",
            payee,
            karat_micro,
            capacity_bps,
            session_key,
            expires_at,
            added_deposit,
        )

    def close_channel(self, owner: str, payee: str) -> Mined:
        return self.write("close_channel", owner, payee)

    def collect(self, signed: SignedVoucher) -> Mined:
        return self.write("collect", signed.abi())

    def collect_many(self, signed: Sequence[SignedVoucher]) -> Mined:
        """At most 256 vouchers of one payee; one that cannot be collected is skipped."""
        return self.write("collect_many", [voucher.abi() for voucher in signed])

    def collectable(self, signed: SignedVoucher, block: int | None = None) -> int:
        """What `collect` would credit, now or at `block`; ContractReverted says why nothing."""
        return int(self.read("collect", signed.abi(), block=block))

    def sweep_fees(self) -> Mined:
        return self.write("sweep_fees")

    def set_fee(self, fee_bps: int) -> Mined:
        """Owner."""
        return self.write("set_fee", fee_bps)

    def set_settlement(self, settlement: str) -> Mined:
        return self.write("set_settlement", settlement)

    def balance_of(self, account: str) -> int:
        """Dollars outside channels, under notice of withdrawal or not."""
        return int(self.read("balance_of", account))

    def available(self, account: str) -> int:
        """What a claim posted today can count on: dollars under no notice, and credit."""
        return int(self.read("available", account))

    def credit_of(self, account: str, day: int) -> int:
        """Credit collected for a UTC day and not yet spent."""
        return int(self.read("credit_of", account, day))

    def earnings_of(self, provider: str) -> int:
        return int(self.read("earnings_of", provider))

    def fees(self) -> int:
        return int(self.read("fees"))

    def allowance_of(self, account: str) -> tuple[int, int]:
        """Today's whole allowance: from staked KARAT, and from the capacity share."""
        karat, capacity = self.read("allowance_of", account)
        return int(karat), int(capacity)

    def committed_of(self, account: str) -> tuple[int, int]:
        """Micro-USD of KARAT and bps of capacity that channels claim today."""
        karat, capacity = self.read("committed_of", account)
        return int(karat), int(capacity)

    def channel(self, owner: str, payee: str) -> Channel:
        return Channel(*self.read("channel", owner, payee))

    def channel_state(
        self, owner: str, payee: str, day: int, block: int | None = None
    ) -> ChannelState:
        """For today or yesterday, as of now or of `block`."""
        return ChannelState(*self.read("channel_state", owner, payee, day, block=block))

    def voucher_digest(self, voucher: Voucher) -> bytes:
        return bytes(self.read("voucher_digest", voucher.abi()))

    def ticket(self, account: str, ticket_id: int) -> tuple[int, int]:
        """Amount and first second of withdrawal; (0, 0) for none."""
        amount, ready_at = self.read("ticket", account, ticket_id)
        return int(amount), int(ready_at)

    def ticket_count(self, account: str) -> int:
        return int(self.read("ticket_count", account))

    def withdrawal_seconds(self) -> int:
        return int(self.read("withdrawal_seconds"))

    def fee_bps(self) -> int:
        return int(self.read("fee_bps"))

    def owner(self) -> str:
        return str(self.read("owner"))
