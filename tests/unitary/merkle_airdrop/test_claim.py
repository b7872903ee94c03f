"""MerkleAirdrop.claim: each part once, to whom the root names, until the deadline."""

from __future__ import annotations

import boa
import pytest
from eth_abi.abi import encode

from assay.chain.airdrop import AirdropTree
from assay.core.hashes import keccak
from tests.support.economy import ETHER
from tests.support.evm import deployer, event, now, reverts
from tests.unitary.merkle_airdrop.conftest import DURATION, Drop

WRONG = "merkle_airdrop: wrong proof"


def test_default_behavior(drop: Drop) -> None:
    account = drop.claimants[1]
    drop.claim(account, sender=account)
    claimed = event(drop.contract, "Claimed")
    assert (claimed.account, claimed.amount) == (account, 2 * ETHER)
    assert drop.token.balanceOf(account) == 2 * ETHER
    assert drop.contract.claimed(account)
    assert drop.token.balanceOf(drop.contract.address) == 4 * ETHER


def test_all_by_a_stranger_in_the_last_second(drop: Drop) -> None:
    boa.env.time_travel(seconds=drop.contract.deadline() - now())
    for account in drop.claimants:
        drop.claim(account)
    assert [drop.token.balanceOf(a) for a in drop.claimants] == [ETHER, 2 * ETHER, 3 * ETHER]
    assert drop.token.balanceOf(drop.stranger) == drop.token.balanceOf(drop.contract.address) == 0


def test_single_leaf(drop: Drop) -> None:
    tree = AirdropTree([(drop.stranger, 5)])
    contract = deployer("tokens/MerkleAirdrop")(drop.token, tree.root, now() + DURATION)
    drop.token.transfer(contract.address, 5, sender=drop.treasury)
    contract.claim(drop.stranger, 5, [])
    assert drop.token.balanceOf(drop.stranger) == 5


def test_revert_late(drop: Drop) -> None:
    boa.env.time_travel(seconds=drop.contract.deadline() - now() + 1)
    with reverts("merkle_airdrop: deadline has passed"):
        drop.claim(drop.claimants[0])


def test_revert_twice(drop: Drop) -> None:
    drop.claim(drop.claimants[0])
    with reverts("merkle_airdrop: already claimed"):
        drop.claim(drop.claimants[0])
    assert drop.token.balanceOf(drop.claimants[0]) == ETHER


@pytest.mark.parametrize("excess", [-ETHER, -1, 1, 2**255])
def test_revert_other_amount(drop: Drop, excess: int) -> None:
    with reverts(WRONG):
        drop.claim(drop.claimants[0], amount=ETHER + excess)


def test_revert_anothers_proof(drop: Drop) -> None:
    first, second, _ = drop.claimants
    with reverts(WRONG):
        drop.claim(second, proof=drop.tree.proof(first))
    with reverts(WRONG):
        drop.contract.claim(drop.stranger, ETHER, drop.tree.proof(first))


def test_revert_proof_cut_or_grown(drop: Drop) -> None:
    proof = drop.tree.proof(drop.claimants[0])
    for wrong in ([], proof[:-1], [*proof, bytes(32)], list(reversed([*proof, proof[0]]))):
        with reverts(WRONG):
            drop.claim(drop.claimants[0], proof=wrong)


def test_revert_node_as_leaf(drop: Drop) -> None:
    """A node whose two children read as (account, amount) is no leaf: leaves are hashed twice."""
    root = keccak(encode(["address", "uint256"], [drop.stranger, ETHER]))
    contract = deployer("tokens/MerkleAirdrop")(drop.token, root, now() + DURATION)
    with reverts(WRONG):
        contract.claim(drop.stranger, ETHER, [])


def test_revert_not_funded(drop: Drop) -> None:
    contract = deployer("tokens/MerkleAirdrop")(drop.token, drop.tree.root, now() + DURATION)
    account = drop.claimants[0]
    with reverts("erc20: transfer amount exceeds balance"):
        contract.claim(account, ETHER, drop.tree.proof(account))
    assert not contract.claimed(account)
