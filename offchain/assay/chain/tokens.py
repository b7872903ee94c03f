"""Clients of the tokens: ERC-20 with permit, ASSAY, KARAT, and the airdrop of ASSAY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from web3.logs import DISCARD
from web3.types import TxReceipt

from assay.chain.contract import ContractClient
from assay.chain.node import node_errors, url_of
from assay.chain.sender import Mined
from assay.chain.tickets import TicketClient
from assay.core.authorizations import Authorization
from assay.core.eip712 import separator, typed_data
from assay.core.errors import ConfigError

PERMIT_FIELDS = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)

VERSIONS = ("1", "2")
"""Of dollars' EIP-712 domains: TestUSD's, USDC's."""


class Token(ContractClient):
    """An ERC-20 token, with EIP-2612 where it has it; amounts are its smallest units."""

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
        """Test tokens only: ASSAY and KARAT are minted by other contracts."""
        return self.write("mint", to, amount)

    def ensure_allowance(self, owner: str, spender: str, amount: int) -> Mined | None:
        """Approve exactly `amount` unless as much is approved already."""
        if self.allowance(owner, spender) >= amount:
            return None
        return self.approve(spender, amount)

    def permit_nonce(self, owner: str) -> int:
        return int(self.read("nonces", owner))

    def permit(
        self, owner: str, spender: str, amount: int, deadline: int, signature: bytes
    ) -> Mined:
        """Approve in `owner`'s name, by its 65-byte signature over `permit_data`."""
        r, s, v = signature[:32], signature[32:64], signature[64]
        return self.write("permit", owner, spender, amount, deadline, v, r, s)

    def permit_data(self, owner: str, spender: str, amount: int, deadline: int) -> dict[str, Any]:
        """The EIP-712 document of a permit, with the owner's present nonce (EIP-2612)."""
        _, name, version, chain_id, contract, _, _ = self.read("eip712Domain")
        values = {
            "owner": owner,
            "spender": spender,
            "value": amount,
            "nonce": self.permit_nonce(owner),
            "deadline": deadline,
        }
        domain = (name, version)
        return typed_data(domain, chain_id, contract, "Permit", PERMIT_FIELDS, values)


class Dollar(Token):
    """A dollar of 6 decimals that is transferred by signature, too (EIP-3009), as USDC is."""

    def domain(self) -> tuple[str, str]:
        """Name and version of its EIP-712 domain; ConfigError if they cannot be told."""
        name, shown = str(self.read("name")), bytes(self.read("DOMAIN_SEPARATOR"))
        with node_errors(url_of(self.web3)):
            chain_id = self.web3.eth.chain_id
        for version in VERSIONS:
            if separator((name, version), chain_id, self.address) == shown:
                return name, version
        raise ConfigError(
            f"{name} at {self.address} has an EIP-712 domain of another name or version than "
            f"{', '.join(VERSIONS)}: it cannot be paid with by signature; set ASSAY_X402_MINIMUM=0"
        )

    def transfer_with_authorization(self, given: Authorization, signature: bytes) -> Mined:
        """Bring a signed transfer to the chain; the sender pays the gas."""
        r, s, v = signature[:32], signature[32:64], signature[64]
        return self.write("transferWithAuthorization", *given.abi(), v, r, s)

    def authorized(self, given: Authorization, since_block: int) -> str | None:
        """Hash of the transaction that made exactly this transfer, whoever sent it."""
        with node_errors(url_of(self.web3)):
            event = self.contract.events["AuthorizationUsed"]
            wanted = {"authorizer": given.payer, "nonce": given.nonce}
            for log in event.get_logs(from_block=since_block, argument_filters=wanted):
                receipt = self.web3.eth.get_transaction_receipt(log["transactionHash"])
                if self._moved(given, receipt):
                    return str(log["transactionHash"].to_0x_hex())
        return None

    def _moved(self, given: Authorization, receipt: TxReceipt) -> bool:
        moves = self.contract.events["Transfer"]().process_receipt(receipt, errors=DISCARD)
        wanted = [given.payer, given.to, given.value]
        return any(
            move["address"] == self.address and list(move["args"].values()) == wanted
            for move in moves
        )


class AssayToken(Token):
    """ASSAY: 18 decimals, real burns, one minter for ever."""

    def minter(self) -> str:
        return str(self.read("minter"))

    def burn(self, amount: int) -> Mined:
        """Destroy tokens of the sender's; the supply falls."""
        return self.write("burn", amount)

    def set_minter(self, minter: str) -> Mined:
        return self.write("set_minter", minter)


class KaratToken(Token, TicketClient):
    """KARAT: 18 decimals; each staked one spends $1 of inference a UTC day."""

    def staked_of(self, account: str) -> int:
        return int(self.read("staked_of", account))

    def total_staked(self) -> int:
        return int(self.read("total_staked"))

    def minter(self) -> str:
        return str(self.read("minter"))

    def ledger(self) -> str:
        return str(self.read("ledger"))

    def stake(self, amount: int) -> Mined:
        """From the sender's balance, without an approval."""
        return self.write("stake", amount)

    def set_links(self, minter: str, ledger: str) -> Mined:
        return self.write("set_links", minter, ledger)


class MerkleAirdrop(ContractClient):
    """Parts of the genesis supply, claimed with a proof (`chain.airdrop` makes them)."""

    def claim(self, account: str, amount: int, proof: Sequence[bytes]) -> Mined:
        """Anyone may claim for an account, until the deadline."""
        return self.write("claim", account, amount, list(proof))

    def burn_unclaimed(self) -> Mined:
        """Anyone, after the deadline."""
        return self.write("burn_unclaimed")

    def claimed(self, account: str) -> bool:
        return bool(self.read("claimed", account))

    def root(self) -> bytes:
        return bytes(self.read("root"))

    def deadline(self) -> int:
        """The last second in which parts can be claimed."""
        return int(self.read("deadline"))
