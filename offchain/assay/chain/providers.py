"""Client of the provider registry: the bonds that back providers' claims."""

from __future__ import annotations

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined


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

    def announce(self, url: str) -> Mined:
        """Say where the sender serves; an empty text takes it back. At most 256 characters."""
        return self.write("announce", url)

    def request_unbond(self, amount: int) -> Mined:
        return self.write("request_unbond", amount)

    def withdraw(self, ticket_id: int) -> Mined:
        return self.write("withdraw", ticket_id)

    def set_settlement(self, settlement: str) -> Mined:
        return self.write("set_settlement", settlement)
