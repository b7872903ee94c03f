"""Settlement.post_batch: many claims in one transaction, each backed by its slash."""

from __future__ import annotations

import boa
from eth_abi.abi import encode

from assay.core.hashes import keccak
from tests.support.market import SLASH, WINDOW, Market, event, reverts

ROOT = b"\x01" * 32


def test_default_behavior(market: Market) -> None:
    batch_id = bytes(market.settlement.post_batch(ROOT, 3, sender=market.provider))
    posted = event(market.settlement, "BatchPosted")
    assert (posted.batch_id, posted.provider, posted.root) == (batch_id, market.provider, ROOT)
    assert (posted.count, posted.nonce) == (3, 0)
    assert posted.challenge_until == market.now + WINDOW
    assert posted.challenge_until == market.settlement.challenge_until(batch_id)
    batch = market.settlement.batch(batch_id)
    assert (batch.provider, batch.root, batch.count) == (market.provider, ROOT, 3)
    assert batch.posted_at == market.now
    assert market.providers.locked(market.provider) == 3 * SLASH
    assert market.settlement.next_nonce(market.provider) == 1


def test_id_commits_to_content(market: Market) -> None:
    batch_id = bytes(market.settlement.post_batch(ROOT, 3, sender=market.provider))
    chain = boa.env.evm.patch.chain_id
    content = [chain, market.settlement.address, market.provider, ROOT, 3, 0]
    types = ["uint256", "address", "address", "bytes32", "uint256", "uint256"]
    assert batch_id == keccak(encode(types, content))
    assert batch_id == market.settlement.batch_id(market.provider, ROOT, 3, 0)


def test_same_root_twice_is_two_batches(market: Market) -> None:
    first = market.settlement.post_batch(ROOT, 1, sender=market.provider)
    assert market.settlement.post_batch(ROOT, 1, sender=market.provider) != first


def test_up_to_the_bond(market: Market) -> None:
    market.settlement.post_batch(ROOT, 4, sender=market.provider)
    market.settlement.post_batch(ROOT, 6, sender=market.provider)
    assert market.providers.free(market.provider) == 0


def test_unknown_batch_has_no_window(market: Market) -> None:
    assert market.settlement.challenge_until(b"\x42" * 32) == 0


def test_revert_without_bond(market: Market) -> None:
    with reverts("provider_registry: bond too small"):
        market.settlement.post_batch(ROOT, 1, sender=market.stranger)
    assert market.settlement.next_nonce(market.stranger) == 0


def test_revert_bond_too_small(market: Market) -> None:
    """The bond covers all claims at once that are not final."""
    market.settlement.post_batch(ROOT, 4, sender=market.provider)
    with reverts("provider_registry: bond too small"):
        market.settlement.post_batch(ROOT, 7, sender=market.provider)
    assert market.providers.locked(market.provider) == 4 * SLASH


def test_revert_empty(market: Market) -> None:
    with reverts("settlement: empty batch"):
        market.settlement.post_batch(ROOT, 0, sender=market.provider)


def test_revert_too_large(market: Market) -> None:
    for count in (2**32, 2**255):
        with reverts("settlement: batch too large"):
            market.settlement.post_batch(ROOT, count, sender=market.provider)
