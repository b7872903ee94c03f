"""Withdrawals by notice, as ASSAY and KARAT that are staked leave: a ticket, a cooldown, tokens."""

from __future__ import annotations

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined


class TicketClient(ContractClient):
    """The calls of a contract that has the tickets module and one amount per account."""

    def request_unstake(self, amount: int) -> Mined:
        return self.write("request_unstake", amount)

    def cancel_ticket(self, ticket_id: int) -> Mined:
        return self.write("cancel_ticket", ticket_id)

    def withdraw(self, ticket_id: int) -> Mined:
        return self.write("withdraw", ticket_id)

    def total_tickets(self) -> int:
        return int(self.read("total_tickets"))

    def ticket(self, account: str, ticket_id: int) -> tuple[int, int]:
        """Amount and first second of withdrawal; (0, 0) for none."""
        amount, ready_at = self.read("ticket", account, ticket_id)
        return int(amount), int(ready_at)

    def ticket_count(self, account: str) -> int:
        """How many tickets the account was ever given."""
        return int(self.read("ticket_count", account))

    def cooldown_seconds(self) -> int:
        return int(self.read("cooldown_seconds"))
