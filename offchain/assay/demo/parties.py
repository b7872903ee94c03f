"""The accounts of a demonstration: fresh keys in keystores, funded from Anvil's own account.

That account has its ASSAY from the airdrop, like anybody; test dollars it mints.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount

from assay.chain.airdrop import AirdropTree
from assay.chain.deployment import Deployment
from assay.chain.keys import THROWAWAY_STRENGTH, new_keystore
from assay.chain.network import Network
from assay.chain.sender import Sender
from assay.demo.result import Balance

ROLES = ("consumer", "honest provider", "cheating provider", "challenger")
PROVIDERS = ("honest provider", "cheating provider")
GAS_MONEY_WEI = 10 * 10**18
CLAIMS_BONDED = 5  # a provider's bond covers the slash of so many claims at once
PREPAID_MICRO_USD = 5_000_000


@dataclass(frozen=True)
class Party:
    """One account with its keystore."""

    role: str
    account: LocalAccount
    keystore: Path
    password_file: Path

    @property
    def address(self) -> str:
        return str(self.account.address)

    def settings(self) -> dict[str, object]:
        """The ASSAY_* settings that let a service sign as this party."""
        return {"keystore": self.keystore, "password_file": self.password_file}


def make_parties(folder: Path) -> dict[str, Party]:
    return {role: make_party(folder, role) for role in ROLES}


def make_party(folder: Path, role: str) -> Party:
    """A new key in its own keystore with a random password."""
    password_file = folder / "keys" / f"{role.replace(' ', '-')}.password"
    password_file.parent.mkdir(parents=True, exist_ok=True)
    password_file.touch(mode=0o600)
    password = secrets.token_hex(16)
    password_file.write_text(password + "\n")
    keystore = password_file.with_suffix(".json")
    account = new_keystore(keystore, password, THROWAWAY_STRENGTH)
    return Party(role, account, keystore, password_file)


def fund(network: Network, parties: dict[str, Party], airdrop: AirdropTree) -> None:
    """Ether and tokens for everybody; bonds and the consumer's deposit by their owners."""
    if network.sender is None:
        raise ValueError("funding needs the deployer's sender")
    purse = network.sender.address
    network.airdrop.claim(purse, airdrop.amounts[purse], airdrop.proof(purse))
    slash = network.settlement.slash_per_claim()
    bond = CLAIMS_BONDED * slash
    challenge = 2 * network.game.challenger_bond()
    for party in parties.values():
        network.sender.transfer(party.address, GAS_MONEY_WEI)
    for role in PROVIDERS:
        network.assay.transfer(parties[role].address, bond)
        own = as_party(network, parties[role])
        own.assay.approve(own.providers.address, bond)
        own.providers.bond(bond)
    network.assay.transfer(parties["challenger"].address, challenge)
    consumer = as_party(network, parties["consumer"])
    network.usdc.mint(parties["consumer"].address, PREPAID_MICRO_USD)
    consumer.usdc.approve(consumer.ledger.address, PREPAID_MICRO_USD)
    consumer.ledger.deposit(PREPAID_MICRO_USD)


def as_party(network: Network, party: Party) -> Network:
    """The same contracts, signed for by this party."""
    deployment: Deployment = network.deployment
    return Network(network.web3, deployment, Sender(network.web3, party.account))


@dataclass(frozen=True)
class Figure:
    """One balance worth showing."""

    party: str
    what: str
    unit: str
    decimals: int
    value: int


def figures(network: Network, parties: dict[str, Party]) -> list[Figure]:
    """Every party's money, in the smallest units."""
    usd, bond, ledger = network.usdc, network.assay, network.ledger
    units = {"usd": (usd.symbol(), usd.decimals()), "bond": (bond.symbol(), bond.decimals())}
    prepaid = ledger.balance_of(parties["consumer"].address)
    found = [Figure("consumer", "prepaid", *units["usd"], prepaid)]
    for role in PROVIDERS:
        address = parties[role].address
        found.append(Figure(role, "earnings", *units["usd"], ledger.earnings_of(address)))
        found.append(Figure(role, "bond", *units["bond"], network.providers.bonded(address)))
    challenger = parties["challenger"].address
    found.append(Figure("challenger", "wallet", *units["bond"], bond.balance_of(challenger)))
    found.append(Figure("protocol", "fees", *units["usd"], ledger.fees()))
    found.append(Figure("everybody", "supply", *units["bond"], bond.total_supply()))
    return found


def balances(before: list[Figure], after: list[Figure]) -> list[Balance]:
    """The same figures at two times."""
    return [
        Balance(b.party, b.what, b.unit, b.decimals, b.value, a.value)
        for b, a in zip(before, after, strict=True)
    ]
