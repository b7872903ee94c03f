"""MerkleAirdrop: constructor."""

from __future__ import annotations

import pytest

from tests.support.evm import deployer, now, reverts
from tests.support.market import NO_CODE
from tests.unitary.merkle_airdrop.conftest import Drop

TWO_YEARS = 2 * 365 * 86_400


@pytest.mark.parametrize("seconds", [1, TWO_YEARS])
def test_default_behavior(drop: Drop, seconds: int) -> None:
    deadline = now() + seconds
    contract = deployer("tokens/MerkleAirdrop")(drop.token, b"\x01" * 32, deadline)
    assert contract.token() == drop.token.address
    assert contract.root() == b"\x01" * 32
    assert contract.deadline() == deadline
    assert not contract.claimed(drop.claimants[0])


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (0, "merkle_airdrop: deadline has passed"),
        (-1, "merkle_airdrop: deadline has passed"),
        (TWO_YEARS + 1, "merkle_airdrop: deadline too far"),
    ],
)
def test_revert_deadline_out_of_bounds(drop: Drop, seconds: int, reason: str) -> None:
    with reverts(reason):
        deployer("tokens/MerkleAirdrop")(drop.token, b"\x01" * 32, now() + seconds)


def test_revert_no_root(drop: Drop) -> None:
    with reverts("merkle_airdrop: no root"):
        deployer("tokens/MerkleAirdrop")(drop.token, bytes(32), now() + 1)


def test_revert_token_is_not_a_contract() -> None:
    with reverts("merkle_airdrop: token is not a contract"):
        deployer("tokens/MerkleAirdrop")(NO_CODE, b"\x01" * 32, now() + 1)
