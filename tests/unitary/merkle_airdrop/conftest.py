"""An airdrop of three parts, funded, and a tree that proves them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from assay.chain.airdrop import AirdropTree
from tests.support.economy import ETHER
from tests.support.evm import deployer, now

DURATION = 1_000


@dataclass(repr=False)
class Drop:
    """`claimants` have 1, 2 and 3 ASSAY; the treasury holds as much again."""

    token: Any
    contract: Any
    tree: AirdropTree
    claimants: list[str]
    treasury: str
    stranger: str

    def claim(self, account: str, sender: str | None = None, **changes: Any) -> None:
        """Claim an account's part; `changes` replace `amount` or `proof`."""
        amount = changes.get("amount", self.tree.amounts[account])
        proof = changes.get("proof", self.tree.proof(account))
        self.contract.claim(account, amount, proof, sender=sender or self.stranger)


@pytest.fixture(scope="module")
def deployed_drop() -> Drop:
    """Of each file anew: its deadline must lie ahead, whatever ran before."""
    treasury, stranger, *claimants = (
        boa.env.generate_address(role)
        for role in ("treasury", "stranger", "first", "second", "third")
    )
    tree = AirdropTree([(account, (n + 1) * ETHER) for n, account in enumerate(claimants)])
    token = deployer("tokens/AssayToken")(treasury, 2 * tree.total)
    contract = deployer("tokens/MerkleAirdrop")(token, tree.root, now() + DURATION)
    token.transfer(contract.address, tree.total, sender=treasury)
    return Drop(token, contract, tree, claimants, treasury, stranger)


@pytest.fixture
def drop(deployed_drop: Drop) -> Iterator[Drop]:
    with boa.env.anchor():
        yield deployed_drop
