"""Clients of the contracts that hold money: tokens, provider bonds, the consumers' escrow."""

from __future__ import annotations

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined


class Token(ContractClient):
    """An ERC-20 token; amounts are its smallest units."""

    def balance_of(self, owner: str) -> int:
        return int(self.read("balanceOf", owner))

    def allowance(self, owner: str, spender: str) -> int:
        return int(self.read("allowance", owner, spender))

    def total_supply(self) -> int:
        return int(self.read("totalSupply"))

    def decimals(self) -> int:
        return int(self.read("decimals"))

    def symbol(self) -> str:
        return str(self.read("symbol"))

    def approve(self, spender: str, amount: int) -> Mined:
        return self.write("approve", spender, amount)

    def transfer(self, to: str, amount: int) -> Mined:
        return self.write("transfer", to, amount)

    def mint(self, to: str, amount: int) -> Mined:
        """Test tokens only."""
        return self.write("mint", to, amount)

    def ensure_allowance(self, owner: str, spender: str, amount: int) -> Mined | None:
        """Approve exactly `amount` unless as much is approved already."""
        if self.allowance(owner, spender) >= amount:
            return None
        return self.approve(spender, amount)


class ProviderRegistry(ContractClient):
    """Bonds of providers, in units of the bond token."""

    def bonded(self, provider: str) -> int:
        return int(self.read("bonded", provider))

    def locked(self, provider: str) -> int:
        return int(self.read("locked", provider))

    def free(self, provider: str) -> int:
        return int(self.read("free", provider))

    def ticket(self, provider: str, ticket_id: int) -> tuple[int, int]:
        """Amount and first second of withdrawal; (0, 0) for none."""
        amount, ready_at = self.read("ticket", provider, ticket_id)
        return int(amount), int(ready_at)

    def unbonding_seconds(self) -> int:
        return int(self.read("unbonding_seconds"))

    def bond(self, amount: int) -> Mined:
        """Add to the sender's bond; approve it first."""
        return self.write("bond", amount)

    def bond_for(self, provider: str, amount: int) -> Mined:
        return self.write("bond_for", provider, amount)

    def request_unbond(self, amount: int) -> Mined:
        return self.write("request_unbond", amount)

    def withdraw(self, ticket_id: int) -> Mined:
        return self.write("withdraw", ticket_id)

    def set_settlement(self, settlement: str) -> Mined:
        return self.write("set_settlement", settlement)


class Escrow(ContractClient):
    """Consumers' prepaid funds, in units of the payment token (micro-USD)."""

    def balance_of(self, consumer: str) -> int:
        return int(self.read("balance_of", consumer))

    def available(self, consumer: str) -> int:
        """Balance that is under no notice of withdrawal."""
        return int(self.read("available", consumer))

    def ticket(self, consumer: str, ticket_id: int) -> tuple[int, int]:
        """Amount and first second of withdrawal; (0, 0) for none."""
        amount, ready_at = self.read("ticket", consumer, ticket_id)
        return int(amount), int(ready_at)

    def withdrawal_seconds(self) -> int:
        return int(self.read("withdrawal_seconds"))

    def deposit(self, amount: int) -> Mined:
        """Add to the sender's balance; approve it first."""
        return self.write("deposit", amount)

    def deposit_for(self, consumer: str, amount: int) -> Mined:
        return self.write("deposit_for", consumer, amount)

    def request_withdrawal(self, amount: int) -> Mined:
        return self.write("request_withdrawal", amount)

    def withdraw(self, ticket_id: int) -> Mined:
        return self.write("withdraw", ticket_id)

    def set_settlement(self, settlement: str) -> Mined:
        return self.write("set_settlement", settlement)
