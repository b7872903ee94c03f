"""Settlement.finalise_many: neighbouring claims of a batch at once, with one proof, or none."""

from __future__ import annotations

import pytest

from assay.core.hashes import receipt_leaf
from assay.core.merkle import MerkleTree, row_path
from tests.support.market import SLASH, Claim, Market, earned, reverts
from tests.support.toy_game import open_game

OUTSIDE = "settlement: receipt not in the batch"


@pytest.mark.parametrize(("first", "count"), [(0, 1), (4, 1), (1, 3), (0, 5), (2, 3)])
def test_default_behavior(market: Market, first: int, count: int) -> None:
    claims = [market.claim() for _ in range(5)]
    market.post(*claims)
    market.after_window()
    assert market.finalise_many(*claims[first : first + count]) == count * 1151
    assert market.ledger.earnings_of(market.provider) == count * earned(1151)
    assert market.providers.locked(market.provider) == (5 - count) * SLASH
    paid = [i for i, claim in enumerate(claims) if status(market, claim) == 1]
    assert paid == list(range(first, first + count))


@pytest.mark.parametrize("first", [0, 7, 8, 9])
def test_as_many_as_fit(market: Market, first: int) -> None:
    market.fund_provider(20 * SLASH)
    claims = [market.claim() for _ in range(25)]
    market.post(*claims)
    market.after_window()
    assert market.finalise_many(*claims[first : first + 16]) == 16 * 1151


def test_revert_none(market: Market) -> None:
    batch_id = market.post(market.claim())
    with reverts(OUTSIDE):
        market.settlement.finalise_many(batch_id, 0, [], [])


def test_revert_one_of_them(market: Market) -> None:
    claims = [market.claim() for _ in range(3)]
    market.post(*claims)
    open_game(market, claims[1])
    market.after_window()
    with reverts("settlement: a game is open"):
        market.finalise_many(*claims)
    assert status(market, claims[0]) == 0
    assert market.ledger.earnings_of(market.provider) == 0


def test_revert_paid_already(market: Market) -> None:
    claims = [market.claim() for _ in range(2)]
    market.post(*claims)
    market.after_window()
    market.finalise(claims[1])
    with reverts("settlement: job is paid already"):
        market.finalise_many(*claims)


def test_revert_another_place(market: Market) -> None:
    """Right claims and a right proof at another index: other claims would end."""
    claims = [market.claim() for _ in range(6)]
    market.post(*claims)
    market.after_window()
    for shift in (-1, 1, 2, 4, 2**32, 2**255):
        with reverts(OUTSIDE):
            finalise_at(market, (1 + shift) % 2**256, claims[1:3], path_of(claims[1:3]))


def test_revert_not_neighbours(market: Market) -> None:
    claims = [market.claim() for _ in range(4)]
    market.post(*claims)
    market.after_window()
    for others in ([claims[0], claims[2]], [claims[1], claims[0]], [claims[0], claims[0]]):
        with reverts(OUTSIDE):
            finalise_at(market, 0, others, path_of(claims[:2]))


def test_revert_other_proof(market: Market) -> None:
    """Longer, shorter, in another order, with another node."""
    claims = [market.claim() for _ in range(8)]
    market.post(*claims)
    market.after_window()
    row = claims[2:4]
    path = path_of(row)
    assert len(path) == 2
    for other in ((*path, bytes(32)), path[:1], path[::-1], (path[0], bytes(32))):
        with reverts(OUTSIDE):
            finalise_at(market, 2, row, other)
    finalise_at(market, 2, row, path)


def test_revert_beyond_the_last(market: Market) -> None:
    """A root over four receipts, posted as three: there is no bond behind the fourth."""
    claims = [market.claim() for _ in range(4)]
    tree = MerkleTree([receipt_leaf(claim.receipt) for claim in claims])
    batch_id = bytes(market.settlement.post_batch(tree.root, 3, sender=market.provider))
    for index, claim in enumerate(claims):
        claim.batch_id, claim.index, claim.proof = batch_id, index, tree.path(index)
    market.after_window()
    for first in (2, 3):
        with reverts(OUTSIDE):
            market.finalise_many(*claims[first:])
    assert market.finalise_many(*claims[:3]) == 3 * 1151


def status(market: Market, claim: Claim) -> int:
    return int(market.settlement.status(claim.batch_id, claim.index))


def path_of(claims: list[Claim]) -> tuple[bytes, ...]:
    first, last = claims[0], claims[-1]
    return row_path(first.index, last.index, first.proof, last.proof)


def finalise_at(market: Market, first: int, claims: list[Claim], path: tuple[bytes, ...]) -> None:
    items = [(claim.receipt.abi(), claim.job.abi(), claim.signature) for claim in claims]
    market.settlement.finalise_many(claims[0].batch_id, first, items, path)
